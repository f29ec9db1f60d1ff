/** One lane of the timeline: the state of an object on every frame. */

/** @import {Lane} from "./results.js" */

import { resizeCanvas } from "./dom.js";
import { CODES, UNTRACKED } from "./results.js";

/** @typedef {{from: number, to: number}} Span visible frames, to is exclusive; fractions are allowed */

/**
 * Draw a lane: a filled bar for present, a hatched bar for uncertain, a thin line for absent, a diamond for prompts.
 *
 * @param {HTMLCanvasElement} canvas @param {Lane | undefined} lane @param {Span} span
 * @param {{color: string, mark: string, background: string}} colors
 */
export function drawLane(canvas, lane, span, { color, mark, background }) {
  const density = resizeCanvas(canvas);
  const context = canvas.getContext("2d");
  if (!context || !lane) return;
  context.scale(density, density);
  const { clientWidth, clientHeight: height } = canvas;
  const scale = clientWidth / (span.to - span.from);
  const first = Math.max(0, Math.floor(span.from));
  const last = Math.min(lane.codes.length, Math.ceil(span.to));
  let start = first;
  context.fillStyle = context.strokeStyle = color;
  for (let frame = first + 1; frame <= last; frame++) {
    if (frame < last && lane.codes[frame] === lane.codes[start]) continue;
    const code = lane.codes[start] ?? UNTRACKED;
    drawRun(context, code, (start - span.from) * scale, Math.max(1, (frame - start) * scale), height);
    start = frame;
  }
  context.fillStyle = mark;
  context.strokeStyle = background;
  context.lineWidth = 1.5;
  for (const frame of lane.prompted) {
    if (frame >= first && frame < last) drawDiamond(context, (frame + 0.5 - span.from) * scale, height / 2, height * 0.22);
  }
}

/** @type {(context: CanvasRenderingContext2D, code: number, x: number, width: number, height: number) => void} */
function drawRun(context, code, x, width, height) {
  if (code === UNTRACKED) return;
  context.save();
  if (code === CODES.absent) {
    context.globalAlpha = 0.6;
    context.fillRect(x, Math.floor(height / 2), width, 1);
  } else {
    context.globalAlpha = code === CODES.present ? 0.9 : 0.28;
    context.fillRect(x, height * 0.24, width, height * 0.52);
  }
  if (code === CODES.uncertain) {
    context.globalAlpha = 1;
    context.beginPath();
    context.rect(x, height * 0.24, width, height * 0.52);
    context.clip();
    context.lineWidth = 1.3;
    context.beginPath();
    const gap = 4.5;
    for (let at = Math.floor(x / gap) * gap - height; at < x + width; at += gap) {
      context.moveTo(at, height * 0.8);
      context.lineTo(at + height * 0.6, height * 0.2);
    }
    context.stroke();
  }
  context.restore();
}

/** @type {(context: CanvasRenderingContext2D, x: number, y: number, radius: number) => void} */
function drawDiamond(context, x, y, radius) {
  context.beginPath();
  context.moveTo(x, y - radius);
  context.lineTo(x + radius, y);
  context.lineTo(x, y + radius);
  context.lineTo(x - radius, y);
  context.closePath();
  context.stroke();
  context.fill();
}

/** Describe a lane in words. @param {Lane | undefined} lane @returns {string} */
export function describeLane(lane) {
  const counts = [0, 0, 0, 0];
  for (const code of lane?.codes ?? []) counts[code] = (counts[code] ?? 0) + 1;
  const [, present = 0, absent = 0, uncertain = 0] = counts;
  if (!present && !absent && !uncertain) return "not tracked yet";
  const prompted = lane?.prompted.size ?? 0;
  return `present on ${present}, absent on ${absent}, uncertain on ${uncertain} frames, prompts on ${prompted}`;
}
