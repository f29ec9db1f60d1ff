/** A crosshair that arrow keys move over the image, for use without a pointer. */

/** @import {Viewer} from "./viewer.js" */
/** @import {Tools} from "./tools.js" */
/** @import {Target} from "./session.js" */
/** @import {PageStore, Point} from "./types.js" */

import { announce } from "./toast.js";

/** @type {Record<string, [number, number]>} */
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class KeyCursor {
  /** First corner of a box, with the target at that time. @type {{at: Point, target: Target} | null} */
  #corner = null;

  /** @param {PageStore} store @param {Viewer} viewer @param {Tools} tools */
  constructor(store, viewer, tools) {
    this.store = store;
    this.viewer = viewer;
    this.tools = tools;
    viewer.canvas.addEventListener("keydown", (event) => this.#onKey(event));
    viewer.canvas.addEventListener("blur", () => this.hide());
  }

  toggle() {
    if (this.viewer.crosshair) return this.hide();
    const { width, height } = this.viewer.viewport.image;
    this.viewer.canvas.focus();
    this.viewer.crosshair = { x: width / 2, y: height / 2 };
    announce("Crosshair on. Arrow keys move it, Enter includes, Shift Enter excludes, K turns it off.");
    this.viewer.request();
  }

  hide() {
    this.viewer.crosshair = null;
    this.viewer.box = null;
    this.#corner = null;
    this.viewer.request();
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const at = this.viewer.crosshair;
    if (!at) return;
    const direction = DIRECTIONS[event.key];
    if (direction) this.#move(at, direction, event.shiftKey);
    else if (event.key === "Enter") this.#press(at, event.shiftKey);
    else if (event.key === "Escape") this.hide();
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.viewer.request();
  }

  /** @param {Point} at @param {[number, number]} direction @param {boolean} isFast */
  #move(at, [dx, dy], isFast) {
    const { width, height } = this.viewer.viewport.image;
    const step = Math.max(width, height) / (isFast ? 20 : 160);
    const x = Math.min(width - 1, Math.max(0, at.x + dx * step));
    const y = Math.min(height - 1, Math.max(0, at.y + dy * step));
    this.viewer.crosshair = { x, y };
    if (this.#corner) this.viewer.box = { from: this.#corner.at, to: { x, y } };
    announce(`${Math.round(x)}, ${Math.round(y)}`);
  }

  /** @param {Point} at @param {boolean} exclude */
  #press(at, exclude) {
    const { tool } = this.store.state;
    if (tool !== "box") this.tools.click(at, !exclude && tool !== "exclude");
    else if (this.#corner) {
      this.tools.box(this.#corner.at, at, this.#corner.target);
      this.#corner = null;
      this.viewer.box = null;
    } else {
      this.#corner = { at, target: this.tools.session.target };
      announce("First corner set. Press Enter at the opposite corner.");
    }
  }
}
