/** Where the picture lies on the screen: zoom and pan as numbers, nothing drawn. */

/** @typedef {{x: number, y: number}} Point */

const LARGEST = 40;

export class Viewport {
  constructor() {
    /** Screen pixels (CSS) per pixel of the picture. */
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.screen = { width: 1, height: 1 };
    this.picture = { width: 1, height: 1 };
    this.fitted = true;
  }

  /** The scale at which the whole picture is seen. */
  get fitScale() {
    const margin = 24;
    const { width, height } = this.screen;
    return Math.min(
      Math.max(1, width - 2 * margin) / this.picture.width,
      Math.max(1, height - 2 * margin) / this.picture.height,
    );
  }

  /**
   * @param {number} width
   * @param {number} height
   */
  resize(width, height) {
    this.x += (width - this.screen.width) / 2;
    this.y += (height - this.screen.height) / 2;
    this.screen = { width, height };
    if (this.fitted) this.fit();
  }

  /**
   * @param {number} width
   * @param {number} height
   */
  show(width, height) {
    if (width === this.picture.width && height === this.picture.height) return;
    this.picture = { width, height };
    this.fit();
  }

  fit() {
    this.fitted = true;
    this.#place(this.fitScale);
  }

  /** One pixel of the picture on one pixel of the screen. */
  actual() {
    this.zoomTo(1, { x: this.screen.width / 2, y: this.screen.height / 2 });
  }

  /**
   * @param {number} factor
   * @param {Point} [around] stays where it is on the screen
   */
  zoom(factor, around = { x: this.screen.width / 2, y: this.screen.height / 2 }) {
    this.zoomTo(this.scale * factor, around);
  }

  /**
   * @param {number} scale
   * @param {Point} around
   */
  zoomTo(scale, around) {
    const before = this.toPicture(around);
    this.scale = Math.min(LARGEST, Math.max(this.fitScale / 4, scale));
    this.x = around.x - before.x * this.scale;
    this.y = around.y - before.y * this.scale;
    this.fitted = false;
    this.#hold();
  }

  /**
   * @param {number} dx
   * @param {number} dy
   */
  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.fitted = false;
    this.#hold();
  }

  /**
   * @param {Point} point on the screen
   * @returns {Point} in the picture
   */
  toPicture({ x, y }) {
    return { x: (x - this.x) / this.scale, y: (y - this.y) / this.scale };
  }

  /**
   * @param {Point} point in the picture
   * @returns {Point} on the screen
   */
  toScreen({ x, y }) {
    return { x: x * this.scale + this.x, y: y * this.scale + this.y };
  }

  /**
   * @param {Point} point in the picture
   */
  contains({ x, y }) {
    return x >= 0 && y >= 0 && x < this.picture.width && y < this.picture.height;
  }

  /** @param {number} scale */
  #place(scale) {
    this.scale = scale;
    this.x = (this.screen.width - this.picture.width * scale) / 2;
    this.y = (this.screen.height - this.picture.height * scale) / 2;
  }

  /** Some of the picture always stays in sight. */
  #hold() {
    const keep = 60;
    this.x = Math.min(this.screen.width - keep, Math.max(keep - this.picture.width * this.scale, this.x));
    this.y = Math.min(this.screen.height - keep, Math.max(keep - this.picture.height * this.scale, this.y));
  }
}
