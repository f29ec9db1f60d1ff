/** A mask painted by hand: strokes on top of the mask that is there, each of them a mask prompt in the end. */

/** @import {Rle} from "./types.js" */
/** @import {Target} from "./session.js" */
/** @import {Point} from "./viewport.js" */

/**
 * @typedef {{target: Target, points: Point[], diameter: number, erase: boolean, color: string}} Stroke
 * @typedef {{width: number, height: number}} Size of the picture
 */

import { alphaOf, context, labelMap } from "./labels.js";
import { encodeMask } from "./rle.js";

export class Brush {
  /** What is seen until the last stroke on it has its answer, at the size of the picture. @type {OffscreenCanvas | null} */
  canvas = null;
  /** What the canvas is a mask of. @type {Target | null} */
  target = null;
  /** The one under the pointer. @type {Stroke | null} */
  #stroke = null;
  /** Those on the canvas that have no answer yet. @type {Set<Stroke>} */
  #waiting = new Set();

  /**
   * @param {Size} size
   * @param {Rle | undefined} mask what is in sight there, as far as it is known
   * @param {Stroke} stroke
   */
  begin(size, mask, stroke) {
    if (!this.canvas || !this.target || !isSame(this.target, stroke.target)) {
      this.canvas = canvasOf(size, mask, stroke.color);
      this.target = stroke.target;
      this.#waiting.clear();
    }
    this.#stroke = stroke;
  }

  /** @param {Point} point in the picture */
  paint(point) {
    if (!this.#stroke || !this.canvas) return;
    this.#stroke.points.push(point);
    draw(this.canvas, this.#stroke, this.#stroke.points.length - 1);
  }

  /** The pointer was lifted. */
  end() {
    const stroke = this.#stroke;
    this.#stroke = null;
    if (stroke) this.#waiting.add(stroke);
    return stroke;
  }

  /**
   * A stroke has its answer, or never gets one: the newer ones stay in sight.
   *
   * @param {Stroke} stroke
   */
  settle(stroke) {
    if (this.#waiting.delete(stroke) && !this.#waiting.size && !this.#stroke) this.canvas = null;
  }

  /** Give up the stroke under the pointer. */
  drop() {
    if (this.#stroke) this.clear();
  }

  clear() {
    this.#stroke = null;
    this.#waiting.clear();
    this.canvas = null;
  }
}

/**
 * What a stroke makes of a mask.
 *
 * @param {Size} size
 * @param {Rle | undefined} mask
 * @param {Stroke} stroke
 * @returns {Rle | null} null when nothing is inside
 */
export function painted(size, mask, stroke) {
  const canvas = canvasOf(size, mask, stroke.color);
  stroke.points.forEach((_, index) => draw(canvas, stroke, index));
  const { width, height } = size;
  const { data } = context(canvas).getImageData(0, 0, width, height);
  const inside = new Uint8Array(width * height);
  let area = 0;
  for (let at = 0; at < inside.length; at++) {
    if (/** @type {number} */ (data[4 * at + 3]) > 127) {
      inside[at] = 1;
      area += 1;
    }
  }
  return area ? { size: [height, width], counts: encodeMask(inside, width, height) } : null;
}

/**
 * @param {Size} size
 * @param {Rle | undefined} mask
 * @param {string} color
 */
function canvasOf({ width, height }, mask, color) {
  const canvas = new OffscreenCanvas(width, height);
  if (!mask) return canvas;
  const drawing = context(canvas);
  drawing.drawImage(alphaOf(labelMap([mask], 1)), 0, 0);
  drawing.globalCompositeOperation = "source-in";
  drawing.fillStyle = color;
  drawing.fillRect(0, 0, width, height);
  return canvas;
}

/**
 * The piece of a stroke that ends at one of its points.
 *
 * @param {OffscreenCanvas} canvas
 * @param {Stroke} stroke
 * @param {number} index
 */
function draw(canvas, { points, diameter, erase, color }, index) {
  const drawing = context(canvas);
  const point = /** @type {Point} */ (points[index]);
  const last = points[index - 1] ?? point;
  drawing.globalCompositeOperation = erase ? "destination-out" : "source-over";
  drawing.strokeStyle = color;
  drawing.lineWidth = Math.max(1, diameter);
  drawing.lineCap = "round";
  drawing.lineJoin = "round";
  drawing.beginPath();
  drawing.moveTo(last.x, last.y);
  drawing.lineTo(point.x + 0.01, point.y);
  drawing.stroke();
}

/**
 * @param {Target} one
 * @param {Target} other
 */
function isSame(one, other) {
  if (one.frame !== other.frame) return false;
  return one.object === other.object || (one.object.id !== 0 && one.object.id === other.object.id);
}
