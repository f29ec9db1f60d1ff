/** Rendered layers of a frame: colored masks and effects, cached until something they depend on changes. */

/** @import {FrameResult, Rle, TrackedObject} from "./types.js" */
/** @import {Layer} from "./labels.js" */

import { alphaOf, colored, labelMap, rgbOf, toCanvas } from "./labels.js";
import { LruCache } from "./lru_cache.js";

/**
 * @typedef {{opacity: number, active: number | null, excluded: number | null, outline: string | null}} MaskStyle
 *   excluded: an object that is not drawn; outline: color of outlines, "" for that of the objects, null for filled masks
 * @typedef {{step: number, thickness: number}} Grid step: every step-th pixel is drawn; thickness: of edges, in steps
 */

export class Overlay {
  /** @type {LruCache<string, OffscreenCanvas>} */
  #canvases = new LruCache(8);

  /**
   * All masks of a frame in the colors of their objects, the active one on top; null if there are none.
   *
   * @param {FrameResult | undefined} result @param {TrackedObject[]} objects @param {MaskStyle} style
   * @param {Grid} grid @param {string} version changes whenever the masks change
   */
  masks(result, objects, style, grid, version) {
    const shown = visible(result, objects).filter(({ object }) => object.id !== style.excluded);
    if (!shown.length) return null;
    shown.sort((a, b) => Number(a.object.id === style.active) - Number(b.object.id === style.active));
    const layers = shown.map(({ object }) => layerOf(object, style));
    const key = [version, shown.map(({ object }) => object.id)];
    return this.layers(shown.map(({ mask }) => mask), layers, grid, key);
  }

  /**
   * Masks in given colors.
   *
   * @param {Rle[]} masks at least one
   * @param {Layer[]} layers @param {Grid} grid @param {unknown} [key] identifies the masks
   */
  layers(masks, layers, { step, thickness }, key = masks.map(({ counts }) => counts)) {
    const render = () => toCanvas(colored(labelMap(masks, step), layers, thickness));
    return this.cached(["layers", key, layers, step, thickness], render);
  }

  /**
   * The area of all visible objects; null if there are none.
   *
   * @param {FrameResult | undefined} result @param {TrackedObject[]} objects @param {number} step
   * @param {string} version changes whenever the masks change
   */
  alpha(result, objects, step, version) {
    const shown = visible(result, objects);
    if (!shown.length) return null;
    const key = ["alpha", version, step, shown.map(({ object }) => object.id)];
    return this.cached(key, () => alphaOf(labelMap(shown.map(({ mask }) => mask), step)));
  }

  /**
   * A canvas that is rendered only if none with this key is cached.
   *
   * @param {unknown} key @param {() => OffscreenCanvas} render
   */
  cached(key, render) {
    const text = JSON.stringify(key);
    return this.#canvases.get(text) ?? this.#canvases.set(text, render());
  }
}

/** @param {FrameResult | undefined} result @param {TrackedObject[]} objects */
function visible(result, objects) {
  return objects.flatMap((object) => {
    const mask = object.hidden ? undefined : result?.objects[object.id]?.mask;
    return mask ? [{ object, mask }] : [];
  });
}

/** @param {TrackedObject} object @param {MaskStyle} style @returns {Layer} */
function layerOf({ id, color }, { outline, opacity, active }) {
  if (outline !== null) return { color: rgbOf(outline || color), fill: 0, edge: 255 };
  const fill = 255 * opacity * (id === active ? 1 : 0.8);
  return { color: rgbOf(color), fill, edge: id === active ? 255 : Math.max(fill, 190) };
}
