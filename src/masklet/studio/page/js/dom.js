/** Small ways to build and change elements. */

import { icon } from "./icons.js";

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * Make an element. Properties that start with "on" are listeners, "class", "role", "for" and names with a dash are
 * attributes, everything else is a property of the element; null, undefined and false leave an attribute out.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any>} [properties]
 * @param {...(Child | Child[])} children
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
  element.append(...children.flat().filter(shown).map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

/**
 * @param {Child} child
 * @returns {child is Node | string | number}
 */
function shown(child) {
  return child !== null && child !== undefined && child !== false;
}

/**
 * The element of the page with this id; the page is ours, so it is there.
 *
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no element #${id}`);
  return /** @type {T} */ (element);
}

/**
 * A button with an icon, a name for people who cannot see it, and the key that does the same.
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

/**
 * Put new children in the place of old ones.
 *
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function fill(element, ...children) {
  element.replaceChildren(
    ...children.flat().filter(shown).map((child) => (child instanceof Node ? child : String(child))),
  );
}

/**
 * Set the text only where it changed, so that screen readers do not repeat it.
 *
 * @param {Element} element
 * @param {string} text
 */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Whether keys typed now belong to a field.
 *
 * @param {EventTarget | null} target
 */
export function isTyping(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return !["checkbox", "radio", "range", "color", "button"].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable;
}
