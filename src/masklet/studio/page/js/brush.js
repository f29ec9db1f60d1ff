/** Masks painted by hand: strokes on top of the current mask, each of which becomes a mask prompt. */

/** @import {Point, Rle} from "./types.js" */
/** @import {Target} from "./session.js" */

/**
 * @typedef {{target: Target, points: Point[], diameter: number, erase: boolean, color: string}} Stroke
 * @typedef {{width: number, height: number}} Size
 */

import { alphaOf, contextOf, labelMap } from "./labels.js";
import { encodeMask } from "./rle.js";

export class Brush {
  /** The mask with all unanswered strokes, at the size of the image. @type {OffscreenCanvas | null} */
  canvas = null;
  /** Frame and object of the canvas. @type {Target | null} */
  target = null;
  /** The stroke that is being painted. @type {Stroke | null} */
  #stroke = null;
  /** Finished strokes that the server has not answered. @type {Set<Stroke>} */
  #pending = new Set();

  /**
   * @param {Size} size @param {Rle | undefined} mask the current mask, if it is cached
   * @param {Stroke} stroke
   */
  begin(size, mask, stroke) {
    if (!this.canvas || !this.target || !isSame(this.target, stroke.target)) {
      this.canvas = createCanvas(size, mask, stroke.color);
      this.target = stroke.target;
      this.#pending.clear();
    }
    this.#stroke = stroke;
  }

  /** @param {Point} point in the image */
  paint(point) {
    if (!this.#stroke || !this.canvas) return;
    this.#stroke.points.push(point);
    drawSegment(this.canvas, this.#stroke, this.#stroke.points.length - 1);
  }

  /** End the stroke that is being painted. */
  end() {
    const stroke = this.#stroke;
    this.#stroke = null;
    if (stroke) this.#pending.add(stroke);
    return stroke;
  }

  /** The server has answered a stroke, or it was not sent; newer strokes stay visible. @param {Stroke} stroke */
  finish(stroke) {
    if (this.#pending.delete(stroke) && !this.#pending.size && !this.#stroke) this.canvas = null;
  }

  cancelStroke() {
    if (this.#stroke) this.clear();
  }

  clear() {
    this.#stroke = null;
    this.#pending.clear();
    this.canvas = null;
  }
}

/**
 * Apply a stroke to a mask.
 *
 * @param {Size} size @param {Rle | undefined} mask @param {Stroke} stroke
 * @returns {Rle | null} null if the result is empty
 */
export function painted(size, mask, stroke) {
  const canvas = createCanvas(size, mask, stroke.color);
  stroke.points.forEach((_, index) => drawSegment(canvas, stroke, index));
  const { width, height } = size;
  const { data } = contextOf(canvas).getImageData(0, 0, width, height);
  const inside = new Uint8Array(width * height);
  for (let at = 0; at < inside.length; at++) inside[at] = Number(/** @type {number} */ (data[4 * at + 3]) > 127);
  return inside.includes(1) ? { size: [height, width], counts: encodeMask(inside, width, height) } : null;
}

/** @param {Size} size @param {Rle | undefined} mask @param {string} color */
function createCanvas({ width, height }, mask, color) {
  const canvas = new OffscreenCanvas(width, height);
  if (!mask) return canvas;
  const context = contextOf(canvas);
  context.drawImage(alphaOf(labelMap([mask], 1)), 0, 0);
  context.globalCompositeOperation = "source-in";
  context.fillStyle = color;
  context.fillRect(0, 0, width, height);
  return canvas;
}

/**
 * Draw the segment of a stroke that ends at one of its points.
 *
 * @param {OffscreenCanvas} canvas @param {Stroke} stroke @param {number} index
 */
function drawSegment(canvas, { points, diameter, erase, color }, index) {
  const context = contextOf(canvas);
  const point = /** @type {Point} */ (points[index]);
  const previous = points[index - 1] ?? point;
  context.globalCompositeOperation = erase ? "destination-out" : "source-over";
  context.strokeStyle = color;
  context.lineWidth = Math.max(1, diameter);
  context.lineCap = "round";
  context.lineJoin = "round";
  context.beginPath();
  context.moveTo(previous.x, previous.y);
  context.lineTo(point.x + 0.01, point.y);
  context.stroke();
}

/** @type {(a: Target, b: Target) => boolean} */
function isSame(a, b) {
  return a.frame === b.frame && (a.object === b.object || (a.object.id !== 0 && a.object.id === b.object.id));
}
