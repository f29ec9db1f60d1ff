/** The start page: upload media, or open a local file or an existing project. */

/** @import {Api} from "./api.js" */
/** @import {Selection} from "./media.js" */
/** @import {ProjectEntry} from "./types.js" */

import { button, byId, h, inputById, onClick, setChildren, setProgress, setText } from "./dom.js";
import { counted } from "./format.js";
import { icon } from "./icons.js";
import { chosenFolder, droppedFiles, projectFor, uploadFiles } from "./media.js";
import { showError, toast } from "./toast.js";

export class Start {
  /** @type {AbortController | null} */
  #upload = null;

  /** @param {Api} api @param {(project: string) => void} open */
  constructor(api, open) {
    this.api = api;
    this.open = open;
    const files = inputById("file-input");
    const folder = inputById("folder-input");
    onClick("choose-file", () => files.click());
    onClick("choose-folder", () => folder.click());
    files.addEventListener("change", () => {
      this.#add({ files: [...(files.files ?? [])], folder: null, numNested: 0 }, files);
    });
    folder.addEventListener("change", () => this.#add(chosenFolder(folder.files), folder));
    onClick("cancel-upload", () => this.#upload?.abort());
    this.#acceptDrops();
  }

  /** Load and show the projects and local files. */
  async load() {
    const [projects, local] = await Promise.all([this.api.projects(), this.api.localFiles()]);
    byId("projects").hidden = !projects.length;
    byId("local").hidden = !local.length;
    setChildren(byId("project-list"), projects.map((entry) => this.#card(entry)));
    setChildren(byId("local-list"), local.map(({ path, name, kind }) =>
      h("li", {}, h("button", { type: "button", class: "row-button", onclick: () => this.openLocal(path) },
        icon(kind === "folder" ? "image" : "film"), h("span", { class: "grow" }, name)))));
    return { projects, local };
  }

  /** @param {string} path */
  async openLocal(path) {
    try {
      this.open(await projectFor(this.api, await this.api.openLocal(path)));
    } catch (error) {
      showError(error);
    }
  }

  /** @param {ProjectEntry} entry */
  #card({ id, name, media, num_objects }) {
    const image = h("img", { src: this.api.frameUrl(media, 0, 320), alt: "", loading: "lazy", decoding: "async" });
    const length = media.num_frames > 1 ? counted(media.num_frames, "frame") : `${media.width} × ${media.height}`;
    return h("li", { class: "project-card" },
      h("a", { href: `#/p/${id}` }, image, h("span", { class: "card-name" }, name),
        h("span", { class: "quiet-text" }, `${length} · ${counted(num_objects, "object")}`)),
      button({ icon: "trash", label: `Delete project ${name}`, class: "small quiet", onclick: () => this.#delete(id, name) }),
    );
  }

  /** @param {string} id @param {string} name */
  async #delete(id, name) {
    if (!confirm(`Delete project "${name}" and all its masks? The video or images are kept.`)) return;
    try {
      await this.api.deleteProject(id);
      await this.load();
    } catch (error) {
      showError(error);
    }
  }

  /**
   * Upload files and open a new project on them.
   *
   * @param {Selection} selection
   * @param {HTMLInputElement} [input] is emptied, so that the same file can be chosen again
   */
  async #add(selection, input) {
    if ((!selection.files.length && !selection.numNested) || this.#upload) return;
    this.#upload = new AbortController();
    byId("upload").hidden = false;
    try {
      const media = await uploadFiles(this.api, selection, (text, fraction) => {
        setProgress("upload-bar", { done: fraction, total: 1 });
        setText(byId("upload-text"), fraction < 1 ? `${text} · ${Math.round(fraction * 100)} %` : "Processing");
      }, this.#upload.signal);
      this.open((await this.api.createProject(media.id)).id);
      if (selection.numNested) toast(`Skipped ${counted(selection.numNested, "image")} in subfolders.`);
    } catch (error) {
      showError(error);
    } finally {
      this.#upload = null;
      byId("upload").hidden = true;
      if (input) input.value = "";
    }
  }

  #acceptDrops() {
    let depth = 0;
    const shade = byId("drop-shade");
    const addDepth = (/** @type {number} */ step) => (/** @type {DragEvent} */ event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      depth += step;
      shade.hidden = depth <= 0;
    };
    addEventListener("dragenter", addDepth(1));
    addEventListener("dragleave", addDepth(-1));
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", async (event) => {
      event.preventDefault();
      depth = 0;
      shade.hidden = true;
      const nothing = { files: [], folder: null, numNested: 0 };
      if (event.dataTransfer) this.#add(await droppedFiles(event.dataTransfer).catch(() => nothing));
    });
  }
}
