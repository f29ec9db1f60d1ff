/** Alternative masks for an ambiguous click, as thumbnails to choose from. */

/** @import {Box, Candidate, PageStore} from "./types.js" */
/** @import {Session} from "./session.js" */
/** @import {Viewer} from "./viewer.js" */

import { byId, h, onClick, setChildren } from "./dom.js";
import { colored, labelMap, rgbOf, toCanvas } from "./labels.js";

const [WIDTH, HEIGHT] = [168, 105]; // of a thumbnail

export class Candidates {
  /** The candidates on the page. @type {Candidate[]} */
  #rendered = [];

  /** @param {PageStore} store @param {Session} session @param {Viewer} viewer */
  constructor(store, session, viewer) {
    this.store = store;
    this.session = session;
    this.viewer = viewer;
    this.list = byId("candidate-list");
    onClick("keep-candidate", () => this.close());
    store.watch(["candidates"], () => this.#render());
    store.watch(["frame", "active", "playing"], () => {
      const { candidatesOf, frame, active, playing } = store.state;
      if (playing || candidatesOf?.frame !== frame || candidatesOf.object !== active) this.close();
    });
    store.watch(["candidate"], () => viewer.request());
  }

  /** Keep the current mask. */
  close() {
    if (this.store.state.candidates.length) this.store.set({ candidates: [], candidate: -1 });
  }

  /** Use a candidate as the mask; the others stay available. @param {number} index */
  async choose(index) {
    const { candidates, candidatesOf, prompts } = this.store.state;
    const chosen = candidates[index];
    if (!chosen || !candidatesOf) return;
    const { frame, object } = candidatesOf;
    const clicks = prompts[object]?.clicks ?? [];
    const prompt = { mask: chosen.mask, clicks, replace: true, candidate: true };
    const answer = await this.session.prompt({ frame, object: { id: object } }, prompt);
    if (!answer || this.store.state.candidates !== candidates) return;
    this.store.set({ candidate: -1 });
    this.#highlight(index);
  }

  #render() {
    const { candidates } = this.store.state;
    byId("candidates").hidden = !candidates.length;
    if (!candidates.length || candidates === this.#rendered) return;
    this.#rendered = candidates;
    setChildren(this.list, candidates.map((candidate, index) => this.#card(candidate, index)));
    this.#highlight(0);
  }

  /** @param {number} index */
  #highlight(index) {
    [...this.list.children].forEach((card, at) => card.setAttribute("aria-pressed", String(at === index)));
  }

  /** @param {Candidate} candidate @param {number} index */
  #card(candidate, index) {
    const show = (/** @type {number} */ at) => () => this.store.set({ candidate: at });
    const score = `${Math.round(candidate.iou * 100)} %`;
    const label = `Candidate ${index + 1}, predicted IoU ${score}`;
    return h(
      "button",
      { type: "button", class: "candidate", "aria-label": label, title: label, onclick: () => this.choose(index),
        onpointerenter: show(index), onpointerleave: show(-1), onfocus: show(index), onblur: show(-1) },
      this.#thumbnail(candidate),
      h("span", { class: "quiet-text" }, score),
    );
  }

  /** The image around all candidates, with one of them. @param {Candidate} candidate */
  #thumbnail({ mask }) {
    const { frame, project } = this.store.state;
    const canvas = h("canvas", { width: WIDTH, height: HEIGHT });
    const context = canvas.getContext("2d");
    const image = this.viewer.frames.at(frame);
    if (!context || !image || !project) return canvas;
    const { width, height } = project.media;
    const [x0, y0, x1, y1] = regionAround(this.store.state.candidates.map(({ box }) => box));
    const coverScale = Math.max(canvas.width / width, canvas.height / height);
    const scale = Math.max(coverScale, Math.min(1, canvas.width / (x1 - x0), canvas.height / (y1 - y0)));
    const step = Math.max(1, Math.floor(1 / scale));
    const layer = { color: rgbOf(this.viewer.activeColor), fill: 130, edge: 255 };
    const overlay = toCanvas(colored(labelMap([mask], step), [layer], Math.max(1, Math.round(1.5 / (scale * step)))));
    const left = clamp(canvas.width / 2 - ((x0 + x1) / 2) * scale, canvas.width - width * scale, 0);
    const top = clamp(canvas.height / 2 - ((y0 + y1) / 2) * scale, canvas.height - height * scale, 0);
    for (const source of [image, overlay]) context.drawImage(source, left, top, width * scale, height * scale);
    return canvas;
  }
}

/** @type {(value: number, minimum: number, maximum: number) => number} */
const clamp = (value, minimum, maximum) => Math.min(maximum, Math.max(minimum, value));

/** The box that contains all boxes, with a margin. @param {Box[]} boxes @returns {Box} */
function regionAround(boxes) {
  const [x0, y0] = [Math.min(...boxes.map((box) => box[0])), Math.min(...boxes.map((box) => box[1]))];
  const [x1, y1] = [Math.max(...boxes.map((box) => box[2])), Math.max(...boxes.map((box) => box[3]))];
  const margin = 8 + Math.max(x1 - x0, y1 - y0) * 0.12;
  return [x0 - margin, y0 - margin, x1 + margin, y1 + margin];
}
