/** One lane of the timeline: what is known of an object on every frame, drawn into a strip. */

/** @import {Lane} from "./results.js" */

import { CODES, UNTRACKED } from "./results.js";

/** @typedef {{from: number, to: number}} Span frames in sight, to is exclusive; parts of frames are possible */

/**
 * Present is a filled bar, uncertain a hatched one, absent a thin line; prompted frames have a diamond.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Lane | undefined} lane
 * @param {Span} span
 * @param {{color: string, mark: string, background: string}} colors
 */
export function drawLane(canvas, lane, span, colors) {
  const density = Math.min(3, devicePixelRatio || 1);
  const width = Math.max(1, Math.round(canvas.clientWidth * density));
  const height = Math.max(1, Math.round(canvas.clientHeight * density));
  canvas.width = width;
  canvas.height = height;
  const drawing = canvas.getContext("2d");
  if (!drawing || !lane) return;
  const scale = width / (span.to - span.from);
  const first = Math.max(0, Math.floor(span.from));
  const last = Math.min(lane.codes.length, Math.ceil(span.to));
  let start = first;
  for (let frame = first + 1; frame <= last; frame++) {
    if (frame < last && lane.codes[frame] === lane.codes[start]) continue;
    const x = (start - span.from) * scale;
    bar(drawing, lane.codes[start] ?? UNTRACKED, x, Math.max(density, (frame - start) * scale), height, colors.color, density);
    start = frame;
  }
  const radius = height * 0.22;
  for (const frame of lane.prompted) {
    if (frame < first || frame >= last) continue;
    diamond(drawing, (frame + 0.5 - span.from) * scale, height / 2, radius, colors, density);
  }
}

/**
 * @param {CanvasRenderingContext2D} drawing
 * @param {number} code
 * @param {number} x
 * @param {number} width
 * @param {number} height
 * @param {string} color
 * @param {number} density
 */
function bar(drawing, code, x, width, height, color, density) {
  if (code === UNTRACKED) return;
  drawing.fillStyle = color;
  if (code === CODES.absent) {
    drawing.globalAlpha = 0.6;
    drawing.fillRect(x, Math.round(height / 2 - density / 2), width, density);
  } else if (code === CODES.present) {
    drawing.globalAlpha = 0.9;
    drawing.fillRect(x, height * 0.24, width, height * 0.52);
  } else {
    drawing.globalAlpha = 0.28;
    drawing.fillRect(x, height * 0.24, width, height * 0.52);
    drawing.globalAlpha = 1;
    drawing.save();
    drawing.beginPath();
    drawing.rect(x, height * 0.24, width, height * 0.52);
    drawing.clip();
    drawing.strokeStyle = color;
    drawing.lineWidth = 1.3 * density;
    drawing.beginPath();
    const gap = 4.5 * density;
    for (let at = Math.floor(x / gap) * gap - height; at < x + width; at += gap) {
      drawing.moveTo(at, height * 0.8);
      drawing.lineTo(at + height * 0.6, height * 0.2);
    }
    drawing.stroke();
    drawing.restore();
  }
  drawing.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} drawing
 * @param {number} x
 * @param {number} y
 * @param {number} radius
 * @param {{mark: string, background: string}} colors
 * @param {number} density
 */
function diamond(drawing, x, y, radius, { mark, background }, density) {
  drawing.beginPath();
  drawing.moveTo(x, y - radius);
  drawing.lineTo(x + radius, y);
  drawing.lineTo(x, y + radius);
  drawing.lineTo(x - radius, y);
  drawing.closePath();
  drawing.fillStyle = mark;
  drawing.strokeStyle = background;
  drawing.lineWidth = 1.5 * density;
  drawing.stroke();
  drawing.fill();
}

/**
 * The lane in words.
 *
 * @param {Lane | undefined} lane
 * @returns {string}
 */
export function describe(lane) {
  const counts = [0, 0, 0, 0];
  for (const code of lane?.codes ?? []) counts[code] = (counts[code] ?? 0) + 1;
  const [, present = 0, absent = 0, uncertain = 0] = counts;
  if (!present && !absent && !uncertain) return "not tracked yet";
  const prompted = lane?.prompted.size ?? 0;
  return `present on ${present}, absent on ${absent}, uncertain on ${uncertain} frames, prompts on ${prompted}`;
}
