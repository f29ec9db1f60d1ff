/** The timeline: ruler, in and out markers, playhead, one lane for each object; drag, zoom and keys. */

/** @import {State, TrackedObject} from "./types.js" */
/** @import {Store} from "./store.js" */
/** @import {Session} from "./session.js" */
/** @import {Player} from "./player.js" */
/** @import {Span} from "./lane.js" */

import { byId, fill, h } from "./dom.js";
import { clock } from "./format.js";
import { describe, drawLane } from "./lane.js";
import { soon } from "./redraw.js";

const CLOSEST = 12; // frames in sight at the largest zoom

export class Timeline {
  /** @type {Span} */
  span = { from: 0, to: 1 };
  /** Draw soon. */
  request = soon(() => this.#draw());
  #media = "";

  /**
   * @param {Store<State>} store
   * @param {Session} session
   * @param {Player} player
   */
  constructor(store, session, player) {
    this.store = store;
    this.session = session;
    this.player = player;
    this.tracks = byId("tracks");
    this.track = byId("timeline-track");
    this.ruler = /** @type {HTMLCanvasElement} */ (byId("ruler"));
    this.lanes = byId("lanes");
    this.playhead = byId("playhead");
    this.range = byId("range");
    this.markIn = byId("mark-in");
    this.markOut = byId("mark-out");
    this.#listen();
    new ResizeObserver(() => this.request()).observe(this.track);
    store.watch(["project"], () => this.#rebuild());
    store.watch(["drawn", "active"], () => this.request());
    store.watch(["frame"], () => this.#movePlayhead());
  }

  get length() {
    return this.store.state.project?.media.num_frames ?? 1;
  }

  /**
   * @param {number} factor below 1 shows fewer frames
   * @param {number} [around] frame that stays where it is
   */
  zoom(factor, around = this.store.state.frame + 0.5) {
    const { from, to } = this.span;
    const size = Math.min(this.length, Math.max(Math.min(CLOSEST, this.length), (to - from) * factor));
    const part = (around - from) / (to - from);
    this.#place(around - part * size, size);
  }

  /**
   * @param {number} from
   * @param {number} size
   */
  #place(from, size) {
    const start = Math.min(this.length - size, Math.max(0, from));
    this.span = { from: start, to: start + size };
    this.track.classList.toggle("zoomed", size < this.length - 0.01);
    this.request();
    this.#movePlayhead();
  }

  #rebuild() {
    const { project } = this.store.state;
    const media = project?.media.id ?? "";
    if (media !== this.#media) {
      this.#media = media;
      this.#place(0, this.length);
    }
    this.track.setAttribute("aria-valuemax", String(this.length - 1));
    const known = new Map([...this.lanes.children].map((row) => [row.getAttribute("data-object"), row]));
    const rows = (project?.objects ?? []).map((object) => {
      const row = known.get(String(object.id)) ?? this.#row(object);
      const name = row.querySelector(".lane-name");
      if (name && name.textContent !== object.name) name.textContent = object.name;
      return row;
    });
    if (rows.length !== this.lanes.children.length || rows.some((row, at) => row !== this.lanes.children[at])) {
      fill(this.lanes, rows);
    }
    this.request();
  }

  /** @param {TrackedObject} object */
  #row(object) {
    const dot = h("span", { class: "dot" });
    const row = h(
      "div",
      { class: "lane", role: "listitem", "data-object": object.id },
      h("div", { class: "lane-label" }, dot, h("span", { class: "lane-name" }, object.name)),
      h("canvas", { class: "lane-strip", role: "img" }),
    );
    row.addEventListener("pointerdown", () => this.store.set({ active: object.id, candidates: [] }));
    return row;
  }

  #draw() {
    const { project, active } = this.store.state;
    if (!project) return;
    const style = getComputedStyle(this.track);
    const mark = style.getPropertyValue("--mark").trim();
    const background = style.getPropertyValue("--panel").trim();
    for (const object of project.objects) {
      const row = this.lanes.querySelector(`[data-object="${object.id}"]`);
      const canvas = row?.querySelector("canvas");
      if (!row || !canvas) continue;
      const lane = this.session.results.lanes.get(object.id);
      row.classList.toggle("active", object.id === active);
      row.classList.toggle("dimmed", object.hidden);
      const dot = row.querySelector(".dot");
      if (dot instanceof HTMLElement) dot.style.backgroundColor = object.color;
      drawLane(canvas, lane, this.span, { color: object.color, mark, background });
      canvas.setAttribute("aria-label", `${object.name}: ${describe(lane)}`);
    }
    this.tracks.style.setProperty("--gutter", `${this.lanes.offsetWidth - this.lanes.clientWidth}px`);
    this.#drawRuler(style.getPropertyValue("--muted").trim());
    const { in: start, out: end } = project;
    this.#lay(this.range, start, end);
    this.#lay(this.markIn, start, start);
    this.#lay(this.markOut, end, end);
    this.range.classList.toggle("whole", start === 0 && end === this.length);
  }

  /** @param {string} color */
  #drawRuler(color) {
    const density = Math.min(3, devicePixelRatio || 1);
    const { clientWidth, clientHeight } = this.ruler;
    this.ruler.width = clientWidth * density;
    this.ruler.height = clientHeight * density;
    const drawing = this.ruler.getContext("2d");
    if (!drawing) return;
    drawing.scale(density, density);
    const style = getComputedStyle(this.ruler);
    drawing.font = `${style.fontSize} ${style.fontFamily}`;
    drawing.fillStyle = color;
    drawing.strokeStyle = color;
    const { from, to } = this.span;
    const scale = clientWidth / (to - from);
    const step = niceStep(90 / scale);
    for (let frame = Math.ceil(from / step) * step; frame < to; frame += step) {
      const x = Math.round((frame + 0.5 - from) * scale) + 0.5;
      drawing.globalAlpha = 0.5;
      drawing.fillRect(x, clientHeight - 5, 1, 5);
      drawing.globalAlpha = 1;
      drawing.fillText(String(frame), x + 4, clientHeight - 6);
    }
  }

  #movePlayhead() {
    const { frame, playing } = this.store.state;
    const { from, to } = this.span;
    if (playing && (frame < from || frame >= to)) this.#place(frame, to - from);
    this.#lay(this.playhead, frame + 0.5, frame + 0.5);
    this.track.setAttribute("aria-valuenow", String(frame));
    this.track.setAttribute("aria-valuetext", `frame ${frame}, ${clock(this.player.timeOf(frame))}`);
  }

  /**
   * @param {HTMLElement} element
   * @param {number} start
   * @param {number} end
   */
  #lay(element, start, end) {
    const { from, to } = this.span;
    const part = (/** @type {number} */ frame) => Math.min(1.02, Math.max(-0.02, (frame - from) / (to - from)));
    element.style.setProperty("--start", String(part(start)));
    element.style.setProperty("--length", String(part(end) - part(start)));
    element.classList.toggle("outside", end < from - 0.01 || start > to + 0.01);
  }

  /** @param {PointerEvent | WheelEvent} event */
  #frameAt(event) {
    const { left, width } = this.ruler.getBoundingClientRect();
    return this.span.from + ((event.clientX - left) / width) * (this.span.to - this.span.from);
  }

  #listen() {
    let dragged = "";
    this.tracks.addEventListener("pointerdown", (event) => {
      const target = /** @type {Element} */ (event.target);
      if (event.button !== 0 || target.closest(".lane-label")) return;
      dragged = target.closest("#mark-in") ? "in" : target.closest("#mark-out") ? "out" : "playhead";
      this.tracks.setPointerCapture(event.pointerId);
      this.player.pause();
      move(event);
    });
    const move = (/** @type {PointerEvent} */ event) => {
      const at = this.#frameAt(event);
      const { project } = this.store.state;
      if (!project) return;
      if (dragged === "playhead") this.player.go(Math.floor(at));
      else if (dragged === "in") this.#mark({ in: Math.min(Math.max(0, Math.round(at)), project.out - 1) });
      else if (dragged === "out") this.#mark({ out: Math.max(Math.min(this.length, Math.round(at)), project.in + 1) });
    };
    this.tracks.addEventListener("pointermove", (event) => dragged && move(event));
    this.tracks.addEventListener("lostpointercapture", () => {
      const { project } = this.store.state;
      if (project && dragged && dragged !== "playhead") this.session.changeProject({ in: project.in, out: project.out });
      dragged = "";
    });
    this.tracks.addEventListener(
      "wheel",
      (event) => {
        const { from, to } = this.span;
        if (event.ctrlKey || event.altKey) this.zoom(Math.exp(event.deltaY / 300), this.#frameAt(event));
        else if (event.shiftKey || event.deltaX) this.#place(from + ((event.deltaX || event.deltaY) / 600) * (to - from), to - from);
        else return;
        event.preventDefault();
      },
      { passive: false },
    );
  }

  /** @param {{in?: number, out?: number}} change */
  #mark(change) {
    const { project } = this.store.state;
    if (project) this.store.set({ project: { ...project, ...change } });
  }
}

/**
 * @param {number} least
 * @returns {number} 1, 2 or 5 times a power of ten
 */
function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
  return [1, 2, 5, 10].map((times) => times * power).find((step) => step >= least) ?? 10 * power;
}
