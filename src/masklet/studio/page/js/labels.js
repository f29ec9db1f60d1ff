/** Label maps of the masks of a frame, and their conversion to colors and alpha. */

/** @import {Rle} from "./types.js" */

import { paintRuns, runsOf } from "./rle.js";

/** @typedef {{width: number, height: number, step: number, data: Uint16Array}} LabelMap every step-th pixel; 0 is background */
/** @typedef {{color: [number, number, number], fill: number, edge: number}} Layer fill and edge: alpha, 0 to 255 */

/**
 * Paint masks on top of each other; the first has label 1.
 *
 * @param {Rle[]} masks of the same size, at least one
 * @param {number} step
 * @returns {LabelMap}
 */
export function labelMap(masks, step) {
  const [maskHeight, maskWidth] = /** @type {Rle} */ (masks[0]).size;
  const width = Math.ceil(maskWidth / step);
  const height = Math.ceil(maskHeight / step);
  const map = { width, height, step, data: new Uint16Array(width * height) };
  masks.forEach(({ counts }, index) => paintRuns(runsOf(counts), maskHeight, map, step, index + 1));
  return map;
}

/**
 * Color the regions of a label map, with a line along their edges.
 *
 * @param {LabelMap} map @param {Layer[]} layers that of label 1 first
 * @param {number} thickness of the line in pixels of the map
 * @returns {ImageData}
 */
export function colored({ width, height, data }, layers, thickness) {
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
      const isInner =
        data[at + up] === label &&
        data[at + down] === label &&
        (x < thickness || data[at - thickness] === label) &&
        (x >= width - thickness || data[at + thickness] === label);
      pixels[at] = /** @type {number} */ ((isInner ? fills : edges)[label]);
    }
  }
  return image;
}

/**
 * A canvas that is opaque inside the masks and transparent elsewhere.
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

/** @param {ImageData} image @returns {OffscreenCanvas} */
export function toCanvas(image) {
  const canvas = new OffscreenCanvas(image.width, image.height);
  contextOf(canvas).putImageData(image, 0, 0);
  return canvas;
}

/** @param {OffscreenCanvas} canvas @returns {OffscreenCanvasRenderingContext2D} */
export function contextOf(canvas) {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser cannot draw on a canvas");
  return context;
}

/**
 * @param {string} hex such as "#0096ff"
 * @returns {[number, number, number]}
 */
export function rgbOf(hex) {
  const value = Number.parseInt(hex.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}
