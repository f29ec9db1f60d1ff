/** The picture with effects on background and objects, as the export draws it, at the size of the preview. */

/** @import {Effects} from "./types.js" */

import { context } from "./labels.js";

/** @typedef {ImageBitmap | OffscreenCanvas} Picture */

const DARKNESS = 0.7;
const BLOCKS = 30; // along the shorter side
const BLUR = 40; // radii along the shorter side

/** @param {Effects} effects */
export function changesPicture({ background, object }) {
  return background !== "original" || !["overlay", "original", "outline"].includes(object);
}

/** @param {Effects} effects */
export function drawsOverlay({ object }) {
  return object === "overlay" || object === "outline";
}

/**
 * The frame with its background and its objects changed; overlays and outlines are drawn by the viewer.
 *
 * @param {ImageBitmap} frame
 * @param {OffscreenCanvas | null} alpha opaque where the objects are, null where there are none
 * @param {Effects} effects
 * @returns {OffscreenCanvas}
 */
export function withEffects(frame, alpha, effects) {
  const { width, height } = frame;
  const canvas = new OffscreenCanvas(width, height);
  const drawing = context(canvas);
  const color = effects.color ?? "#000000";
  drawing.drawImage(changed(frame, effects.background, color), 0, 0, width, height);
  if (!alpha) return canvas;
  const objects = new OffscreenCanvas(width, height);
  const cut = context(objects);
  cut.drawImage(changed(frame, effects.object, color), 0, 0, width, height);
  cut.globalCompositeOperation = "destination-in";
  cut.imageSmoothingEnabled = alpha.width !== width;
  cut.drawImage(alpha, 0, 0, width, height);
  drawing.drawImage(objects, 0, 0);
  return canvas;
}

/**
 * @param {ImageBitmap} frame
 * @param {string} effect
 * @param {string} color
 * @returns {Picture}
 */
function changed(frame, effect, color) {
  switch (effect) {
    case "blur":
      return blurred(frame);
    case "pixelate":
      return pixelated(frame);
    case "desaturate":
      return blended(frame, "saturation", "#808080", 1);
    case "darken":
      return blended(frame, "source-over", "#000000", DARKNESS);
    case "erase":
      return blended(frame, "source-over", color, 1);
    default:
      return frame;
  }
}

/**
 * @param {ImageBitmap} frame
 * @param {GlobalCompositeOperation} operation
 * @param {string} color
 * @param {number} alpha
 */
function blended(frame, operation, color, alpha) {
  const canvas = new OffscreenCanvas(frame.width, frame.height);
  const drawing = context(canvas);
  drawing.drawImage(frame, 0, 0);
  drawing.globalCompositeOperation = operation;
  drawing.globalAlpha = alpha;
  drawing.fillStyle = color;
  drawing.fillRect(0, 0, frame.width, frame.height);
  return canvas;
}

/** @param {ImageBitmap} frame */
function pixelated(frame) {
  const block = Math.max(2, Math.round(Math.min(frame.width, frame.height) / BLOCKS));
  const small = scaled(frame, Math.ceil(frame.width / block), Math.ceil(frame.height / block));
  const canvas = new OffscreenCanvas(frame.width, frame.height);
  const drawing = context(canvas);
  drawing.imageSmoothingEnabled = false;
  drawing.drawImage(small, 0, 0, frame.width, frame.height);
  return canvas;
}

/**
 * Smaller by halves and larger again: every browser can do it, unlike canvas filters.
 *
 * @param {ImageBitmap} frame
 * @returns {Picture}
 */
function blurred(frame) {
  const radius = Math.max(1, Math.min(frame.width, frame.height) / BLUR);
  /** @type {Picture} */
  let picture = frame;
  const sizes = [];
  for (let reach = 1; reach < radius && picture.width > 4 && picture.height > 4; reach *= 2) {
    sizes.push([picture.width, picture.height]);
    picture = scaled(picture, Math.ceil(picture.width / 2), Math.ceil(picture.height / 2));
  }
  for (const [width, height] of sizes.reverse()) {
    picture = scaled(picture, /** @type {number} */ (width), /** @type {number} */ (height));
  }
  return picture;
}

/**
 * @param {Picture} picture
 * @param {number} width
 * @param {number} height
 */
function scaled(picture, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const drawing = context(canvas);
  drawing.imageSmoothingQuality = "high";
  drawing.drawImage(picture, 0, 0, width, height);
  return canvas;
}
