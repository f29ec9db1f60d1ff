/** The picture on the screen: the frame with effects, masks, previews and prompts, drawn when something changed. */

/** @import {Click, State} from "./types.js" */
/** @import {Store} from "./store.js" */
/** @import {Frames} from "./frames.js" */
/** @import {Results} from "./results.js" */
/** @import {Point} from "./viewport.js" */
/** @import {Brush} from "./brush.js" */

import { changesPicture, drawsOverlay, withEffects } from "./effects.js";
import { rgbOf } from "./labels.js";
import { drawBox, drawCrosshair, drawPrompt, drawRing } from "./marks.js";
import { Overlay } from "./overlay.js";
import { soon } from "./redraw.js";
import { Viewport } from "./viewport.js";

const MAP_LIMIT = 2200; // pixels of the longer side of mask drawings that are not zoomed into

export class Viewer {
  viewport = new Viewport();
  overlay = new Overlay();
  /** A box that is being drawn, in the picture. @type {{from: Point, to: Point} | null} */
  box = null;
  /** Where the brush would paint, in the picture. @type {Point | null} */
  ring = null;
  /** The cursor that keys move, in the picture. @type {Point | null} */
  crosshair = null;
  /** A click that has no answer yet. @type {{frame: number, click: Click} | null} */
  pending = null;
  /** Draw soon. */
  request = soon(() => {
    this.#draw();
    for (const listener of this.#afterDraw) listener();
  });
  /** @type {Set<() => void>} */
  #afterDraw = new Set();
  #shown = 0;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{store: Store<State>, results: Results, frames: Frames, brush: Brush}} parts
   */
  constructor(canvas, { store, results, frames, brush }) {
    this.canvas = canvas;
    this.store = store;
    this.results = results;
    this.frames = frames;
    this.brush = brush;
    this.drawing = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: true }));
    new ResizeObserver(() => this.#resize()).observe(canvas);
  }

  /** Screen pixels of the device per CSS pixel. */
  get density() {
    return Math.min(3, devicePixelRatio || 1);
  }

  /** @param {() => void} listener called after each drawing */
  onDraw(listener) {
    this.#afterDraw.add(listener);
  }

  /** Width of the pictures that are worth loading at this zoom. */
  get pictureWidth() {
    const { media } = this.store.state.project ?? {};
    if (!media) return 0;
    const wanted = media.width * this.viewport.scale * this.density;
    const steps = [640, 960, 1280, 1920, 2560, 3840].filter((step) => step < media.width);
    return steps.find((step) => step >= wanted) ?? media.width;
  }

  /** The color of the object that prompts go to. */
  get activeColor() {
    const { project, active, about } = this.store.state;
    const object = project?.objects.find(({ id }) => id === active);
    if (object) return object.color;
    const palette = about?.palette ?? ["#0096ff"];
    const next = Math.max(0, ...(project?.objects.map(({ id }) => id) ?? []));
    return /** @type {string} */ (palette[next % palette.length]);
  }

  #resize() {
    const { clientWidth, clientHeight } = this.canvas;
    this.canvas.width = Math.round(clientWidth * this.density);
    this.canvas.height = Math.round(clientHeight * this.density);
    this.viewport.resize(clientWidth, clientHeight);
    this.request();
  }

  #draw() {
    const { drawing } = this;
    const { project, frame } = this.store.state;
    drawing.setTransform(1, 0, 0, 1, 0, 0);
    drawing.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (!project) return;
    const { media } = project;
    this.viewport.show(media.width, media.height);
    const picture = this.#picture();
    this.canvas.dataset.preview = this.store.state.preview ? "yes" : "no";
    this.canvas.dataset.frame = picture ? String(frame) : "";
    if (!picture) {
      const last = this.frames.at(this.#shown); // stays until the frame in sight is here
      if (last) this.#place(last);
      return;
    }
    this.#shown = frame;
    this.#place(picture, this.viewport.scale * (media.width / picture.width) > 3);
    this.#drawMasks();
    this.#drawProposals();
    this.#drawPreview();
    if (this.brush.canvas && this.#isPainted) this.#place(this.brush.canvas, true, 0.6);
    drawing.setTransform(this.density, 0, 0, this.density, 0, 0);
    this.#drawPrompts();
  }

  /**
   * Spread a drawing over the place of the picture.
   *
   * @param {CanvasImageSource} source
   * @param {boolean} [sharp] whether its pixels may be seen
   * @param {number} [alpha]
   */
  #place(source, sharp = false, alpha = 1) {
    const { scale, x, y, picture } = this.viewport;
    const density = this.density;
    this.drawing.setTransform(density, 0, 0, density, x * density, y * density);
    this.drawing.imageSmoothingEnabled = !sharp;
    this.drawing.imageSmoothingQuality = "high";
    this.drawing.globalAlpha = alpha;
    this.drawing.drawImage(source, 0, 0, picture.width * scale, picture.height * scale);
    this.drawing.globalAlpha = 1;
  }

  /** The frame in sight, with effects. */
  #picture() {
    const { frame, effects, project, drawn } = this.store.state;
    const bitmap = this.frames.at(frame);
    if (!bitmap || !project || !changesPicture(effects)) return bitmap;
    const hidden = project.objects.map(({ id, hidden }) => `${id}${hidden}`).join();
    const key = JSON.stringify([frame, bitmap.width, drawn, hidden, effects]);
    return this.overlay.picture(key, () => {
      const step = Math.max(1, Math.round(project.media.width / bitmap.width));
      const alpha = this.overlay.alpha(this.results.at(frame), project.objects, `${frame} ${drawn}`, step);
      return withEffects(bitmap, alpha, effects);
    });
  }

  /** How finely masks are drawn, and how thick their lines are. */
  get #grid() {
    const { scale, picture } = this.viewport;
    const longest = Math.max(picture.width, picture.height);
    const step = scale * this.density > 1 ? Math.max(1, Math.floor(longest / 8000)) : Math.max(1, Math.ceil(longest / MAP_LIMIT));
    return { step, thickness: Math.max(1, Math.round(1.6 / (scale * step))) };
  }

  /** Whether what is painted belongs to the frame in sight. */
  get #isPainted() {
    return Boolean(this.brush.canvas) && this.brush.target?.frame === this.store.state.frame;
  }

  #drawMasks() {
    const { frame, project, active, effects, drawn, candidate, candidates, proposals } = this.store.state;
    if (!project || !drawsOverlay(effects) || proposals.length) return;
    const painted = this.#isPainted ? (this.brush.target?.object.id ?? null) : null;
    const replaced = candidates[candidate] ? active : painted;
    const outline = effects.object === "outline" ? (effects.color ?? "") : null;
    const look = { opacity: effects.strength, active, without: replaced, outline };
    const overlay = this.overlay.masks(this.results.at(frame), project.objects, look, {
      ...this.#grid,
      version: `${frame} ${drawn}`,
    });
    if (overlay) this.#place(overlay, this.viewport.scale > 4);
  }

  #drawProposals() {
    const { proposals, picked, about } = this.store.state;
    if (!proposals.length || !about) return;
    const palette = about.palette;
    const layers = proposals.map((_, index) => ({
      color: rgbOf(/** @type {string} */ (palette[index % palette.length])),
      fill: picked.has(index) ? 165 : 40,
      edge: picked.has(index) ? 255 : 190,
    }));
    this.#place(this.overlay.many(proposals.map(({ mask }) => mask), layers, this.#grid));
  }

  #drawPreview() {
    const { preview, candidates, candidate, tool } = this.store.state;
    const reading = candidates[candidate];
    if (reading) this.#place(this.overlay.single(reading.mask, this.activeColor, { fill: 110, ...this.#grid }));
    else if (preview) {
      const color = tool === "exclude" ? "#ffffff" : this.activeColor;
      this.#place(this.overlay.single(preview.mask, color, { fill: 55, edge: 230, ...this.#grid }));
    }
  }

  #drawPrompts() {
    const { prompts, active, project, playing, proposals, frame } = this.store.state;
    const { drawing, viewport } = this;
    if (!playing && project && !proposals.length) {
      for (const object of project.objects) {
        const prompt = prompts[object.id];
        if (prompt && !object.hidden) drawPrompt(drawing, viewport, prompt, object.color, object.id === active);
      }
    }
    if (this.pending?.frame === frame) {
      const waiting = { clicks: [this.pending.click], box: null, mask: null };
      drawPrompt(drawing, viewport, waiting, this.activeColor, true, 0.6);
    }
    if (this.box) drawBox(drawing, viewport, this.box.from, this.box.to, this.activeColor, true);
    if (this.ring) drawRing(drawing, viewport, this.ring, this.store.state.brush / 2, this.store.state.tool === "erase");
    if (this.crosshair) drawCrosshair(drawing, viewport, this.crosshair);
  }
}
