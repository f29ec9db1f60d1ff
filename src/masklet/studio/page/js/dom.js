/** Helpers to create, find and update elements. */

import { icon } from "./icons.js";

/** @typedef {Node | string | number | null | undefined | false} Child null, undefined and false are left out */

/**
 * Create an element. Properties that start with "on" are listeners; "class", "role", "for" and names with a dash are
 * attributes; everything else is a property of the element. Null, undefined and false leave an attribute out.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {Record<string, any>} [properties] @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "class" || name === "role" || name === "for" || name.includes("-")) {
      if (value !== false) element.setAttribute(name, value === true && !name.startsWith("aria-") ? "" : String(value));
    } else Reflect.set(element, name, value);
  }
  setChildren(element, ...children);
  return element;
}

/** Replace the children of an element. @param {Element} element @param {...(Child | Child[])} children */
export function setChildren(element, ...children) {
  const shown = children.flat().flatMap((child) => (child || child === 0 || child === "" ? [child] : []));
  element.replaceChildren(...shown.map((child) => (child instanceof Node ? child : String(child))));
}

/**
 * Show one row for each item with an id, and reuse the rows that exist, so that focus and input are not lost.
 *
 * @template {{id: number}} T
 * @param {Element} list @param {T[]} items @param {(item: T) => HTMLElement} create
 * @param {(row: HTMLElement, item: T) => void} update
 */
export function setRows(list, items, create, update) {
  const existing = /** @type {HTMLElement[]} */ ([...list.children]);
  const rows = items.map((item) => {
    const row = existing.find(({ dataset }) => dataset.object === String(item.id)) ?? create(item);
    row.dataset.object = String(item.id);
    update(row, item);
    return row;
  });
  if (rows.length !== existing.length || rows.some((row, at) => row !== existing[at])) setChildren(list, rows);
}

/** The element of the page with an id. @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no element #${id}`);
  return element;
}

/** @type {(id: string) => HTMLInputElement} */
export const inputById = (id) => /** @type {HTMLInputElement} */ (byId(id));

/** @type {(id: string) => HTMLSelectElement} */
export const selectById = (id) => /** @type {HTMLSelectElement} */ (byId(id));

/** @type {(id: string) => HTMLButtonElement} */
export const buttonById = (id) => /** @type {HTMLButtonElement} */ (byId(id));

/** @type {(id: string) => HTMLDialogElement} */
export const dialogById = (id) => /** @type {HTMLDialogElement} */ (byId(id));

/** @type {(id: string, listener: () => void) => void} */
export const onClick = (id, listener) => byId(id).addEventListener("click", listener);

/**
 * Show the progress of a job.
 *
 * @param {string} id of a progress element
 * @param {{done: number, total: number}} job total: 0 if unknown
 */
export function setProgress(id, { done, total }) {
  const bar = /** @type {HTMLProgressElement} */ (byId(id));
  if (!total) return bar.removeAttribute("value");
  bar.max = total;
  bar.value = done;
}

/**
 * Create a button with an icon, or with its label as text. The label and the shortcut are its tooltip.
 *
 * @param {{icon?: string, label: string, key?: string, text?: boolean, class?: string, [property: string]: any}} options
 * @returns {HTMLButtonElement}
 */
export function button({ icon: name, label, key, text = false, class: classes = "", ...properties }) {
  const title = key ? `${label} (${key})` : label;
  return h(
    "button",
    { type: "button", class: `button ${text ? "" : "icon-only"} ${classes}`.trim(), title: text && !key ? null : title,
      "aria-label": text ? null : label, ...properties },
    name && icon(name),
    text && h("span", {}, label),
  );
}

/** Create a dot in the color of an object. @param {string | undefined} color */
export function colorDot(color) {
  const dot = h("span", { class: "dot" });
  dot.style.backgroundColor = color ?? "";
  return dot;
}

/**
 * Set the text of an element if it differs, so that screen readers do not repeat it.
 *
 * @param {Element} element @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Set the accessible name of a control, and its tooltip.
 *
 * @param {HTMLElement} element @param {string} label @param {string} [title]
 */
export function setLabel(element, label, title = label) {
  element.setAttribute("aria-label", label);
  element.title = title;
}

/** Whether the element receives typed characters. @param {EventTarget | null} target */
export function isTextField(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return !["checkbox", "radio", "range", "color", "button"].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable;
}

/**
 * Give a canvas the resolution of the screen, which also clears it.
 *
 * @param {HTMLCanvasElement} canvas
 * @returns {number} device pixels per CSS pixel
 */
export function resizeCanvas(canvas) {
  const density = Math.min(3, devicePixelRatio || 1);
  canvas.width = Math.max(1, Math.round(canvas.clientWidth * density));
  canvas.height = Math.max(1, Math.round(canvas.clientHeight * density));
  return density;
}

/**
 * Join calls of a drawing function to one call before the next repaint.
 *
 * @param {() => void} draw
 * @returns {() => void} requests the call
 */
export function beforeRepaint(draw) {
  let requested = false;
  return () => {
    if (requested) return;
    requested = true;
    requestAnimationFrame(() => {
      requested = false;
      draw();
    });
  };
}
