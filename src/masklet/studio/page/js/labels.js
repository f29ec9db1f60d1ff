/** Masks of one frame as a label map, and the label map as colors and as alpha. */

/** @import {Rle} from "./types.js" */

import { paintRuns, runsOf } from "./rle.js";

/** @typedef {{width: number, height: number, step: number, data: Uint16Array}} LabelMap 0 is background; every step-th pixel */
/** @typedef {{color: [number, number, number], fill: number, edge: number}} Layer fill and edge: 0 to 255 */

/**
 * Paint masks over each other, the last one on top: the first gets label 1.
 *
 * @param {Rle[]} masks all of one size, at least one
 * @param {number} step
 * @returns {LabelMap}
 */
export function labelMap(masks, step) {
  const [full, across] = /** @type {Rle} */ (masks[0]).size;
  const width = Math.ceil(across / step);
  const height = Math.ceil(full / step);
  const map = { width, height, step, data: new Uint16Array(width * height) };
  masks.forEach(({ counts }, index) => paintRuns(runsOf(counts), full, map, step, index + 1));
  return map;
}

/**
 * Colored areas with lines along their borders.
 *
 * @param {LabelMap} map
 * @param {Layer[]} layers the layer of label 1 first
 * @param {number} thickness of the lines in pixels of the map
 * @returns {ImageData}
 */
export function colored(map, layers, thickness) {
  const { width, height, data } = map;
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const fills = new Uint32Array(layers.length + 1);
  const edges = new Uint32Array(layers.length + 1);
  layers.forEach(({ color: [red, green, blue], fill, edge }, index) => {
    const rgb = (blue << 16) | (green << 8) | red;
    fills[index + 1] = ((Math.round(fill) << 24) | rgb) >>> 0;
    edges[index + 1] = ((Math.round(edge) << 24) | rgb) >>> 0;
  });
  for (let y = 0, at = 0; y < height; y++) {
    const up = y >= thickness ? -thickness * width : 0;
    const down = y < height - thickness ? thickness * width : 0;
    for (let x = 0; x < width; x++, at++) {
      const label = /** @type {number} */ (data[at]);
      if (!label) continue;
      const inner =
        data[at + up] === label &&
        data[at + down] === label &&
        (x < thickness || data[at - thickness] === label) &&
        (x >= width - thickness || data[at + thickness] === label);
      pixels[at] = /** @type {number} */ ((inner ? fills : edges)[label]);
    }
  }
  return image;
}

/**
 * A canvas that is opaque where any mask is and clear elsewhere.
 *
 * @param {LabelMap} map
 * @returns {OffscreenCanvas}
 */
export function alphaOf(map) {
  const image = new ImageData(map.width, map.height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let at = 0; at < pixels.length; at++) if (map.data[at]) pixels[at] = 0xffffffff;
  return toCanvas(image);
}

/**
 * @param {ImageData} image
 * @returns {OffscreenCanvas}
 */
export function toCanvas(image) {
  const canvas = new OffscreenCanvas(image.width, image.height);
  context(canvas).putImageData(image, 0, 0);
  return canvas;
}

/**
 * @param {OffscreenCanvas} canvas
 * @returns {OffscreenCanvasRenderingContext2D}
 */
export function context(canvas) {
  const drawing = canvas.getContext("2d");
  if (!drawing) throw new Error("this browser cannot draw on a canvas");
  return drawing;
}

/**
 * @param {string} hex such as "#0096ff"
 * @returns {[number, number, number]}
 */
export function rgbOf(hex) {
  const value = Number.parseInt(hex.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}
