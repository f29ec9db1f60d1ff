/** The list of objects: choose, name, color, hide, lock and delete; the last row begins a new one. */

/** @import {State, TrackedObject} from "./types.js" */
/** @import {Store} from "./store.js" */
/** @import {Session} from "./session.js" */

import { button, byId, fill, h } from "./dom.js";
import { setIcon } from "./icons.js";

export class Objects {
  /**
   * @param {Store<State>} store
   * @param {Session} session
   */
  constructor(store, session) {
    this.store = store;
    this.session = session;
    this.list = byId("objects");
    this.beginNew = byId("new-object");
    this.beginNew.addEventListener("click", () => this.begin());
    store.watch(["project"], () => this.#rebuild());
    store.watch(["active", "project"], () => this.#choose());
  }

  /** The next click makes a new object. */
  begin() {
    const { tool } = this.store.state;
    this.session.begin();
    if (tool === "exclude" || tool === "erase" || tool === "pan") this.store.set({ tool: "include" });
  }

  /** @param {number} place in the list, from 0 */
  chooseAt(place) {
    const object = this.store.state.project?.objects[place];
    if (object) this.store.set({ active: object.id, candidates: [] });
  }

  get active() {
    const { project, active } = this.store.state;
    return project?.objects.find(({ id }) => id === active);
  }

  /** Put the cursor into the name of the active object. */
  rename() {
    const field = this.list.querySelector("li.active .object-name");
    if (field instanceof HTMLInputElement) {
      field.focus();
      field.select();
    }
  }

  #rebuild() {
    const objects = this.store.state.project?.objects ?? [];
    const known = new Map([...this.list.children].map((row) => [Number(row.getAttribute("data-object")), row]));
    const rows = objects.map((object) => known.get(object.id) ?? this.#row(object.id));
    if (rows.length !== this.list.children.length || rows.some((row, at) => row !== this.list.children[at])) {
      fill(this.list, rows);
    }
    objects.forEach((object, at) => this.#update(/** @type {HTMLElement} */ (rows[at]), object));
    byId("num-objects").textContent = objects.length ? String(objects.length) : "";
  }

  /** @param {number} id */
  #row(id) {
    const change = (/** @type {Partial<TrackedObject>} */ values) => this.session.changeObject(id, values);
    const object = () => this.store.state.project?.objects.find((one) => one.id === id);
    return h(
      "li",
      { "data-object": id, onpointerdown: () => this.store.set({ active: id, candidates: [] }) },
      h("input", { type: "color", class: "swatch", title: "Color", onchange: (/** @type {any} */ event) => change({ color: event.target.value }) }),
      h("input", {
        class: "object-name",
        spellcheck: false,
        maxLength: 80,
        onfocus: () => this.store.set({ active: id }),
        onchange: (/** @type {any} */ event) => change({ name: event.target.value.trim() || `Object ${id}` }),
        onkeydown: (/** @type {KeyboardEvent} */ event) => event.key === "Enter" && /** @type {HTMLElement} */ (event.target).blur(),
      }),
      button({ icon: "eye", label: "Hide", class: "small quiet hide", onclick: () => change({ hidden: !object()?.hidden }) }),
      button({ icon: "unlocked", label: "Lock", class: "small quiet lock", onclick: () => change({ locked: !object()?.locked }) }),
      button({
        icon: "trash",
        label: "Delete",
        class: "small quiet delete",
        onclick: () => {
          const gone = object();
          if (gone) this.session.deleteObject(gone);
        },
      }),
    );
  }

  /**
   * @param {HTMLElement} row
   * @param {TrackedObject} object
   */
  #update(row, object) {
    const color = /** @type {HTMLInputElement} */ (row.querySelector(".swatch"));
    const name = /** @type {HTMLInputElement} */ (row.querySelector(".object-name"));
    const hide = /** @type {HTMLButtonElement} */ (row.querySelector(".hide"));
    const lock = /** @type {HTMLButtonElement} */ (row.querySelector(".lock"));
    const remove = /** @type {HTMLButtonElement} */ (row.querySelector(".delete"));
    if (color.value !== object.color) color.value = object.color;
    if (document.activeElement !== name && name.value !== object.name) name.value = object.name;
    color.setAttribute("aria-label", `Color of ${object.name}`);
    name.setAttribute("aria-label", `Name of ${object.name}`);
    setIcon(hide, object.hidden ? "hidden" : "eye");
    setIcon(lock, object.locked ? "lock" : "unlocked");
    nameButton(hide, `${object.hidden ? "Show" : "Hide"} ${object.name}`, object.hidden);
    nameButton(lock, `${object.locked ? "Unlock" : "Lock"} ${object.name}`, object.locked);
    nameButton(remove, `Delete ${object.name}`);
    remove.disabled = object.locked;
    row.classList.toggle("hidden-object", object.hidden);
  }

  #choose() {
    const { active, project } = this.store.state;
    for (const row of this.list.children) {
      const chosen = Number(row.getAttribute("data-object")) === active;
      row.classList.toggle("active", chosen);
      if (chosen) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
    this.beginNew.classList.toggle("active", active === null && Boolean(project));
    this.beginNew.setAttribute("aria-pressed", String(active === null));
  }
}

/**
 * @param {HTMLButtonElement} element
 * @param {string} label
 * @param {boolean} [pressed]
 */
function nameButton(element, label, pressed) {
  element.title = label;
  element.setAttribute("aria-label", label);
  if (pressed !== undefined) element.classList.toggle("on", pressed);
}
