/** Effects on background and objects, as the export draws them, at the resolution of the preview. */

/** @import {Effects} from "./types.js" */

import { contextOf } from "./labels.js";

/** @typedef {ImageBitmap | OffscreenCanvas} Source */

const DARKNESS = 0.7;
const BLOCKS = 30; // along the shorter side
const BLUR = 40; // radii along the shorter side

/** @param {Effects} effects */
export function changesImage({ background, object }) {
  return background !== "original" || !["overlay", "original", "outline"].includes(object);
}

/** @param {Effects} effects */
export function drawsOverlay({ object }) {
  return object === "overlay" || object === "outline";
}

/**
 * Apply the effects to a frame. Overlays and outlines are drawn by the viewer.
 *
 * @param {ImageBitmap} frame @param {OffscreenCanvas | null} alpha opaque where the objects are, null if there are none
 * @param {Effects} effects
 * @returns {OffscreenCanvas}
 */
export function withEffects(frame, alpha, { background, object, color }) {
  const { width, height } = frame;
  const fillColor = color ?? "#000000";
  const canvas = resized(withEffect(frame, background, fillColor), width, height);
  if (!alpha) return canvas;
  const objects = resized(withEffect(frame, object, fillColor), width, height);
  const context = contextOf(objects);
  context.globalCompositeOperation = "destination-in";
  context.imageSmoothingEnabled = alpha.width !== width;
  context.drawImage(alpha, 0, 0, width, height);
  contextOf(canvas).drawImage(objects, 0, 0);
  return canvas;
}

/** @type {Record<string, (frame: ImageBitmap, color: string) => Source>} */
const EFFECTS = {
  blur: blurred,
  pixelate: pixelated,
  desaturate: (frame) => blended(frame, "saturation", "#808080", 1),
  darken: (frame) => blended(frame, "source-over", "#000000", DARKNESS),
  erase: (frame, color) => blended(frame, "source-over", color, 1),
};

/** @type {(frame: ImageBitmap, effect: string, color: string) => Source} */
const withEffect = (frame, effect, color) => EFFECTS[effect]?.(frame, color) ?? frame;

/**
 * @param {ImageBitmap} frame @param {GlobalCompositeOperation} operation @param {string} color @param {number} alpha
 */
function blended(frame, operation, color, alpha) {
  const canvas = resized(frame, frame.width, frame.height);
  const context = contextOf(canvas);
  context.globalCompositeOperation = operation;
  context.globalAlpha = alpha;
  context.fillStyle = color;
  context.fillRect(0, 0, frame.width, frame.height);
  return canvas;
}

/** @param {ImageBitmap} frame */
function pixelated(frame) {
  const block = Math.max(2, Math.round(Math.min(frame.width, frame.height) / BLOCKS));
  const small = resized(frame, Math.ceil(frame.width / block), Math.ceil(frame.height / block));
  return resized(small, frame.width, frame.height, false);
}

/**
 * Blur by halving the size several times and enlarging again, which unlike canvas filters works in every browser.
 *
 * @param {ImageBitmap} frame
 * @returns {Source}
 */
function blurred(frame) {
  const radius = Math.max(1, Math.min(frame.width, frame.height) / BLUR);
  /** @type {Source[]} */
  const sizes = [frame];
  let small = /** @type {Source} */ (frame);
  for (let reach = 1; reach < radius && small.width > 4 && small.height > 4; reach *= 2) {
    small = resized(small, Math.ceil(small.width / 2), Math.ceil(small.height / 2));
    sizes.push(small);
  }
  sizes.pop();
  return sizes.reduceRight((image, { width, height }) => resized(image, width, height), small);
}

/** @param {Source} source @param {number} width @param {number} height @param {boolean} [isSmooth] */
function resized(source, width, height, isSmooth = true) {
  const canvas = new OffscreenCanvas(width, height);
  const context = contextOf(canvas);
  context.imageSmoothingEnabled = isSmooth;
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, width, height);
  return canvas;
}
