/** Automatic masks of the current frame, to be selected in the image or in a list and added as objects. */

/** @import {Job, PageStore, Point} from "./types.js" */
/** @import {Session} from "./session.js" */
/** @import {Player} from "./player.js" */
/** @import {Viewer} from "./viewer.js" */

import { buttonById, byId, colorDot, h, onClick, setChildren, setText } from "./dom.js";
import { counted } from "./format.js";
import { isActive, JobSlot } from "./jobs.js";
import { areaOf, isInside } from "./rle.js";
import { announce, showError, toast } from "./toast.js";

export class Proposals {
  #frame = -1;
  #adding = false;

  /** @param {PageStore} store @param {Session} session @param {Viewer} viewer @param {Player} player */
  constructor(store, session, viewer, player) {
    this.store = store;
    this.session = session;
    this.player = player;
    this.list = byId("proposal-list");
    this.toggleButton = byId("automatic-masks");
    this.job = new JobSlot(session, {
      onUpdate: (job) => this.#onUpdate(job),
      onFree: () => this.toggleButton.classList.remove("working"),
    });
    onClick("automatic-masks", () => this.toggle());
    onClick("add-proposals", () => this.add());
    onClick("close-proposals", () => this.close());
    store.watch(["proposals"], () => this.#render());
    store.watch(["picked"], () => this.#showPicked());
    store.watch(["proposals", "picked"], () => viewer.request());
    store.watch(["frame", "playing"], () => store.state.frame !== this.#frame && this.close());
  }

  toggle() {
    if (this.store.state.proposals.length) this.close();
    else this.#find();
  }

  close() {
    this.store.set({ proposals: [], picked: new Set() });
  }

  /** Select or deselect the smallest mask at a point. @param {Point} at in the image */
  pick({ x, y }) {
    const area = (/** @type {number} */ index) => {
      const [x0, y0, x1, y1] = proposals[index]?.box ?? [0, 0, 0, 0];
      return (x1 - x0) * (y1 - y0);
    };
    const { proposals } = this.store.state;
    const hits = proposals.flatMap(({ mask }, index) => (isInside(mask, x, y) ? [index] : []));
    const [smallest] = hits.sort((a, b) => area(a) - area(b));
    if (smallest !== undefined) this.#toggleAt(smallest);
  }

  /** Add the selected masks as objects. */
  async add() {
    const { proposals, picked } = this.store.state;
    const chosen = proposals.filter((_, index) => picked.has(index));
    if (!chosen.length || this.#adding) return;
    this.#adding = true;
    const added = await this.session.addObjects(this.#frame, chosen);
    this.#adding = false;
    if (!added) return;
    toast(`Added ${counted(added.length, "object")}.`);
    this.close();
  }

  async #find() {
    const { frame, project } = this.store.state;
    if (!project || this.job.busy) return;
    this.player.pause();
    this.store.set({ candidates: [], preview: null });
    this.#frame = frame;
    this.toggleButton.classList.add("working");
    announce("Generating masks of everything on this frame");
    await this.job.start(() => this.session.api.proposals(project.id, frame));
  }

  /** @param {Job} job */
  #onUpdate(job) {
    if (isActive(job)) return;
    if (job.state === "failed") showError(new Error(job.error?.message ?? "Automatic mask generation failed."));
    if (job.state !== "done" || this.store.state.frame !== this.#frame) return;
    const { proposals } = job.result;
    if (proposals.length) announce(`Found ${counted(proposals.length, "mask")}`);
    else toast("No masks were found on this frame.");
    this.store.set({ proposals, picked: new Set() });
  }

  /** @param {number} index */
  #toggleAt(index) {
    const picked = new Set(this.store.state.picked);
    if (!picked.delete(index)) picked.add(index);
    this.store.set({ picked });
  }

  #render() {
    const { proposals, about, project } = this.store.state;
    byId("proposals").hidden = !proposals.length;
    this.toggleButton.setAttribute("aria-pressed", String(proposals.length > 0));
    const palette = about?.palette ?? [];
    const imageArea = (project?.media.width ?? 1) * (project?.media.height ?? 1);
    setChildren(this.list, proposals.map(({ mask }, index) => {
      const percentage = (100 * areaOf(mask)) / imageArea;
      return h("li", {}, h("label", { class: "row-button" },
        h("input", { type: "checkbox", onchange: () => this.#toggleAt(index) }),
        colorDot(palette[index % palette.length]), h("span", { class: "grow" }, `Mask ${index + 1}`),
        h("span", { class: "number" }, `${percentage < 1 ? percentage.toFixed(1) : Math.round(percentage)} %`)));
    }));
    this.#showPicked();
  }

  #showPicked() {
    const { picked } = this.store.state;
    this.list.querySelectorAll("input").forEach((box, index) => (box.checked = picked.has(index)));
    const add = buttonById("add-proposals");
    add.disabled = !picked.size;
    setText(add, picked.size ? `Add ${counted(picked.size, "object")}` : "Select masks in the image");
  }
}
