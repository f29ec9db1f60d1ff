/** Specks and holes: two sliders that say up to which size they go; the masks themselves stay as they are. */

/** @import {State} from "./types.js" */
/** @import {Store} from "./store.js" */
/** @import {Session} from "./session.js" */

import { byId, say } from "./dom.js";

const SMALLEST = 1e-5; // of the picture
const RANGE = 1000; // from the first step of a slider to its last
const WAIT = 250; // milliseconds without a movement before it counts

/** @type {("specks" | "holes")[]} */
const WHAT = ["specks", "holes"];

export class Cleaning {
  #waiting = 0;

  /**
   * @param {Store<State>} store
   * @param {Session} session
   */
  constructor(store, session) {
    this.store = store;
    this.session = session;
    for (const what of WHAT) {
      const slider = this.#slider(what);
      slider.addEventListener("input", () => {
        this.#tell(what, this.#area(what));
        clearTimeout(this.#waiting);
        this.#waiting = setTimeout(() => this.#change(), WAIT);
      });
    }
    store.watch(["project"], () => this.#show());
  }

  get #whole() {
    const { project } = this.store.state;
    return project ? project.media.width * project.media.height : 1;
  }

  /** @param {"specks" | "holes"} what */
  #slider(what) {
    return /** @type {HTMLInputElement} */ (byId(`clean-${what}`));
  }

  /** @param {"specks" | "holes"} what */
  #area(what) {
    const { value, max } = this.#slider(what);
    return areaAt(Number(value) / Number(max), this.#whole);
  }

  #change() {
    this.#waiting = 0;
    this.session.changeProject({ specks: this.#area("specks"), holes: this.#area("holes") });
  }

  #show() {
    const { project } = this.store.state;
    if (!project || this.#waiting) return;
    for (const what of WHAT) {
      const slider = this.#slider(what);
      slider.value = String(Math.round(placeOf(project[what], this.#whole) * Number(slider.max)));
      this.#tell(what, project[what]);
    }
  }

  /**
   * @param {"specks" | "holes"} what
   * @param {number} area
   */
  #tell(what, area) {
    const words = area ? `up to ${area} px` : "off";
    say(byId(`clean-${what}-area`), words);
    this.#slider(what).setAttribute("aria-valuetext", words);
  }
}

/**
 * @param {number} place 0 to 1
 * @param {number} whole pixels of the picture
 */
function areaAt(place, whole) {
  return place ? Math.max(1, Math.round(whole * SMALLEST * RANGE ** place)) : 0;
}

/**
 * @param {number} area
 * @param {number} whole pixels of the picture
 */
function placeOf(area, whole) {
  return area ? Math.min(1, Math.max(0.05, Math.log(area / (whole * SMALLEST)) / Math.log(RANGE))) : 0;
}
