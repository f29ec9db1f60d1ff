/** The timeline: ruler, in and out markers, playhead, and one lane for each object. */

/** @import {PageStore, TrackedObject} from "./types.js" */
/** @import {Session} from "./session.js" */
/** @import {Player} from "./player.js" */
/** @import {Span} from "./lane.js" */

import { beforeRepaint, byId, colorDot, h, resizeCanvas, setRows, setText } from "./dom.js";
import { clock } from "./format.js";
import { describeLane, drawLane } from "./lane.js";

const MIN_FRAMES = 12; // visible at the largest zoom

export class Timeline {
  /** @type {Span} */
  span = { from: 0, to: 1 };
  /** Request a redraw. */
  request = beforeRepaint(() => this.#draw());
  #media = "";

  /** @param {PageStore} store @param {Session} session @param {Player} player */
  constructor(store, session, player) {
    this.store = store;
    this.session = session;
    this.player = player;
    this.tracks = byId("tracks");
    this.track = byId("timeline-track");
    this.ruler = /** @type {HTMLCanvasElement} */ (byId("ruler"));
    this.lanes = byId("lanes");
    this.#listen();
    new ResizeObserver(() => this.request()).observe(this.track);
    store.watch(["project"], () => this.#render());
    store.watch(["resultsVersion", "active"], () => this.request());
    store.watch(["frame"], () => this.#movePlayhead());
  }

  get length() {
    return this.store.state.project?.media.num_frames ?? 1;
  }

  /**
   * @param {number} factor below 1 shows fewer frames
   * @param {number} [around] frame position that keeps its place
   */
  zoom(factor, around = this.store.state.frame + 0.5) {
    const { from, to } = this.span;
    const size = Math.min(this.length, Math.max(Math.min(MIN_FRAMES, this.length), (to - from) * factor));
    this.#show(around - ((around - from) / (to - from)) * size, size);
  }

  /** @param {number} from @param {number} size number of visible frames */
  #show(from, size) {
    const start = Math.min(this.length - size, Math.max(0, from));
    this.span = { from: start, to: start + size };
    this.track.classList.toggle("zoomed", size < this.length - 0.01);
    this.request();
    this.#movePlayhead();
  }

  #render() {
    const { project } = this.store.state;
    const media = project?.media.id ?? "";
    if (media !== this.#media) {
      this.#media = media;
      this.#show(0, this.length);
    }
    this.track.setAttribute("aria-valuemax", String(this.length - 1));
    setRows(this.lanes, project?.objects ?? [], (object) => this.#createRow(object), (row, object) => {
      setText(/** @type {Element} */ (row.querySelector(".lane-name")), object.name);
      row.classList.toggle("dimmed", object.hidden);
      /** @type {HTMLElement} */ (row.querySelector(".dot")).style.backgroundColor = object.color;
    });
    this.request();
  }

  /** @param {TrackedObject} object */
  #createRow({ id, color }) {
    return h("div", { class: "lane", role: "listitem", onpointerdown: () => this.store.set({ active: id, candidates: [] }) },
      h("div", { class: "lane-label" }, colorDot(color), h("span", { class: "lane-name" })),
      h("canvas", { class: "lane-strip", role: "img" }));
  }

  #draw() {
    const { project, active } = this.store.state;
    if (!project) return;
    const style = getComputedStyle(this.track);
    const mark = style.getPropertyValue("--mark").trim();
    const background = style.getPropertyValue("--panel").trim();
    project.objects.forEach(({ id, name, color }, index) => {
      const row = this.lanes.children[index];
      const canvas = row?.querySelector("canvas");
      if (!row || !canvas) return;
      const lane = this.session.results.lanes.get(id);
      row.classList.toggle("active", id === active);
      drawLane(canvas, lane, this.span, { color, mark, background });
      canvas.setAttribute("aria-label", `${name}: ${describeLane(lane)}`);
    });
    this.tracks.style.setProperty("--gutter", `${this.lanes.offsetWidth - this.lanes.clientWidth}px`);
    this.#drawRuler(style.getPropertyValue("--muted").trim());
    const { in: start, out: end } = project;
    this.#place("range", start, end);
    this.#place("mark-in", start, start);
    this.#place("mark-out", end, end);
    byId("range").classList.toggle("whole", start === 0 && end === this.length);
  }

  /** @param {string} color */
  #drawRuler(color) {
    const density = resizeCanvas(this.ruler);
    const context = this.ruler.getContext("2d");
    if (!context) return;
    context.scale(density, density);
    const { fontSize, fontFamily } = getComputedStyle(this.ruler);
    context.font = `${fontSize} ${fontFamily}`;
    context.fillStyle = color;
    const { from, to } = this.span;
    const { clientWidth, clientHeight } = this.ruler;
    const scale = clientWidth / (to - from);
    const step = roundStep(90 / scale);
    for (let frame = Math.ceil(from / step) * step; frame < to; frame += step) {
      const x = Math.round((frame + 0.5 - from) * scale) + 0.5;
      context.globalAlpha = 0.5;
      context.fillRect(x, clientHeight - 5, 1, 5);
      context.globalAlpha = 1;
      context.fillText(String(frame), x + 4, clientHeight - 6);
    }
  }

  #movePlayhead() {
    const { frame, playing } = this.store.state;
    const { from, to } = this.span;
    if (playing && (frame < from || frame >= to)) this.#show(frame, to - from);
    this.#place("playhead", frame + 0.5, frame + 0.5);
    this.track.setAttribute("aria-valuenow", String(frame));
    this.track.setAttribute("aria-valuetext", `frame ${frame}, ${clock(this.player.timeOf(frame))}`);
  }

  /** Position an element over the lanes. @param {string} id @param {number} start @param {number} end */
  #place(id, start, end) {
    const { from, to } = this.span;
    const fraction = (/** @type {number} */ frame) => Math.min(1.02, Math.max(-0.02, (frame - from) / (to - from)));
    const element = byId(id);
    element.style.setProperty("--start", String(fraction(start)));
    element.style.setProperty("--length", String(fraction(end) - fraction(start)));
    element.classList.toggle("outside", end < from - 0.01 || start > to + 0.01);
  }

  /** @param {PointerEvent | WheelEvent} event */
  #positionOf(event) {
    const { left, width } = this.ruler.getBoundingClientRect();
    return this.span.from + ((event.clientX - left) / width) * (this.span.to - this.span.from);
  }

  #listen() {
    /** @type {"" | "in" | "out" | "playhead"} */
    let dragged = "";
    const move = (/** @type {PointerEvent} */ event) => {
      const at = this.#positionOf(event);
      const { project } = this.store.state;
      if (!project) return;
      if (dragged === "playhead") this.player.go(Math.floor(at));
      const marker = Math.min(this.length, Math.max(0, Math.round(at)));
      if (dragged === "in") this.store.set({ project: { ...project, in: Math.min(marker, project.out - 1) } });
      else if (dragged === "out") this.store.set({ project: { ...project, out: Math.max(marker, project.in + 1) } });
    };
    this.tracks.addEventListener("pointerdown", (event) => {
      const target = /** @type {Element} */ (event.target);
      if (event.button !== 0 || target.closest(".lane-label")) return;
      dragged = target.closest("#mark-in") ? "in" : target.closest("#mark-out") ? "out" : "playhead";
      this.tracks.setPointerCapture(event.pointerId);
      this.player.pause();
      move(event);
    });
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
        const size = to - from;
        if (event.ctrlKey || event.altKey) this.zoom(Math.exp(event.deltaY / 300), this.#positionOf(event));
        else if (event.shiftKey || event.deltaX) this.#show(from + ((event.deltaX || event.deltaY) / 600) * size, size);
        else return;
        event.preventDefault();
      },
      { passive: false },
    );
  }
}

/** @param {number} minimum @returns {number} 1, 2 or 5 times a power of ten */
function roundStep(minimum) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, minimum)));
  return [1, 2, 5, 10].map((times) => times * power).find((step) => step >= minimum) ?? 10 * power;
}
