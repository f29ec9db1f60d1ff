/** Position of the image on the screen: zoom and pan. */

/** @import {Point} from "./types.js" */

const MAX_SCALE = 40;
const MARGIN = 24; // screen pixels around the fitted image
const MIN_VISIBLE = 60; // screen pixels of the image that stay visible

export class Viewport {
  /** Screen pixels (CSS) per image pixel. */
  scale = 1;
  /** Position of the image's top left corner on the screen. */
  x = 0;
  y = 0;
  screen = { width: 1, height: 1 };
  image = { width: 1, height: 1 };
  isFitted = true;

  /** The scale at which the whole image is visible. */
  get fitScale() {
    const { width, height } = this.screen;
    return Math.min(
      Math.max(1, width - 2 * MARGIN) / this.image.width,
      Math.max(1, height - 2 * MARGIN) / this.image.height,
    );
  }

  /**
   * @param {number} width of the screen area
   * @param {number} height
   */
  resize(width, height) {
    this.x += (width - this.screen.width) / 2;
    this.y += (height - this.screen.height) / 2;
    this.screen = { width, height };
    if (this.isFitted) this.fit();
  }

  /** Set the size of the image; a new size is fitted to the screen. @param {number} width @param {number} height */
  setImage(width, height) {
    if (width === this.image.width && height === this.image.height) return;
    this.image = { width, height };
    this.fit();
  }

  fit() {
    this.isFitted = true;
    this.scale = this.fitScale;
    this.x = (this.screen.width - this.image.width * this.scale) / 2;
    this.y = (this.screen.height - this.image.height * this.scale) / 2;
  }

  /** @param {number} factor @param {Point} [around] keeps its place on the screen */
  zoom(factor, around = { x: this.screen.width / 2, y: this.screen.height / 2 }) {
    const before = this.toImage(around);
    this.scale = Math.min(MAX_SCALE, Math.max(this.fitScale / 4, this.scale * factor));
    this.#moveTo(around.x - before.x * this.scale, around.y - before.y * this.scale);
  }

  /** @param {number} dx @param {number} dy */
  pan(dx, dy) {
    this.#moveTo(this.x + dx, this.y + dy);
  }

  /**
   * @param {Point} point on the screen
   * @returns {Point} in the image
   */
  toImage({ x, y }) {
    return { x: (x - this.x) / this.scale, y: (y - this.y) / this.scale };
  }

  /**
   * @param {Point} point in the image
   * @returns {Point} on the screen
   */
  toScreen({ x, y }) {
    return { x: x * this.scale + this.x, y: y * this.scale + this.y };
  }

  /** @param {Point} point in the image */
  contains({ x, y }) {
    return x >= 0 && y >= 0 && x < this.image.width && y < this.image.height;
  }

  /** Move the image, but keep a part of it visible. @param {number} x @param {number} y */
  #moveTo(x, y) {
    this.isFitted = false;
    this.x = Math.min(this.screen.width - MIN_VISIBLE, Math.max(MIN_VISIBLE - this.image.width * this.scale, x));
    this.y = Math.min(this.screen.height - MIN_VISIBLE, Math.max(MIN_VISIBLE - this.image.height * this.scale, y));
  }
}
