/** The list of objects: select, rename, recolor, hide, lock and delete; its last row starts a new object. */

/** @import {ObjectChange, PageStore, TrackedObject} from "./types.js" */
/** @import {Session} from "./session.js" */

import { button, byId, h, onClick, setLabel, setRows, setText } from "./dom.js";
import { setIcon } from "./icons.js";

export class Objects {
  /** @param {PageStore} store @param {Session} session */
  constructor(store, session) {
    this.store = store;
    this.session = session;
    this.list = byId("objects");
    onClick("new-object", () => this.startObject());
    store.watch(["project"], () => this.#render());
    store.watch(["active", "project"], () => this.#highlight());
  }

  /** Make the next click create an object. */
  startObject() {
    const { tool } = this.store.state;
    this.session.startObject();
    if (tool === "exclude" || tool === "erase" || tool === "pan") this.store.set({ tool: "include" });
  }

  /** @param {number} place in the list, from 0 */
  selectAt(place) {
    const object = this.store.state.project?.objects[place];
    if (object) this.store.set({ active: object.id, candidates: [] });
  }

  get active() {
    const { project, active } = this.store.state;
    return project?.objects.find(({ id }) => id === active);
  }

  /** Focus the name of the active object. */
  rename() {
    const field = this.list.querySelector("li.active .object-name");
    if (!(field instanceof HTMLInputElement)) return;
    field.focus();
    field.select();
  }

  #render() {
    const objects = this.store.state.project?.objects ?? [];
    setRows(this.list, objects, ({ id }) => this.#createRow(id), updateRow);
    setText(byId("num-objects"), objects.length ? String(objects.length) : "");
  }

  /** @param {number} id */
  #createRow(id) {
    const change = (/** @type {ObjectChange} */ values) => this.session.changeObject(id, values);
    /** @type {(icon: string, label: string, name: string, run: (object: TrackedObject) => void) => HTMLElement} */
    const small = (icon, label, name, run) => button({ icon, label, class: `small quiet ${name}`, onclick: () => {
      const object = this.store.state.project?.objects.find((one) => one.id === id);
      if (object) run(object);
    } });
    return h("li", { onpointerdown: () => this.store.set({ active: id, candidates: [] }) },
      h("input", {
        type: "color",
        class: "swatch",
        title: "Color",
        onchange: (/** @type {any} */ event) => change({ color: event.target.value }),
      }),
      h("input", {
        class: "object-name",
        spellcheck: false,
        maxLength: 80,
        onfocus: () => this.store.set({ active: id }),
        onchange: (/** @type {any} */ event) => change({ name: event.target.value.trim() || `Object ${id}` }),
        onkeydown: (/** @type {any} */ event) => event.key === "Enter" && event.target.blur(),
      }),
      small("eye", "Hide", "hide", ({ hidden }) => change({ hidden: !hidden })),
      small("unlocked", "Lock", "lock", ({ locked }) => change({ locked: !locked })),
      small("trash", "Delete", "delete", (object) => this.session.deleteObject(object)));
  }

  #highlight() {
    const { active, project } = this.store.state;
    for (const row of this.list.children) {
      const isActive = Number(row.getAttribute("data-object")) === active;
      row.classList.toggle("active", isActive);
      if (isActive) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
    const newObject = byId("new-object");
    newObject.classList.toggle("active", active === null && Boolean(project));
    newObject.setAttribute("aria-pressed", String(active === null));
  }
}

/** @param {HTMLElement} row @param {TrackedObject} object */
function updateRow(row, { name, color, hidden, locked }) {
  const [swatch, field] = row.querySelectorAll("input");
  const [hide, lock, remove] = row.querySelectorAll("button");
  if (!swatch || !field || !hide || !lock || !remove) return;
  if (swatch.value !== color) swatch.value = color;
  if (document.activeElement !== field && field.value !== name) field.value = name;
  swatch.setAttribute("aria-label", `Color of ${name}`);
  field.setAttribute("aria-label", `Name of ${name}`);
  setIcon(hide, hidden ? "hidden" : "eye");
  setLabel(hide, `${hidden ? "Show" : "Hide"} ${name}`);
  hide.classList.toggle("on", hidden);
  setIcon(lock, locked ? "lock" : "unlocked");
  setLabel(lock, `${locked ? "Unlock" : "Lock"} ${name}`);
  lock.classList.toggle("on", locked);
  setLabel(remove, `Delete ${name}`);
  remove.disabled = locked;
  row.classList.toggle("hidden-object", hidden);
}
