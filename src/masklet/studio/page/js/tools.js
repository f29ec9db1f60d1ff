/** What a gesture means with each tool: clicks, boxes and strokes become prompts. */

/** @import {Rle, State, Tool} from "./types.js" */
/** @import {Store} from "./store.js" */
/** @import {Session} from "./session.js" */
/** @import {Viewer} from "./viewer.js" */
/** @import {Gestures} from "./input.js" */
/** @import {Point} from "./viewport.js" */

import { countsOf } from "./rle.js";
import { toast } from "./toast.js";

const DRAG = 4; // pixels of the screen after which a press is a drag

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
  /** @type {Point | null} */
  #start = null;

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
    this.#start = null;
    this.viewer.box = null;
    this.viewer.brush.drop();
    this.viewer.request();
  }

  /**
   * @param {Point} at in the picture
   * @param {boolean} positive
   */
  async click(at, positive) {
    const { viewer, session, store } = this;
    const { frame, active, prompts } = store.state;
    if (!viewer.viewport.contains(at) || this.#locked()) return;
    const click = { ...this.#pixel(at), positive };
    if (!positive && active === null) {
      toast("Include something first: an object cannot begin with what it is not.");
      return;
    }
    viewer.pending = click;
    store.set({ preview: null });
    viewer.request();
    const first = active === null || !prompts[active];
    await session.prompt(frame, { object_id: active ?? 0, clicks: [click], candidates: first });
    viewer.pending = null;
    viewer.request();
  }

  /**
   * @param {Point} from
   * @param {Point} to
   */
  async box(from, to) {
    const { frame, active } = this.store.state;
    if (this.#locked()) return;
    const a = this.#pixel(from);
    const b = this.#pixel(to);
    const [x0, x1] = [Math.min(a.x, b.x), Math.max(a.x, b.x)];
    const [y0, y1] = [Math.min(a.y, b.y), Math.max(a.y, b.y)];
    if (x1 - x0 < 1 || y1 - y0 < 1) return;
    await this.session.prompt(frame, { object_id: active ?? 0, box: [x0, y0, x1, y1] });
  }

  /** The object is not on this frame. */
  async absent() {
    const { frame, active, project } = this.store.state;
    if (!project || this.#locked()) return;
    if (active === null) {
      toast("Choose the object that is not on this frame.");
      return;
    }
    const { width, height } = project.media;
    /** @type {Rle} */
    const nothing = { size: [height, width], counts: countsOf([width * height]) };
    await this.session.prompt(frame, { object_id: active, mask: nothing });
  }

  /**
   * @param {Point} at
   * @param {PointerEvent} event
   */
  #begin(at, event) {
    const { tool, proposals, active, frame, project, playing } = this.store.state;
    if (!project) return false;
    if (playing) {
      this.pause();
      return false;
    }
    this.#start = at;
    if (proposals.length) return true;
    if (tool !== "brush" && tool !== "erase") return true;
    if (this.#locked() || event.button === 2) return false;
    const mask = active === null ? undefined : this.session.results.at(frame)?.objects[active]?.mask;
    this.viewer.brush.begin(project.media, mask, this.viewer.activeColor);
    this.#paint(at);
    return true;
  }

  /** @param {Point} at */
  #move(at) {
    const { tool, proposals } = this.store.state;
    if (!this.#start || proposals.length) return;
    if (tool === "box") this.viewer.box = { from: this.#start, to: at };
    else if (tool === "brush" || tool === "erase") this.#paint(at);
  }

  /**
   * @param {Point} at
   * @param {PointerEvent} event
   */
  #end(at, event) {
    const { tool, proposals } = this.store.state;
    const start = this.#start;
    this.#start = null;
    this.viewer.box = null;
    if (!start) return;
    const moved = Math.hypot(at.x - start.x, at.y - start.y) * this.viewer.viewport.scale;
    if (proposals.length) this.pick(at);
    else if (tool === "box" && moved > DRAG) this.box(start, at);
    else if (tool === "brush" || tool === "erase") this.#finishStroke();
    else if (moved <= DRAG * 2) this.click(at, tool !== "exclude" && event.button !== 2 && !event.altKey);
  }

  /** @param {Point} at */
  #paint(at) {
    const { tool, brush } = this.store.state;
    this.viewer.ring = at;
    this.viewer.brush.paint(at, { diameter: brush, color: this.viewer.activeColor, erase: tool === "erase" });
    this.viewer.request();
  }

  async #finishStroke() {
    const { frame, active } = this.store.state;
    const mask = this.viewer.brush.take();
    if (mask) await this.session.prompt(frame, { object_id: active ?? 0, mask });
    else toast("Nothing is left of the mask: press X if the object is not on this frame.");
    this.viewer.brush.drop();
    this.viewer.request();
  }

  /** Whether the object does not take prompts; the person is told. */
  #locked() {
    const { project, active } = this.store.state;
    const object = project?.objects.find(({ id }) => id === active);
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
