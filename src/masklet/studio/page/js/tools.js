/** What a gesture means with each tool: clicks, boxes and strokes become prompts. */

/** @import {Rle, State, Tool} from "./types.js" */
/** @import {Store} from "./store.js" */
/** @import {Session, Target} from "./session.js" */
/** @import {Viewer} from "./viewer.js" */
/** @import {Gestures} from "./input.js" */
/** @import {Point} from "./viewport.js" */

import { painted } from "./brush.js";
import { areaOf, countsOf } from "./rle.js";
import { announce, toast } from "./toast.js";

const DRAG = 4; // pixels of the screen after which a press is a drag

/** @typedef {{start: Point, tool: Tool, target: Target, picks: boolean}} Gesture what it was meant for when it began */

/** @type {{tool: Tool, icon: string, label: string, key: string, hint: string}[]} */
export const TOOLS = [
  { tool: "include", icon: "include", label: "Include", key: "A", hint: "Click what belongs to the object" },
  { tool: "exclude", icon: "exclude", label: "Exclude", key: "S", hint: "Click what does not belong to it" },
  { tool: "box", icon: "box", label: "Box", key: "B", hint: "Drag a box around the object" },
  { tool: "brush", icon: "brush", label: "Brush", key: "D", hint: "Paint the mask by hand" },
  { tool: "erase", icon: "erase", label: "Eraser", key: "E", hint: "Rub out parts of the mask" },
  { tool: "pan", icon: "pan", label: "Move", key: "H", hint: "Drag the picture; the wheel zooms" },
];

export class Tools {
  /** @type {Gesture | null} */
  #gesture = null;

  /**
   * @param {{store: Store<State>, session: Session, viewer: Viewer, pick: (at: Point) => void,
   *   pause: () => void}} parts pick: called with a click while proposals are in sight; pause: stops playback
   */
  constructor({ store, session, viewer, pick, pause }) {
    this.store = store;
    this.session = session;
    this.viewer = viewer;
    this.pick = pick;
    this.pause = pause;
  }

  /** @returns {Omit<Gestures, "hover">} */
  get gestures() {
    return {
      pans: () => this.store.state.tool === "pan" && !this.store.state.proposals.length,
      begin: (at, event) => this.#begin(at, event),
      move: (at) => this.#move(at),
      end: (at, event) => this.#end(at, event),
      abandon: () => this.abandon(),
    };
  }

  abandon() {
    this.#gesture = null;
    this.viewer.box = null;
    this.viewer.brush.drop();
    this.viewer.request();
  }

  /**
   * @param {Point} at in the picture
   * @param {boolean} positive
   * @param {Target} [target]
   */
  async click(at, positive, target = this.session.target) {
    const { viewer, session, store } = this;
    const { frame, object } = target;
    if (!viewer.viewport.contains(at) || this.#locked(target)) return;
    const click = { ...this.#pixel(at), positive };
    if (!positive && !object.id) {
      toast("Include something first: an object cannot begin with what it is not.");
      return;
    }
    const pending = { frame, click };
    viewer.pending = pending;
    store.set({ preview: null });
    viewer.request();
    const first = !object.id || !store.state.prompts[object.id];
    await session.prompt(target, { clicks: [click], candidates: first });
    if (viewer.pending === pending) viewer.pending = null; // a newer click waits for its own answer
    viewer.request();
  }

  /**
   * @param {Point} from
   * @param {Point} to
   * @param {Target} [target]
   */
  async box(from, to, target = this.session.target) {
    if (this.#locked(target)) return;
    const a = this.#pixel(from);
    const b = this.#pixel(to);
    const [x0, x1] = [Math.min(a.x, b.x), Math.max(a.x, b.x)];
    const [y0, y1] = [Math.min(a.y, b.y), Math.max(a.y, b.y)];
    if (x1 - x0 < 1 || y1 - y0 < 1) return;
    await this.session.prompt(target, { box: [x0, y0, x1, y1] });
  }

  /** The object is not on this frame. */
  async absent() {
    const { project } = this.store.state;
    const { target } = this.session;
    if (!project || this.#locked(target)) return;
    if (!target.object.id) {
      toast("Choose the object that is not on this frame.");
      return;
    }
    const { width, height } = project.media;
    /** @type {Rle} */
    const nothing = { size: [height, width], counts: countsOf([width * height]) };
    await this.session.prompt(target, ({ prompts }) => {
      const mask = prompts[target.object.id]?.mask;
      if (!mask || areaOf(mask)) return { mask: nothing };
      announce("Already said: it is not on this frame");
      return null;
    });
  }

  /**
   * @param {Point} at
   * @param {PointerEvent} event
   */
  #begin(at, event) {
    const { tool, proposals, project, playing } = this.store.state;
    if (!project) return false;
    if (playing) {
      this.pause();
      return false;
    }
    const { target } = this.session;
    const paints = tool === "brush" || tool === "erase";
    const picks = proposals.length > 0;
    if (paints && !picks && (event.button === 2 || this.#locked(target))) return false;
    this.#gesture = { start: at, tool, target, picks };
    if (paints && !picks) {
      const mask = this.session.results.at(target.frame)?.objects[target.object.id]?.mask;
      const { activeColor: color, brush } = this.viewer;
      const stroke = { target, points: [], diameter: this.store.state.brush, erase: tool === "erase", color };
      brush.begin(project.media, mask, stroke);
      this.#paint(at);
    }
    return true;
  }

  /** @param {Point} at */
  #move(at) {
    if (!this.#gesture || this.#gesture.picks) return;
    const { start, tool } = this.#gesture;
    if (tool === "box") this.viewer.box = { from: start, to: at };
    else if (tool === "brush" || tool === "erase") this.#paint(at);
  }

  /**
   * @param {Point} at
   * @param {PointerEvent} event
   */
  #end(at, event) {
    const gesture = this.#gesture;
    this.#gesture = null;
    this.viewer.box = null;
    if (!gesture) return;
    const { start, tool, target, picks } = gesture;
    const moved = Math.hypot(at.x - start.x, at.y - start.y) * this.viewer.viewport.scale;
    if (picks) this.pick(at);
    else if (tool === "box" && moved > DRAG) this.box(start, at, target);
    else if (tool === "brush" || tool === "erase") this.#finishStroke();
    else if (moved <= DRAG * 2) this.click(at, tool !== "exclude" && event.button !== 2 && !event.altKey, target);
  }

  /** @param {Point} at */
  #paint(at) {
    this.viewer.ring = at;
    this.viewer.brush.paint(at);
    this.viewer.request();
  }

  /** The stroke goes onto the mask that is there when it is its turn, which the page may not know yet. */
  async #finishStroke() {
    const { brush } = this.viewer;
    const stroke = brush.end();
    const size = this.store.state.project?.media;
    if (!stroke || !size) return;
    const { target } = stroke;
    await this.session.prompt(target, ({ frame }) => {
      const mask = painted(size, frame.objects[target.object.id]?.mask, stroke);
      if (!mask) toast("Nothing is left of the mask: press X if the object is not on this frame.");
      return mask && { mask };
    });
    brush.settle(stroke);
    this.viewer.request();
  }

  /**
   * Whether the object does not take prompts; the person is told.
   *
   * @param {Target} target
   */
  #locked(target) {
    const object = this.store.state.project?.objects.find(({ id }) => id === target.object.id);
    if (object?.locked) toast(`${object.name} is locked: unlock it, or press N to begin another object.`);
    return object?.locked ?? false;
  }

  /**
   * From borders of pixels to their centers, inside the picture.
   *
   * @param {Point} at
   */
  #pixel({ x, y }) {
    const { width, height } = this.viewer.viewport.picture;
    const round = (/** @type {number} */ value, /** @type {number} */ end) =>
      Math.round(Math.min(end - 1, Math.max(0, value - 0.5)) * 100) / 100;
    return { x: round(x, width), y: round(y, height) };
  }
}
