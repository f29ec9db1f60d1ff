/** COCO run-length encoding: column-major runs that start with the background, as compressed text. */

/** @import {Rle} from "./types.js" */

/** Decode compressed counts. @param {string} counts @returns {number[]} lengths of the runs */
export function runsOf(counts) {
  const runs = [];
  let at = 0;
  while (at < counts.length) {
    let value = 0;
    let shift = 0;
    let more = true;
    while (more && at < counts.length) {
      const code = counts.charCodeAt(at++) - 48;
      value |= (code & 0x1f) << shift;
      shift += 5;
      more = (code & 0x20) !== 0;
      if (!more && code & 0x10 && shift < 32) value |= -1 << shift;
    }
    if (runs.length > 2) value += /** @type {number} */ (runs[runs.length - 2]);
    runs.push(value);
  }
  return runs;
}

/** Encode runs as compressed counts. @param {number[]} runs @returns {string} */
export function countsOf(runs) {
  let text = "";
  runs.forEach((run, index) => {
    let value = index > 2 ? run - /** @type {number} */ (runs[index - 2]) : run;
    for (let more = true; more; ) {
      let code = value & 0x1f;
      value >>= 5;
      more = code & 0x10 ? value !== -1 : value !== 0;
      if (more) code |= 0x20;
      text += String.fromCharCode(code + 48);
    }
  });
  return text;
}

/**
 * Write a value at the pixels inside a mask into a row-major map that contains every `step`-th pixel.
 *
 * @param {number[]} runs @param {number} height of the mask
 * @param {{width: number, data: Uint16Array | Uint8Array}} map @param {number} step @param {number} value
 */
export function paintRuns(runs, height, map, step, value) {
  const { width, data } = map;
  let start = 0;
  for (let index = 0; index < runs.length; index++) {
    const end = start + /** @type {number} */ (runs[index]);
    if (index % 2) {
      for (let x = Math.floor(start / height); x * height < end; x++) {
        if (x % step) continue;
        const top = Math.max(0, start - x * height);
        const bottom = Math.min(height, end - x * height);
        const column = x / step;
        for (let row = Math.ceil(top / step); row * step < bottom; row++) data[row * width + column] = value;
      }
    }
    start = end;
  }
}

/**
 * Encode a mask.
 *
 * @param {Uint8Array} data row-major, non-zero is inside
 * @param {number} width @param {number} height
 * @returns {string} compressed counts
 */
export function encodeMask(data, width, height) {
  const runs = [];
  let inside = 0;
  let run = 0;
  for (let x = 0; x < width; x++) {
    for (let at = x; at < width * height; at += width) {
      const now = data[at] ? 1 : 0;
      if (now === inside) run++;
      else {
        runs.push(run);
        inside = now;
        run = 1;
      }
    }
  }
  runs.push(run);
  return countsOf(runs);
}

/** Whether a pixel is inside a mask. @param {Rle} mask @param {number} x @param {number} y @returns {boolean} */
export function isInside({ size: [height], counts }, x, y) {
  const at = Math.floor(x) * height + Math.floor(y);
  let end = 0;
  return runsOf(counts).findIndex((run) => (end += run) > at) % 2 === 1;
}

/** @param {Rle} mask @returns {number} number of pixels inside */
export function areaOf({ counts }) {
  return runsOf(counts).reduce((sum, run, index) => sum + (index % 2 ? run : 0), 0);
}
