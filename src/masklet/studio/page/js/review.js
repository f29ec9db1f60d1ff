/** Frames that deserve a look, worst first, and jumps between them. */

/** @import {Doubt, State} from "./types.js" */
/** @import {Store} from "./store.js" */
/** @import {Player} from "./player.js" */

import { byId, fill, h } from "./dom.js";
import { announce } from "./toast.js";

const SHOWN = 60;
/** @type {Record<string, string>} */
const REASONS = { "low score": "mask unsure", "presence unsure": "may be gone", "size jumps": "size jumps" };

export class Review {
  /**
   * @param {Store<State>} store
   * @param {Player} player
   */
  constructor(store, player) {
    this.store = store;
    this.player = player;
    this.list = byId("review-list");
    store.watch(["review", "project"], () => this.#rebuild());
    store.watch(["frame"], () => this.#mark());
  }

  /**
   * The next doubtful frame in time.
   *
   * @param {1 | -1} way
   */
  jump(way) {
    const { frame, review } = this.store.state;
    const frames = [...new Set(review.map((doubt) => doubt.frame))].sort((a, b) => way * (a - b));
    const next = frames.find((at) => way * (at - frame) > 0);
    if (next === undefined) announce(way > 0 ? "No doubtful frame after this one" : "No doubtful frame before this one");
    else this.#show(/** @type {Doubt} */ (review.find((doubt) => doubt.frame === next)));
  }

  /** @param {Doubt} doubt */
  #show(doubt) {
    this.player.pause();
    this.player.go(doubt.frame);
    this.store.set({ active: doubt.object_id, candidates: [] });
    announce(`Frame ${doubt.frame}: ${REASONS[doubt.reason] ?? doubt.reason}`);
  }

  #rebuild() {
    const { review, project } = this.store.state;
    const objects = new Map(project?.objects.map((object) => [object.id, object]));
    byId("review").hidden = !review.length;
    byId("num-review").textContent = review.length ? String(review.length) : "";
    const rows = review.slice(0, SHOWN).map((doubt) => {
      const object = objects.get(doubt.object_id);
      const dot = h("span", { class: "dot" });
      dot.style.backgroundColor = object?.color ?? "";
      const reason = REASONS[doubt.reason] ?? doubt.reason;
      return h("li", { "data-frame": doubt.frame },
        h("button", { type: "button", class: "row-button", onclick: () => this.#show(doubt) },
          dot, h("span", { class: "grow" }, object?.name ?? ""), h("span", { class: "quiet-text" }, reason),
          h("span", { class: "number" }, doubt.frame)),
      );
    });
    fill(this.list, rows);
    this.#mark();
  }

  #mark() {
    const here = String(this.store.state.frame);
    for (const row of this.list.children) row.classList.toggle("active", row.getAttribute("data-frame") === here);
  }
}
