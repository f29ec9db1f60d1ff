/** A crosshair that keys move over the picture, for those who do not point. */

/** @import {Viewer} from "./viewer.js" */
/** @import {Tools} from "./tools.js" */
/** @import {Target} from "./session.js" */
/** @import {State} from "./types.js" */
/** @import {Store} from "./store.js" */
/** @import {Point} from "./viewport.js" */

import { announce } from "./toast.js";

export class KeyCursor {
  /** First corner of a box, and what it was meant for. @type {{at: Point, target: Target} | null} */
  #corner = null;

  /**
   * @param {Store<State>} store
   * @param {Viewer} viewer
   * @param {Tools} tools
   */
  constructor(store, viewer, tools) {
    this.store = store;
    this.viewer = viewer;
    this.tools = tools;
    viewer.canvas.addEventListener("keydown", (event) => this.#key(event));
    viewer.canvas.addEventListener("blur", () => this.hide());
  }

  toggle() {
    if (this.viewer.crosshair) {
      this.hide();
      return;
    }
    const { width, height } = this.viewer.viewport.picture;
    this.viewer.canvas.focus();
    this.viewer.crosshair = { x: width / 2, y: height / 2 };
    announce("Crosshair on: arrows move it, Enter clicks, Shift Enter excludes, K ends");
    this.viewer.request();
  }

  hide() {
    this.viewer.crosshair = null;
    this.viewer.box = null;
    this.#corner = null;
    this.viewer.request();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const at = this.viewer.crosshair;
    if (!at) return;
    const { width, height } = this.viewer.viewport.picture;
    const step = Math.max(width, height) / (event.shiftKey ? 20 : 160);
    /** @type {Record<string, [number, number]>} */
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const way = ways[event.key];
    if (way) {
      const x = Math.min(width - 1, Math.max(0, at.x + way[0] * step));
      const y = Math.min(height - 1, Math.max(0, at.y + way[1] * step));
      this.viewer.crosshair = { x, y };
      if (this.#corner) this.viewer.box = { from: this.#corner.at, to: { x, y } };
      announce(`${Math.round(x)}, ${Math.round(y)}`);
    } else if (event.key === "Enter") this.#press(at, event.shiftKey);
    else if (event.key === "Escape") this.hide();
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.viewer.request();
  }

  /**
   * @param {Point} at
   * @param {boolean} exclude
   */
  #press(at, exclude) {
    const { tool } = this.store.state;
    if (tool !== "box") this.tools.click(at, !exclude && tool !== "exclude");
    else if (this.#corner) {
      this.tools.box(this.#corner.at, at, this.#corner.target);
      this.#corner = null;
      this.viewer.box = null;
    } else {
      this.#corner = { at, target: this.tools.session.target };
      announce("First corner set; Enter sets the other one");
    }
  }
}
