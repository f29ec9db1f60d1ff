/** The first page: bring something to mask, or go on with a project. */

/** @import {Api} from "./api.js" */
/** @import {Offer} from "./media.js" */
/** @import {ProjectEntry} from "./types.js" */

import { button, byId, fill, h, say } from "./dom.js";
import { counted } from "./format.js";
import { icon } from "./icons.js";
import { chosenFolder, offered, projectOf, send } from "./media.js";
import { complain, toast } from "./toast.js";

export class Start {
  /** @type {AbortController | null} */
  #sending = null;

  /**
   * @param {Api} api
   * @param {(project: string) => void} open
   */
  constructor(api, open) {
    this.api = api;
    this.open = open;
    const files = /** @type {HTMLInputElement} */ (byId("file-input"));
    const folder = /** @type {HTMLInputElement} */ (byId("folder-input"));
    byId("choose-file").addEventListener("click", () => files.click());
    byId("choose-folder").addEventListener("click", () => folder.click());
    files.addEventListener("change", () => this.#bring({ files: [...(files.files ?? [])], folder: null, deeper: 0 }, files));
    folder.addEventListener("change", () => this.#bring(chosenFolder(folder.files), folder));
    byId("cancel-upload").addEventListener("click", () => this.#sending?.abort());
    this.#acceptDrops();
  }

  /** Show what there is now. */
  async load() {
    const [projects, local] = await Promise.all([this.api.projects(), this.api.localFiles()]);
    byId("projects").hidden = !projects.length;
    byId("local").hidden = !local.length;
    fill(byId("project-list"), projects.map((entry) => this.#card(entry)));
    fill(byId("local-list"), local.map(({ path, name, kind }) =>
      h("li", {}, h("button", { type: "button", class: "row-button", onclick: () => this.openLocal(path) },
        icon(kind === "folder" ? "image" : "film"), h("span", { class: "grow" }, name)))));
    return { projects, local };
  }

  /** @param {string} path */
  async openLocal(path) {
    try {
      this.open(await projectOf(this.api, await this.api.openLocal(path)));
    } catch (error) {
      complain(error);
    }
  }

  /** @param {ProjectEntry} entry */
  #card({ id, name, media, num_objects }) {
    const picture = h("img", { src: this.api.frameUrl(media, 0, 320), alt: "", loading: "lazy", decoding: "async" });
    const length = media.num_frames > 1 ? counted(media.num_frames, "frame") : `${media.width} × ${media.height}`;
    return h("li", { class: "project-card" },
      h("a", { href: `#/p/${id}` }, picture, h("span", { class: "card-name" }, name),
        h("span", { class: "quiet-text" }, `${length} · ${counted(num_objects, "object")}`)),
      button({ icon: "trash", label: `Delete project ${name}`, class: "small quiet", onclick: () => this.#delete(id, name) }),
    );
  }

  /**
   * @param {string} id
   * @param {string} name
   */
  async #delete(id, name) {
    if (!confirm(`Delete the project "${name}" with all its masks? The video or image itself stays.`)) return;
    try {
      await this.api.deleteProject(id);
      await this.load();
    } catch (error) {
      complain(error);
    }
  }

  /**
   * @param {Offer} offer
   * @param {HTMLInputElement} [input] is emptied, so that the same file can be chosen again
   */
  async #bring(offer, input) {
    if ((!offer.files.length && !offer.deeper) || this.#sending) return;
    this.#sending = new AbortController();
    const bar = /** @type {HTMLProgressElement} */ (byId("upload-bar"));
    byId("upload").hidden = false;
    try {
      const media = await send(this.api, offer, (text, part) => {
        bar.value = part;
        say(byId("upload-text"), part < 1 ? `${text} · ${Math.round(part * 100)} %` : "Reading it");
      }, this.#sending.signal);
      this.open((await this.api.createProject(media.id)).id);
      if (offer.deeper) toast(`Left out ${counted(offer.deeper, "image")} in folders inside this one.`);
    } catch (error) {
      complain(error);
    } finally {
      this.#sending = null;
      byId("upload").hidden = true;
      if (input) input.value = "";
    }
  }

  #acceptDrops() {
    let depth = 0;
    const shade = byId("drop-shade");
    const withFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
    addEventListener("dragenter", (event) => {
      if (withFiles(event)) shade.hidden = ++depth <= 0;
    });
    addEventListener("dragleave", (event) => {
      if (withFiles(event)) shade.hidden = --depth <= 0;
    });
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", async (event) => {
      event.preventDefault();
      depth = 0;
      shade.hidden = true;
      if (event.dataTransfer) this.#bring(await offered(event.dataTransfer).catch(() => ({ files: [], folder: null, deeper: 0 })));
    });
  }
}
