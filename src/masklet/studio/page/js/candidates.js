/** When a click can mean several things: its readings as small pictures to choose from. */

/** @import {Box, Candidate, State} from "./types.js" */
/** @import {Store} from "./store.js" */
/** @import {Session} from "./session.js" */
/** @import {Viewer} from "./viewer.js" */

import { byId, fill, h } from "./dom.js";
import { colored, labelMap, rgbOf, toCanvas } from "./labels.js";

const SIDE = 84;

export class Candidates {
  /** Those with a card. @type {Candidate[]} */
  #shown = [];

  /**
   * @param {Store<State>} store
   * @param {Session} session
   * @param {Viewer} viewer
   */
  constructor(store, session, viewer) {
    this.store = store;
    this.session = session;
    this.viewer = viewer;
    this.bar = byId("candidates");
    this.list = byId("candidate-list");
    byId("keep-candidate").addEventListener("click", () => store.set({ candidates: [], candidate: -1 }));
    store.watch(["candidates"], () => this.#rebuild());
    store.watch(["frame", "active", "playing"], () => {
      const { candidates, clicked, frame, active, playing } = store.state;
      const away = playing || clicked?.frame !== frame || clicked.object !== active;
      if (away && candidates.length) store.set({ candidates: [], candidate: -1 });
    });
    store.watch(["candidate"], () => viewer.request());
  }

  get open() {
    return this.store.state.candidates.length > 0;
  }

  /** @param {number} index */
  async take(index) {
    const { candidates, clicked, prompts } = this.store.state;
    const chosen = candidates[index];
    if (!chosen || !clicked) return;
    const target = { frame: clicked.frame, object: { id: clicked.object } };
    const clicks = prompts[clicked.object]?.clicks ?? [];
    const answer = await this.session.prompt(target, { mask: chosen.mask, clicks, replace: true, candidate: true });
    if (!answer || this.store.state.candidates !== candidates) return;
    this.store.set({ candidate: -1 });
    this.#mark(index); // another one may still be taken
  }

  #rebuild() {
    const { candidates } = this.store.state;
    this.bar.hidden = !candidates.length;
    if (!candidates.length || candidates === this.#shown) return;
    this.#shown = candidates;
    fill(this.list, candidates.map((candidate, index) => this.#card(candidate, index)));
    this.#mark(0);
  }

  /** @param {number} index */
  #mark(index) {
    [...this.list.children].forEach((card, at) => card.setAttribute("aria-pressed", String(at === index)));
  }

  /**
   * @param {Candidate} candidate
   * @param {number} index
   */
  #card(candidate, index) {
    const show = (/** @type {number} */ at) => () => this.store.set({ candidate: at });
    const label = `Reading ${index + 1}, score ${Math.round(candidate.iou * 100)} of 100`;
    return h(
      "button",
      { type: "button", class: "candidate", "aria-label": label, title: label, onclick: () => this.take(index),
        onpointerenter: show(index), onpointerleave: show(-1), onfocus: show(index), onblur: show(-1) },
      this.#thumbnail(candidate),
      h("span", { class: "quiet-text" }, `${Math.round(candidate.iou * 100)} %`),
    );
  }

  /** @param {Candidate} candidate */
  #thumbnail({ mask }) {
    const { frame, project } = this.store.state;
    const canvas = h("canvas", { width: SIDE * 2, height: SIDE * 1.25 });
    const drawing = canvas.getContext("2d");
    const picture = this.viewer.frames.at(frame);
    if (!drawing || !picture || !project) return canvas;
    const { width, height } = project.media;
    const [x0, y0, x1, y1] = around(this.store.state.candidates.map(({ box }) => box));
    const whole = Math.max(canvas.width / width, canvas.height / height); // fills the drawing
    const scale = Math.max(whole, Math.min(1, canvas.width / (x1 - x0), canvas.height / (y1 - y0)));
    const step = Math.max(1, Math.floor(1 / scale));
    const layer = { color: rgbOf(this.viewer.activeColor), fill: 130, edge: 255 };
    const areas = toCanvas(colored(labelMap([mask], step), [layer], Math.max(1, Math.round(1.5 / (scale * step)))));
    const left = clamp(canvas.width / 2 - ((x0 + x1) / 2) * scale, canvas.width - width * scale, 0);
    const top = clamp(canvas.height / 2 - ((y0 + y1) / 2) * scale, canvas.height - height * scale, 0);
    for (const source of [picture, areas]) drawing.drawImage(source, left, top, width * scale, height * scale);
    return canvas;
  }
}

/**
 * @param {number} value
 * @param {number} least
 * @param {number} most
 */
function clamp(value, least, most) {
  return Math.min(most, Math.max(least, value));
}

/**
 * All boxes, with room around them.
 *
 * @param {Box[]} boxes
 * @returns {Box}
 */
function around(boxes) {
  const [lefts, tops, rights, bottoms] = [0, 1, 2, 3].map((side) => boxes.map((box) => box[side] ?? 0));
  const [x0, y0] = [Math.min(...(lefts ?? [])), Math.min(...(tops ?? []))];
  const [x1, y1] = [Math.max(...(rights ?? [])), Math.max(...(bottoms ?? []))];
  const room = 8 + Math.max(x1 - x0, y1 - y0) * 0.12;
  return [x0 - room, y0 - room, x1 + room, y1 + room];
}
