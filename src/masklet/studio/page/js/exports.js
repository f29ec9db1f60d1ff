/** The export dialog: form, objects and range, then progress and the file. */

/** @import {ExportForm, Job, State} from "./types.js" */
/** @import {Store} from "./store.js" */
/** @import {Session} from "./session.js" */
/** @import {Look} from "./look.js" */

import { byId, fill, h, say } from "./dom.js";
import { counted, fileSize } from "./format.js";
import { icon } from "./icons.js";
import { complain } from "./toast.js";

/** @type {Record<string, string>} */
const KINDS = { video: "Video", pictures: "Pictures", mattes: "Mattes", annotation: "Annotations", measurements: "Measurements", map: "Maps" };

const VIDEOS = /\.(mp4|mov|mkv|webm)$/;

export class Exports {
  /** The export under way; "" while it is asked for. @type {string | null} */
  #job = null;

  /**
   * @param {Store<State>} store
   * @param {Session} session
   * @param {Look} look
   */
  constructor(store, session, look) {
    this.store = store;
    this.session = session;
    this.look = look;
    this.dialog = /** @type {HTMLDialogElement} */ (byId("export-dialog"));
    byId("export").addEventListener("click", () => this.show());
    byId("start-export").addEventListener("click", () => this.#start());
    byId("cancel-export").addEventListener("click", () => this.#cancel());
    session.jobs.listen((job) => job.kind === "export" && this.#heard(job), () => {
      this.#ended();
      this.dialog.close();
    });
    byId("export-objects").addEventListener("change", () => this.#offerStart());
    store.watch(["about"], () => this.#forms());
  }

  show() {
    const { project } = this.store.state;
    if (!project) return;
    const { media, objects } = project;
    fill(byId("export-objects"), objects.map((object) => {
      const dot = h("span", { class: "dot" });
      dot.style.backgroundColor = object.color;
      return h("label", { class: "check" },
        h("input", { type: "checkbox", value: object.id, checked: !object.hidden }), dot, object.name);
    }));
    byId("export-objects-row").hidden = !objects.length;
    byId("export-range-row").hidden = media.num_frames < 2;
    const marked = project.in > 0 || project.out < media.num_frames;
    const range = /** @type {HTMLInputElement} */ (byId("export-marked"));
    range.disabled = !marked;
    range.checked = marked;
    /** @type {HTMLInputElement} */ (byId("export-all")).checked = !marked;
    say(byId("export-marked-text"), marked ? `Between the markers (${project.in} to ${project.out - 1})` : "Between the markers");
    say(byId("export-all-text"), `All ${counted(media.num_frames, "frame")}`);
    this.#offer(media.kind);
    this.#options();
    this.#offerStart();
    const running = this.store.state.jobs.find(({ kind }) => kind === "export"); // begun before the page was reloaded
    if (running && this.#job === null) this.#job = running.id;
    if (running) this.#heard(running);
    this.dialog.showModal();
    this.session.api.jobs(project.id).then((jobs) => this.#files(jobs)).catch(complain);
  }

  /** @returns {ExportForm | undefined} */
  get form() {
    const chosen = this.dialog.querySelector("input[name=export-form]:checked");
    return this.store.state.about?.export_forms.find(({ form }) => chosen instanceof HTMLInputElement && form === chosen.value);
  }

  #forms() {
    const forms = this.store.state.about?.export_forms ?? [];
    const kinds = [...new Set(forms.map(({ kind }) => kind))];
    fill(byId("export-form-list"), kinds.map((kind) =>
      h("div", { class: "form-group", role: "group", "data-kind": kind, "aria-label": KINDS[kind] ?? kind }, h("h3", {}, KINDS[kind] ?? kind),
        forms.filter((form) => form.kind === kind).map((form) =>
          h("label", { class: "row-button" },
            h("input", { type: "radio", name: "export-form", value: form.form, checked: form === forms[0], onchange: () => this.#options() }),
            h("span", { class: "grow wrap" }, form.label, form.note && h("small", { class: "quiet-text" }, form.note)),
            h("span", { class: "quiet-text" }, form.ending))))));
  }

  /** @param {"video" | "image" | "folder"} kind of the media: a still makes no video, a video lies on no map */
  #offer(kind) {
    const list = byId("export-form-list");
    for (const group of list.querySelectorAll(".form-group")) {
      const rows = [...group.querySelectorAll(".row-button")];
      for (const row of rows) {
        const video = kind === "image" && VIDEOS.test(row.textContent ?? "");
        /** @type {HTMLElement} */ (row).hidden = video || (kind === "video" && group.getAttribute("data-kind") === "map");
      }
      /** @type {HTMLElement} */ (group).hidden = rows.every((row) => /** @type {HTMLElement} */ (row).hidden);
    }
    const chosen = list.querySelector("input:checked");
    if (chosen?.closest("[hidden]")) {
      const first = list.querySelector(".form-group:not([hidden]) .row-button:not([hidden]) input");
      if (first instanceof HTMLInputElement) first.checked = true;
    }
  }

  #options() {
    byId("export-look").hidden = !this.form?.effects || this.look.plain;
  }

  /** @returns {number[]} the objects that are ticked */
  get #objects() {
    const boxes = [...byId("export-objects").querySelectorAll("input")];
    return boxes.filter((box) => box.checked).map((box) => Number(box.value));
  }

  /** There is nothing to start while one is under way, or without an object. */
  #offerStart() {
    const none = !this.#objects.length;
    const { objects } = this.store.state.project ?? { objects: [] };
    byId("export-empty").hidden = !none;
    say(byId("export-empty"), objects.length ? "Tick at least one object." : "There is no object yet: click something in the picture first.");
    /** @type {HTMLButtonElement} */ (byId("start-export")).disabled = none || this.#job !== null;
  }

  async #start() {
    const { project, effects } = this.store.state;
    const { form } = this;
    if (!project || !form) return;
    const objects = this.#objects;
    const all = /** @type {HTMLInputElement} */ (byId("export-all")).checked;
    const [start, end] = all ? [0, project.media.num_frames] : [project.in, project.out];
    const styled = form.effects ? { effects } : {};
    this.#job = "";
    this.#offerStart();
    try {
      const job = await this.session.api.export(project.id, { form: form.form, objects, start, end, ...styled });
      if (!this.session.isOpen(project.id)) return;
      this.#job = job.id;
      this.session.jobs.changed(job);
    } catch (error) {
      if (this.session.isOpen(project.id)) this.#ended();
      complain(error);
    }
  }

  #ended() {
    this.#job = null;
    byId("export-progress").hidden = true;
    this.#offerStart();
  }

  #cancel() {
    const job = this.store.state.jobs.find(({ id }) => id === this.#job);
    if (job) this.session.cancel(job);
  }

  /** @param {Job} job */
  #heard(job) {
    if (job.id !== this.#job) return;
    const open = job.state === "waiting" || job.state === "running";
    byId("export-progress").hidden = false;
    this.#offerStart();
    const bar = /** @type {HTMLProgressElement} */ (byId("export-bar"));
    if (job.total) bar.max = job.total;
    if (job.total) bar.value = job.done;
    say(byId("export-text"), job.state === "waiting" ? "Waiting for its turn" : `Writing ${job.done} of ${job.total}`);
    if (open) return;
    this.#ended();
    if (job.state === "failed") complain(new Error(job.error?.message ?? "The export failed."));
    this.session.api.jobs(job.project_id).then((jobs) => this.#files(jobs, job.state === "done" ? job.id : "")).catch(complain);
  }

  /**
   * @param {Job[]} jobs
   * @param {string} [fresh] the export that has just finished
   */
  #files(jobs, fresh = "") {
    const ready = jobs.filter(({ kind, state }) => kind === "export" && state === "done").reverse();
    byId("export-files").hidden = !ready.length;
    fill(byId("export-file-list"), ready.map(({ id, result }) =>
      h("li", {}, h("a", { href: result.url, download: result.name, class: id === fresh ? "row-button fresh" : "row-button" },
        icon("download"), h("span", { class: "grow" }, result.name), h("span", { class: "quiet-text" }, fileSize(result.bytes))))));
    const link = byId("export-file-list").querySelector("a.fresh");
    if (link instanceof HTMLElement) link.focus();
  }
}
