/** Sliders for the areas up to which specks are removed and holes are filled; stored masks are not changed. */

/** @import {PageStore} from "./types.js" */
/** @import {Session} from "./session.js" */

import { byId, inputById, setText } from "./dom.js";

const MIN_FRACTION = 1e-5; // of the image area, at the start of a slider
const RANGE = 1000; // ratio of the largest area to the smallest
const DELAY = 250; // milliseconds after the last movement until the change is sent

const KINDS = /** @type {const} */ (["specks", "holes"]);

export class Cleaning {
  #timer = 0;

  /** @param {PageStore} store @param {Session} session */
  constructor(store, session) {
    this.store = store;
    this.session = session;
    for (const kind of KINDS) {
      this.#slider(kind).addEventListener("input", () => {
        this.#showArea(kind, this.#area(kind));
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#send(), DELAY);
      });
    }
    store.watch(["project"], () => this.#show());
  }

  /** Area of the image in pixels. */
  get #imageArea() {
    const { project } = this.store.state;
    return project ? project.media.width * project.media.height : 1;
  }

  /** @param {"specks" | "holes"} kind */
  #slider(kind) {
    return inputById(`clean-${kind}`);
  }

  /** Area in pixels at the position of a slider, on a logarithmic scale; 0 is off. @param {"specks" | "holes"} kind */
  #area(kind) {
    const { value, max } = this.#slider(kind);
    const position = Number(value) / Number(max);
    return position ? Math.max(1, Math.round(this.#imageArea * MIN_FRACTION * RANGE ** position)) : 0;
  }

  #send() {
    this.#timer = 0;
    this.session.changeProject({ specks: this.#area("specks"), holes: this.#area("holes") });
  }

  #show() {
    const { project } = this.store.state;
    if (!project || this.#timer) return;
    for (const kind of KINDS) {
      const slider = this.#slider(kind);
      const area = project[kind];
      const position = Math.log(area / (this.#imageArea * MIN_FRACTION)) / Math.log(RANGE);
      slider.value = String(Math.round((area && Math.min(1, Math.max(0.05, position))) * Number(slider.max)));
      this.#showArea(kind, area);
    }
  }

  /** @param {"specks" | "holes"} kind @param {number} area */
  #showArea(kind, area) {
    const text = area ? `up to ${area} px` : "off";
    setText(byId(`clean-${kind}-area`), text);
    this.#slider(kind).setAttribute("aria-valuetext", text);
  }
}
