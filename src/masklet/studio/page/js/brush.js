/** A mask painted by hand: starts from the mask that is there, ends as a mask prompt. */

/** @import {Rle} from "./types.js" */
/** @import {Point} from "./viewport.js" */

import { alphaOf, context, labelMap } from "./labels.js";
import { encodeMask } from "./rle.js";

export class Brush {
  /** The mask while it is painted, at the size of the picture; null between strokes. @type {OffscreenCanvas | null} */
  canvas = null;
  /** @type {Point | null} */
  #last = null;

  /**
   * @param {{width: number, height: number}} size of the picture
   * @param {Rle | undefined} mask what is there
   * @param {string} color
   */
  begin({ width, height }, mask, color) {
    this.canvas = new OffscreenCanvas(width, height);
    const drawing = context(this.canvas);
    if (mask) {
      drawing.drawImage(alphaOf(labelMap([mask], 1)), 0, 0);
      drawing.globalCompositeOperation = "source-in";
      drawing.fillStyle = color;
      drawing.fillRect(0, 0, width, height);
    }
    this.#last = null;
  }

  /**
   * @param {Point} point in the picture
   * @param {{diameter: number, color: string, erase: boolean}} how
   */
  paint(point, { diameter, color, erase }) {
    if (!this.canvas) return;
    const drawing = context(this.canvas);
    const last = this.#last ?? point;
    drawing.globalCompositeOperation = erase ? "destination-out" : "source-over";
    drawing.strokeStyle = color;
    drawing.lineWidth = Math.max(1, diameter);
    drawing.lineCap = "round";
    drawing.lineJoin = "round";
    drawing.beginPath();
    drawing.moveTo(last.x, last.y);
    drawing.lineTo(point.x + 0.01, point.y);
    drawing.stroke();
    this.#last = point;
  }

  /**
   * End the stroke.
   *
   * @returns {Rle | null} null when nothing is inside
   */
  take() {
    if (!this.canvas) return null;
    const { width, height } = this.canvas;
    const { data } = context(this.canvas).getImageData(0, 0, width, height);
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

  /** Leave the stroke as it was. */
  drop() {
    this.canvas = null;
    this.#last = null;
  }
}
