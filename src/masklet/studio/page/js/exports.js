/** The export dialog: format, objects and range, then progress and the finished files. */

/** @import {Appearance} from "./appearance.js" */
/** @import {ExportFormat, Job, PageStore} from "./types.js" */
/** @import {Session} from "./session.js" */

import { buttonById, byId, colorDot, dialogById, h, inputById, onClick, setChildren, setText } from "./dom.js";
import { counted, fileSize } from "./format.js";
import { icon } from "./icons.js";
import { isActive, JobSlot, showProgress } from "./jobs.js";
import { showError } from "./toast.js";

/** @type {Record<string, string>} */
const KINDS = {
  video: "Video", images: "Images", mattes: "Mattes", annotation: "Annotations",
  measurements: "Measurements", map: "Maps",
};

const VIDEO_SUFFIXES = /\.(mp4|mov|mkv|webm)$/;

export class Exports {
  /** @param {PageStore} store @param {Session} session @param {Appearance} appearance */
  constructor(store, session, appearance) {
    this.store = store;
    this.session = session;
    this.appearance = appearance;
    this.dialog = dialogById("export-dialog");
    this.job = new JobSlot(session, { onUpdate: (job) => this.#showJob(job), onFree: () => this.#showFree() });
    session.jobs.onClose(() => this.dialog.close());
    onClick("export", () => this.show());
    onClick("start-export", () => this.#start());
    onClick("cancel-export", () => this.#cancel());
    byId("export-objects").addEventListener("change", () => this.#updateStart());
    byId("export-format-list").addEventListener("change", () => this.#showOptions());
    store.watch(["about"], () => this.#renderFormats());
  }

  show() {
    const { project, jobs } = this.store.state;
    if (!project) return;
    const { media, objects } = project;
    setChildren(byId("export-objects"), objects.map(({ id, name, color, hidden }) =>
      h("label", { class: "check" }, h("input", { type: "checkbox", value: id, checked: !hidden }), colorDot(color), name)));
    byId("export-objects-row").hidden = !objects.length;
    byId("export-range-row").hidden = media.num_frames < 2;
    const isMarked = project.in > 0 || project.out < media.num_frames;
    inputById("export-marked").disabled = !isMarked;
    inputById(isMarked ? "export-marked" : "export-all").checked = true;
    setText(byId("export-marked-text"), isMarked ? `Range (${project.in} to ${project.out - 1})` : "Range");
    setText(byId("export-all-text"), `All ${counted(media.num_frames, "frame")}`);
    this.#offerFormats(media.kind);
    this.#showOptions();
    this.#updateStart();
    const running = jobs.find(({ kind }) => kind === "export"); // may have been started before the page was reloaded
    if (running) {
      this.job.adopt(running);
      this.#showJob(running);
    }
    this.dialog.showModal();
    this.#loadFiles(project.id);
  }

  /** @returns {ExportFormat | undefined} */
  get format() {
    const chosen = this.dialog.querySelector("input[name=export-format]:checked");
    const value = chosen instanceof HTMLInputElement ? chosen.value : "";
    return this.store.state.about?.export_formats.find(({ format }) => format === value);
  }

  #renderFormats() {
    const formats = this.store.state.about?.export_formats ?? [];
    const row = (/** @type {ExportFormat} */ format) =>
      h("label", { class: "row-button" },
        h("input", { type: "radio", name: "export-format", value: format.format, checked: format === formats[0] }),
        h("span", { class: "grow wrap" }, format.label, format.note && h("small", { class: "quiet-text" }, format.note)),
        h("span", { class: "quiet-text" }, format.suffix));
    const kinds = [...new Set(formats.map(({ kind }) => kind))];
    setChildren(byId("export-format-list"), kinds.map((kind) =>
      h("div", { class: "format-group", role: "group", "data-kind": kind, "aria-label": KINDS[kind] ?? kind },
        h("h3", {}, KINDS[kind] ?? kind), formats.filter((format) => format.kind === kind).map(row))));
  }

  /**
   * Hide the formats that do not suit the media: videos of a still image, and maps of a video.
   *
   * @param {"video" | "image" | "folder"} kind of the media
   */
  #offerFormats(kind) {
    const list = byId("export-format-list");
    for (const group of /** @type {NodeListOf<HTMLElement>} */ (list.querySelectorAll(".format-group"))) {
      const rows = [.../** @type {NodeListOf<HTMLElement>} */ (group.querySelectorAll(".row-button"))];
      for (const row of rows) {
        const isVideo = VIDEO_SUFFIXES.test(row.textContent ?? "");
        row.hidden = (kind === "image" && isVideo) || (kind === "video" && group.dataset.kind === "map");
      }
      group.hidden = rows.every((row) => row.hidden);
    }
    if (!list.querySelector("input:checked")?.closest("[hidden]")) return;
    const first = list.querySelector(".format-group:not([hidden]) .row-button:not([hidden]) input");
    if (first instanceof HTMLInputElement) first.checked = true;
  }

  #showOptions() {
    byId("export-appearance").hidden = !this.format?.effects || this.appearance.isDefault;
  }

  /** Ids of the selected objects. @returns {number[]} */
  get #objects() {
    const boxes = [...byId("export-objects").querySelectorAll("input")];
    return boxes.filter((box) => box.checked).map((box) => Number(box.value));
  }

  /** Disable the start button without objects and while an export is running. */
  #updateStart() {
    const isEmpty = !this.#objects.length;
    byId("export-empty").hidden = !isEmpty;
    const hasObjects = Boolean(this.store.state.project?.objects.length);
    const reason = hasObjects ? "Select at least one object." : "There are no objects yet. Click an object in the image first.";
    setText(byId("export-empty"), reason);
    buttonById("start-export").disabled = isEmpty || this.job.busy;
  }

  #start() {
    const { project, effects } = this.store.state;
    const { format } = this;
    if (!project || !format) return;
    const [start, end] = inputById("export-all").checked ? [0, project.media.num_frames] : [project.in, project.out];
    const request = { format: format.format, objects: this.#objects, start, end, ...(format.effects ? { effects } : {}) };
    this.job.start(() => this.session.api.export(project.id, request));
    this.#updateStart();
  }

  #cancel() {
    const job = this.store.state.jobs.find(({ id }) => id === this.job.id);
    if (job) this.session.cancel(job);
  }

  #showFree() {
    byId("export-progress").hidden = true;
    this.#updateStart();
  }

  /** @param {Job} job */
  #showJob(job) {
    if (!isActive(job)) {
      if (job.state === "failed") showError(new Error(job.error?.message ?? "The export failed."));
      this.#loadFiles(job.project_id, job.state === "done" ? job.id : "");
      return;
    }
    byId("export-progress").hidden = false;
    this.#updateStart();
    showProgress("export", job, "Writing");
  }

  /**
   * List the finished exports.
   *
   * @param {string} project @param {string} [newest] id of the export that has just finished
   */
  async #loadFiles(project, newest = "") {
    const jobs = await this.session.api.jobs(project).catch(showError);
    const finished = (jobs ?? []).filter(({ kind, state }) => kind === "export" && state === "done").reverse();
    byId("export-files").hidden = !finished.length;
    setChildren(byId("export-file-list"), finished.map(({ id, result }) =>
      h("li", {}, h("a", { href: result.url, download: result.name, class: `row-button ${id === newest ? "newest" : ""}` },
        icon("download"), h("span", { class: "grow" }, result.name),
        h("span", { class: "quiet-text" }, fileSize(result.bytes))))));
    const link = byId("export-file-list").querySelector("a.newest");
    if (link instanceof HTMLElement) link.focus();
  }
}
