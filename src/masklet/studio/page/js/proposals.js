/** Everything on this frame: masks to pick from, in the picture or from a list. */

/** @import {Job, State} from "./types.js" */
/** @import {Store} from "./store.js" */
/** @import {Session} from "./session.js" */
/** @import {Player} from "./player.js" */
/** @import {Viewer} from "./viewer.js" */
/** @import {Point} from "./viewport.js" */

import { byId, fill, h, say } from "./dom.js";
import { counted } from "./format.js";
import { areaOf, isInside } from "./rle.js";
import { announce, complain, toast } from "./toast.js";

export class Proposals {
  /** The search under way; "" while it is asked for. @type {string | null} */
  #job = null;
  #frame = -1;
  #adding = false;

  /**
   * @param {Store<State>} store
   * @param {Session} session
   * @param {Viewer} viewer
   * @param {Player} player
   */
  constructor(store, session, viewer, player) {
    this.store = store;
    this.session = session;
    this.player = player;
    this.list = byId("proposal-list");
    this.everything = byId("everything");
    this.everything.addEventListener("click", () => this.toggle());
    byId("add-proposals").addEventListener("click", () => this.adopt());
    byId("close-proposals").addEventListener("click", () => this.close());
    session.jobs.listen((job) => this.#arrived(job), () => this.#ended());
    store.watch(["proposals"], () => this.#rebuild());
    store.watch(["picked"], () => this.#mark());
    store.watch(["proposals", "picked"], () => viewer.request());
    store.watch(["frame", "playing"], () => store.state.frame !== this.#frame && this.close());
  }

  toggle() {
    if (this.store.state.proposals.length) this.close();
    else this.find();
  }

  async find() {
    const { frame, project } = this.store.state;
    if (!project || this.#job !== null) return;
    this.player.pause();
    this.store.set({ candidates: [], preview: null });
    this.#job = "";
    this.#frame = frame;
    this.everything.classList.add("working");
    try {
      const job = await this.session.api.proposals(project.id, frame);
      if (!this.session.isOpen(project.id)) return;
      this.#job = job.id;
      announce("Looking for everything on this frame");
      this.session.jobs.changed(job);
    } catch (error) {
      if (!this.session.isOpen(project.id)) return;
      this.#ended();
      complain(error);
    }
  }

  close() {
    this.store.set({ proposals: [], picked: new Set() });
  }

  /** @param {Point} at in the picture: picks the smallest mask there, or lets it go */
  pick({ x, y }) {
    const { proposals } = this.store.state;
    let best = -1;
    let smallest = Infinity;
    proposals.forEach(({ mask, box: [x0, y0, x1, y1] }, index) => {
      const size = (x1 - x0) * (y1 - y0);
      if (size >= smallest || !isInside(mask, x, y)) return;
      best = index;
      smallest = size;
    });
    if (best >= 0) this.#toggle(best);
  }

  async adopt() {
    const { proposals, picked } = this.store.state;
    const chosen = proposals.filter((_, index) => picked.has(index));
    if (!chosen.length || this.#adding) return;
    this.#adding = true;
    const added = await this.session.adopt(this.#frame, chosen);
    this.#adding = false;
    if (!added) return; // they stay to be tried again
    toast(`Added ${counted(added.length, "object")}.`);
    this.close();
  }

  #ended() {
    this.#job = null;
    this.everything.classList.remove("working");
  }

  /** @param {Job} job */
  #arrived(job) {
    if (job.id !== this.#job || job.state === "waiting" || job.state === "running") return;
    this.#ended();
    if (job.state === "failed") complain(new Error(job.error?.message ?? "Nothing could be proposed."));
    if (job.state !== "done" || this.store.state.frame !== this.#frame) return;
    const { proposals } = job.result;
    if (!proposals.length) toast("Nothing was found on this frame.");
    else announce(`Found ${counted(proposals.length, "region")}`);
    this.store.set({ proposals, picked: new Set() });
  }

  /** @param {number} index */
  #toggle(index) {
    const picked = new Set(this.store.state.picked);
    if (!picked.delete(index)) picked.add(index);
    this.store.set({ picked });
  }

  #rebuild() {
    const { proposals, about, project } = this.store.state;
    byId("proposals").hidden = !proposals.length;
    this.everything.setAttribute("aria-pressed", String(proposals.length > 0));
    const palette = about?.palette ?? [];
    const whole = (project?.media.width ?? 1) * (project?.media.height ?? 1);
    fill(this.list, proposals.map(({ mask }, index) => {
      const dot = h("span", { class: "dot" });
      dot.style.backgroundColor = palette[index % palette.length] ?? "";
      const share = (100 * areaOf(mask)) / whole;
      return h("li", {}, h("label", { class: "row-button" },
        h("input", { type: "checkbox", onchange: () => this.#toggle(index) }),
        dot, h("span", { class: "grow" }, `Region ${index + 1}`),
        h("span", { class: "number" }, `${share < 1 ? share.toFixed(1) : Math.round(share)} %`)));
    }));
    this.#mark();
  }

  #mark() {
    const { picked } = this.store.state;
    this.list.querySelectorAll("input").forEach((box, index) => (box.checked = picked.has(index)));
    const add = /** @type {HTMLButtonElement} */ (byId("add-proposals"));
    add.disabled = !picked.size;
    say(add, picked.size ? `Add ${counted(picked.size, "object")}` : "Pick in the picture");
  }
}
