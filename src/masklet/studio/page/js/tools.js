/** The tools: clicks, boxes and strokes on the image become prompts. */

/** @import {PageStore, Point, Rle, Tool} from "./types.js" */
/** @import {Session, Target} from "./session.js" */
/** @import {Viewer} from "./viewer.js" */
/** @import {Gestures} from "./input.js" */

import { painted } from "./brush.js";
import { areaOf, countsOf } from "./rle.js";
import { announce, toast } from "./toast.js";

const DRAG = 4; // screen pixels after which a press is a drag

/** @typedef {{start: Point, tool: Tool, target: Target, picks: boolean}} Gesture tool and target as they were at its start */

/** @type {{tool: Tool, icon: string, label: string, key: string, hint: string}[]} */
export const TOOLS = [
  { tool: "include", icon: "include", label: "Include", key: "A", hint: "Click parts that belong to the object." },
  { tool: "exclude", icon: "exclude", label: "Exclude", key: "S", hint: "Click parts that do not belong to the object." },
  { tool: "box", icon: "box", label: "Box", key: "B", hint: "Drag a box around the object." },
  { tool: "brush", icon: "brush", label: "Brush", key: "D", hint: "Paint parts of the mask." },
  { tool: "erase", icon: "erase", label: "Eraser", key: "E", hint: "Erase parts of the mask." },
  { tool: "pan", icon: "pan", label: "Pan", key: "H", hint: "Drag the image to move it. Scroll to zoom." },
];

/** @param {Tool} tool */
export function paints(tool) {
  return tool === "brush" || tool === "erase";
}

export class Tools {
  /** @type {Gesture | null} */
  #gesture = null;

  /**
   * @param {{store: PageStore, session: Session, viewer: Viewer, pick: (at: Point) => void,
   *   pause: () => void}} parts pick: receives clicks while proposals are shown; pause: stops playback
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
      cancel: () => this.cancel(),
    };
  }

  cancel() {
    this.#gesture = null;
    this.viewer.box = null;
    this.viewer.brush.cancelStroke();
    this.viewer.request();
  }

  /**
   * @param {Point} at in the image
   * @param {boolean} positive @param {Target} [target]
   */
  async click(at, positive, target = this.session.target) {
    const { viewer, session, store } = this;
    const { frame, object } = target;
    if (!viewer.viewport.contains(at) || this.#isLocked(target)) return;
    if (!positive && !object.id) {
      toast("Include a part of the object first. A new object cannot start with an exclusion.");
      return;
    }
    const click = { ...this.#pixel(at), positive };
    const pending = { frame, click };
    viewer.pending = pending;
    store.set({ preview: null });
    viewer.request();
    const isFirst = !object.id || !store.state.prompts[object.id];
    await session.prompt(target, { clicks: [click], candidates: isFirst });
    if (viewer.pending === pending) viewer.pending = null; // otherwise a newer click is waiting
    viewer.request();
  }

  /** @param {Point} from @param {Point} to @param {Target} [target] */
  async box(from, to, target = this.session.target) {
    if (this.#isLocked(target)) return;
    const a = this.#pixel(from);
    const b = this.#pixel(to);
    const [x0, x1] = [Math.min(a.x, b.x), Math.max(a.x, b.x)];
    const [y0, y1] = [Math.min(a.y, b.y), Math.max(a.y, b.y)];
    if (x1 - x0 >= 1 && y1 - y0 >= 1) await this.session.prompt(target, { box: [x0, y0, x1, y1] });
  }

  /** Prompt the active object with an empty mask: it is not visible on the current frame. */
  async markAbsent() {
    const { project } = this.store.state;
    const { target } = this.session;
    if (!project || this.#isLocked(target)) return;
    if (!target.object.id) {
      toast("Select the object that is absent on this frame.");
      return;
    }
    const { width, height } = project.media;
    /** @type {Rle} */
    const empty = { size: [height, width], counts: countsOf([width * height]) };
    await this.session.prompt(target, ({ prompts }) => {
      const mask = prompts[target.object.id]?.mask;
      if (!mask || areaOf(mask)) return { mask: empty };
      announce("The object is already marked as absent on this frame");
      return null;
    });
  }

  /** @param {Point} at @param {PointerEvent} event */
  #begin(at, event) {
    const { tool, proposals, project, playing, brush: diameter } = this.store.state;
    if (!project) return false;
    if (playing) {
      this.pause();
      return false;
    }
    const { target } = this.session;
    const picks = proposals.length > 0;
    const isStroke = paints(tool) && !picks;
    if (isStroke && (event.button === 2 || this.#isLocked(target))) return false;
    this.#gesture = { start: at, tool, target, picks };
    if (isStroke) {
      const mask = this.session.results.at(target.frame)?.objects[target.object.id]?.mask;
      const { activeColor: color, brush } = this.viewer;
      brush.begin(project.media, mask, { target, points: [], diameter, erase: tool === "erase", color });
      this.#paint(at);
    }
    return true;
  }

  /** @param {Point} at */
  #move(at) {
    if (!this.#gesture || this.#gesture.picks) return;
    const { start, tool } = this.#gesture;
    if (tool === "box") this.viewer.box = { from: start, to: at };
    else if (paints(tool)) this.#paint(at);
  }

  /** @param {Point} at @param {PointerEvent} event */
  #end(at, event) {
    const gesture = this.#gesture;
    this.#gesture = null;
    this.viewer.box = null;
    if (!gesture) return;
    const { start, tool, target, picks } = gesture;
    const moved = Math.hypot(at.x - start.x, at.y - start.y) * this.viewer.viewport.scale;
    if (picks) this.pick(at);
    else if (tool === "box" && moved > DRAG) this.box(start, at, target);
    else if (paints(tool)) this.#endStroke();
    else if (moved <= DRAG * 2) this.click(at, tool !== "exclude" && event.button !== 2 && !event.altKey, target);
  }

  /** @param {Point} at */
  #paint(at) {
    this.viewer.brushCursor = at;
    this.viewer.brush.paint(at);
    this.viewer.request();
  }

  /** Apply the stroke to the server's mask at the time it is sent, which earlier edits may still change. */
  async #endStroke() {
    const { brush } = this.viewer;
    const stroke = brush.end();
    const size = this.store.state.project?.media;
    if (!stroke || !size) return;
    const { target } = stroke;
    await this.session.prompt(target, ({ frame }) => {
      const mask = painted(size, frame.objects[target.object.id]?.mask, stroke);
      if (!mask) toast("This would erase the whole mask. Press X if the object is absent on this frame.");
      return mask && { mask };
    });
    brush.finish(stroke);
    this.viewer.request();
  }

  /** Whether the object is locked; if so, the user is told. @param {Target} target */
  #isLocked(target) {
    const object = this.store.state.project?.objects.find(({ id }) => id === target.object.id);
    if (object?.locked) toast(`${object.name} is locked. Unlock it, or press N to start another object.`);
    return object?.locked ?? false;
  }

  /** Convert a point to pixel coordinates, in which the center of the first pixel is (0, 0). @param {Point} at */
  #pixel({ x, y }) {
    const { width, height } = this.viewer.viewport.image;
    const round = (/** @type {number} */ value, /** @type {number} */ end) =>
      Math.round(Math.min(end - 1, Math.max(0, value - 0.5)) * 100) / 100;
    return { x: round(x, width), y: round(y, height) };
  }
}
