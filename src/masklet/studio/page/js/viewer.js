/** The image on the screen: the frame with effects, masks, previews and prompts. */

/** @import {Click, PageStore, Point} from "./types.js" */
/** @import {Frames} from "./frames.js" */
/** @import {Results} from "./results.js" */
/** @import {Brush} from "./brush.js" */

import { beforeRepaint, resizeCanvas } from "./dom.js";
import { changesImage, drawsOverlay, withEffects } from "./effects.js";
import { rgbOf } from "./labels.js";
import { Marks } from "./marks.js";
import { Overlay } from "./overlay.js";
import { Viewport } from "./viewport.js";

const WIDTHS = [640, 960, 1280, 1920, 2560, 3840]; // of frame images that the server is asked for
const MAX_SIDE = 2200; // pixels of rendered masks while the image is not enlarged
const MAX_SIDE_ENLARGED = 8000;

export class Viewer {
  viewport = new Viewport();
  overlay = new Overlay();
  /** The box that is being drawn, in the image. @type {{from: Point, to: Point} | null} */
  box = null;
  /** Where the brush would paint, in the image. @type {Point | null} */
  brushCursor = null;
  /** The crosshair that keys move, in the image. @type {Point | null} */
  crosshair = null;
  /** A click that the server has not answered. @type {{frame: number, click: Click} | null} */
  pending = null;
  /** Request a redraw. */
  request = beforeRepaint(() => {
    this.#draw();
    this.onDraw();
  });
  /** Called after each redraw. */
  onDraw = () => {};
  #lastFrame = 0;
  /** Device pixels per CSS pixel. */
  #density = 1;

  /**
   * @param {HTMLCanvasElement} canvas @param {{store: PageStore, results: Results, frames: Frames, brush: Brush}} parts
   */
  constructor(canvas, { store, results, frames, brush }) {
    this.canvas = canvas;
    this.store = store;
    this.results = results;
    this.frames = frames;
    this.brush = brush;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: true }));
    this.marks = new Marks(this.context, this.viewport);
    new ResizeObserver(() => this.#resize()).observe(canvas);
  }

  /** Width in pixels of the frame images that suit the current zoom. */
  get imageWidth() {
    const { media } = this.store.state.project ?? {};
    if (!media) return 0;
    const wanted = media.width * this.viewport.scale * this.#density;
    return WIDTHS.find((width) => width >= wanted && width < media.width) ?? media.width;
  }

  /** Color of the active object, or of the object that the next click creates. */
  get activeColor() {
    const { project, active, about } = this.store.state;
    const object = project?.objects.find(({ id }) => id === active);
    if (object) return object.color;
    const palette = about?.palette ?? ["#0096ff"];
    const next = Math.max(0, ...(project?.objects.map(({ id }) => id) ?? []));
    return /** @type {string} */ (palette[next % palette.length]);
  }

  #resize() {
    this.#density = resizeCanvas(this.canvas);
    this.viewport.resize(this.canvas.clientWidth, this.canvas.clientHeight);
    this.request();
  }

  #draw() {
    const { context } = this;
    const { project, frame, preview } = this.store.state;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (!project) return;
    const { media } = project;
    this.viewport.setImage(media.width, media.height);
    const image = this.#image();
    this.canvas.dataset.preview = preview ? "yes" : "no";
    this.canvas.dataset.frame = image ? String(frame) : "";
    if (!image) {
      const last = this.frames.at(this.#lastFrame); // stays visible until the current frame is loaded
      if (last) this.#drawSource(last);
      return;
    }
    this.#lastFrame = frame;
    this.#drawSource(image, this.viewport.scale * (media.width / image.width) > 3);
    this.#drawMasks();
    this.#drawProposals();
    this.#drawPreview();
    if (this.brush.canvas && this.#paintedTarget) this.#drawSource(this.brush.canvas, true, 0.6);
    context.setTransform(this.#density, 0, 0, this.#density, 0, 0);
    this.#drawMarks();
  }

  /**
   * Draw a source over the area of the image.
   *
   * @param {CanvasImageSource} source @param {boolean} [isSharp] whether its pixels are drawn without smoothing
   * @param {number} [alpha]
   */
  #drawSource(source, isSharp = false, alpha = 1) {
    const { context } = this;
    const density = this.#density;
    const { scale, x, y, image } = this.viewport;
    context.setTransform(density, 0, 0, density, x * density, y * density);
    context.imageSmoothingEnabled = !isSharp;
    context.imageSmoothingQuality = "high";
    context.globalAlpha = alpha;
    context.drawImage(source, 0, 0, image.width * scale, image.height * scale);
    context.globalAlpha = 1;
  }

  /** Identifies the masks of the current frame. */
  get #version() {
    return `${this.store.state.frame} ${this.store.state.resultsVersion}`;
  }

  /** The current frame with effects, if it is loaded. */
  #image() {
    const { frame, effects, project } = this.store.state;
    const bitmap = this.frames.at(frame);
    if (!bitmap || !project || !changesImage(effects)) return bitmap;
    const hidden = project.objects.map((object) => object.hidden);
    return this.overlay.cached(["effects", bitmap.width, this.#version, hidden, effects], () => {
      const step = Math.max(1, Math.round(project.media.width / bitmap.width));
      const alpha = this.overlay.alpha(this.results.at(frame), project.objects, step, this.#version);
      return withEffects(bitmap, alpha, effects);
    });
  }

  /** Resolution at which masks are rendered, and the thickness of their edges. */
  get #grid() {
    const { scale, image } = this.viewport;
    const longest = Math.max(image.width, image.height);
    const isEnlarged = scale * this.#density > 1;
    const step = Math.max(1, isEnlarged ? Math.floor(longest / MAX_SIDE_ENLARGED) : Math.ceil(longest / MAX_SIDE));
    return { step, thickness: Math.max(1, Math.round(1.6 / (scale * step))) };
  }

  /** What is being painted by hand on the current frame. */
  get #paintedTarget() {
    const { canvas, target } = this.brush;
    return canvas && target?.frame === this.store.state.frame ? target : null;
  }

  #drawMasks() {
    const { frame, project, active, effects, candidate, candidates, proposals } = this.store.state;
    if (!project || !drawsOverlay(effects) || proposals.length) return;
    const excluded = candidates[candidate] ? active : (this.#paintedTarget?.object.id ?? null);
    const outline = effects.object === "outline" ? (effects.color ?? "") : null;
    const style = { opacity: effects.strength, active, excluded, outline };
    const overlay = this.overlay.masks(this.results.at(frame), project.objects, style, this.#grid, this.#version);
    if (overlay) this.#drawSource(overlay, this.viewport.scale > 4);
  }

  #drawProposals() {
    const { proposals, picked, about } = this.store.state;
    if (!proposals.length || !about) return;
    const { palette } = about;
    const layers = proposals.map((_, index) => ({
      color: rgbOf(/** @type {string} */ (palette[index % palette.length])),
      fill: picked.has(index) ? 165 : 40,
      edge: picked.has(index) ? 255 : 190,
    }));
    const key = proposals.map(({ mask }) => mask.counts.slice(0, 24));
    this.#drawSource(this.overlay.layers(proposals.map(({ mask }) => mask), layers, this.#grid, key));
  }

  #drawPreview() {
    const { preview, candidates, candidate, tool } = this.store.state;
    const shown = candidates[candidate] ?? preview;
    if (!shown) return;
    const isCandidate = shown !== preview;
    const color = rgbOf(tool === "exclude" && !isCandidate ? "#ffffff" : this.activeColor);
    const layer = { color, fill: isCandidate ? 110 : 55, edge: isCandidate ? 255 : 230 };
    this.#drawSource(this.overlay.layers([shown.mask], [layer], this.#grid));
  }

  #drawMarks() {
    const { prompts, active, project, playing, proposals, frame, brush, tool } = this.store.state;
    const { marks } = this;
    if (!playing && project && !proposals.length) {
      for (const { id, hidden, color } of project.objects) {
        const prompt = prompts[id];
        if (prompt && !hidden) marks.prompt(prompt, color, id === active);
      }
    }
    if (this.pending?.frame === frame) {
      marks.prompt({ clicks: [this.pending.click], box: null, mask: null }, this.activeColor, true, 0.6);
    }
    if (this.box) marks.box(this.box.from, this.box.to, this.activeColor, [6, 4]);
    if (this.brushCursor) marks.brushCursor(this.brushCursor, brush / 2, tool === "erase");
    if (this.crosshair) marks.crosshair(this.crosshair);
  }
}
