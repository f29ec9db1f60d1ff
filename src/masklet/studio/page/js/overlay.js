/** What lies over the picture of one frame: masks in color, kept until something they depend on changes. */

/** @import {FrameResult, Rle, TrackedObject} from "./types.js" */
/** @import {Layer} from "./labels.js" */

import { alphaOf, colored, labelMap, rgbOf, toCanvas } from "./labels.js";

/** @typedef {{opacity: number, active: number | null, without: number | null, outline: string | null}} Look */

/** Remembers the last few results of a costly drawing by what it was made from. */
class Kept {
  /** @type {Map<string, OffscreenCanvas>} */
  #canvases = new Map();

  /**
   * @param {string} key
   * @param {() => OffscreenCanvas} make
   */
  get(key, make) {
    const canvas = this.#canvases.get(key) ?? make();
    this.#canvases.delete(key);
    this.#canvases.set(key, canvas);
    const [oldest] = this.#canvases.keys();
    if (this.#canvases.size > 3 && oldest !== undefined) this.#canvases.delete(oldest);
    return canvas;
  }
}

export class Overlay {
  #colored = new Kept();
  #alpha = new Kept();
  #effects = new Kept();

  /**
   * All masks of a frame in the colors of their objects, the active one on top; null where there is nothing.
   *
   * @param {FrameResult | undefined} result
   * @param {TrackedObject[]} objects
   * @param {Look} look
   * @param {{step: number, thickness: number, version: string}} grid version: changes whenever the masks do
   */
  masks(result, objects, look, { step, thickness, version }) {
    const seen = visible(result, objects).filter(({ object }) => object.id !== look.without);
    if (!seen.length) return null;
    seen.sort((a, b) => Number(a.object.id === look.active) - Number(b.object.id === look.active));
    const layers = seen.map(({ object }) => layerOf(object, look));
    const key = JSON.stringify([version, step, thickness, seen.map(({ object }) => object.id), layers]);
    return this.#colored.get(key, () => toCanvas(colored(labelMap(seen.map(({ mask }) => mask), step), layers, thickness)));
  }

  /**
   * Where any visible object is.
   *
   * @param {FrameResult | undefined} result
   * @param {TrackedObject[]} objects
   * @param {string} version changes whenever the masks do
   * @param {number} step
   */
  alpha(result, objects, version, step) {
    const masks = visible(result, objects).map(({ mask }) => mask);
    if (!masks.length) return null;
    const seen = objects.map(({ id, hidden }) => `${id}${hidden}`).join();
    return this.#alpha.get(`${version} ${step} ${seen}`, () => alphaOf(labelMap(masks, step)));
  }

  /**
   * One mask in one color.
   *
   * @param {Rle} mask
   * @param {string} color
   * @param {{fill: number, edge?: number, step: number, thickness: number}} how
   */
  single(mask, color, { fill, edge = 255, step, thickness }) {
    const key = `${mask.counts} ${color} ${fill} ${edge} ${step} ${thickness}`;
    return this.#colored.get(key, () =>
      toCanvas(colored(labelMap([mask], step), [{ color: rgbOf(color), fill, edge }], thickness)),
    );
  }

  /**
   * Many masks at once, such as proposals.
   *
   * @param {Rle[]} masks
   * @param {Layer[]} layers
   * @param {{step: number, thickness: number}} grid
   */
  many(masks, layers, { step, thickness }) {
    const key = JSON.stringify([masks.map(({ counts }) => counts.slice(0, 24)), layers, step, thickness]);
    return this.#colored.get(key, () => toCanvas(colored(labelMap(masks, step), layers, thickness)));
  }

  /**
   * @param {string} key
   * @param {() => OffscreenCanvas} make
   */
  picture(key, make) {
    return this.#effects.get(key, make);
  }
}

/**
 * @param {FrameResult | undefined} result
 * @param {TrackedObject[]} objects
 */
function visible(result, objects) {
  return objects.flatMap((object) => {
    const mask = object.hidden ? undefined : result?.objects[object.id]?.mask;
    return mask ? [{ object, mask }] : [];
  });
}

/**
 * @param {TrackedObject} object
 * @param {Look} look
 * @returns {Layer}
 */
function layerOf(object, look) {
  if (look.outline !== null) return { color: rgbOf(look.outline || object.color), fill: 0, edge: 255 };
  const active = object.id === look.active;
  const fill = 255 * look.opacity * (active ? 1 : 0.8);
  return { color: rgbOf(object.color), fill, edge: active ? 255 : Math.max(fill, 190) };
}

