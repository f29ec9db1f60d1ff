/** Frames that need review, worst first, and jumps between them. */

/** @import {PageStore, ReviewItem} from "./types.js" */
/** @import {Player} from "./player.js" */

import { byId, colorDot, h, setChildren, setText } from "./dom.js";
import { announce } from "./toast.js";

const MAX_ROWS = 60;
/** @type {Record<string, string>} */
const REASONS = { "low confidence": "low confidence", "area jumps": "size changes abruptly", flickers: "flickers" };

export class Review {
  /** @param {PageStore} store @param {Player} player */
  constructor(store, player) {
    this.store = store;
    this.player = player;
    this.list = byId("review-list");
    store.watch(["review", "project"], () => this.#render());
    store.watch(["frame"], () => this.#highlight());
  }

  /** Go to the next or previous frame that needs review. @param {1 | -1} direction */
  jump(direction) {
    const { frame, review } = this.store.state;
    const distance = (/** @type {ReviewItem} */ item) => direction * (item.frame - frame);
    const [next] = review.filter((item) => distance(item) > 0).sort((a, b) => distance(a) - distance(b));
    if (next) this.#show(next);
    else announce(`No frame ${direction > 0 ? "after" : "before"} this one needs review`);
  }

  /** @param {ReviewItem} item */
  #show({ frame, object_id, reason }) {
    this.player.pause();
    this.player.go(frame);
    this.store.set({ active: object_id, candidates: [] });
    announce(`Frame ${frame}: ${REASONS[reason] ?? reason}`);
  }

  #render() {
    const { review, project } = this.store.state;
    const objects = new Map(project?.objects.map((object) => [object.id, object]));
    byId("review").hidden = !review.length;
    setText(byId("num-review"), review.length ? String(review.length) : "");
    setChildren(this.list, review.slice(0, MAX_ROWS).map((item) => {
      const object = objects.get(item.object_id);
      return h("li", { "data-frame": item.frame },
        h("button", { type: "button", class: "row-button", onclick: () => this.#show(item) },
          colorDot(object?.color), h("span", { class: "grow" }, object?.name ?? ""),
          h("span", { class: "quiet-text" }, REASONS[item.reason] ?? item.reason), h("span", { class: "number" }, item.frame)));
    }));
    this.#highlight();
  }

  #highlight() {
    const current = String(this.store.state.frame);
    for (const row of this.list.children) row.classList.toggle("active", row.getAttribute("data-frame") === current);
  }
}
