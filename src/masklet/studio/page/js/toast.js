/** Sentences for people: errors and news as toasts, quiet announcements for screen readers. */

import { byId, button, h } from "./dom.js";

const SHOWN = 7000;

/**
 * @param {string} text
 * @param {"error" | "news"} [kind]
 * @param {{label: string, run: () => void}} [action]
 */
export function toast(text, kind = "news", action) {
  const shelf = byId(kind === "error" ? "alerts" : "news");
  for (const old of shelf.children) if (old.firstChild?.textContent === text) old.remove();
  const note = h("div", { class: `toast ${kind}` }, h("p", {}, text));
  const close = () => note.remove();
  if (action) {
    note.append(button({ label: action.label, text: true, class: "small", onclick: () => (close(), action.run()) }));
  }
  note.append(button({ icon: "close", label: "Dismiss", class: "small quiet", onclick: close }));
  shelf.append(note);
  while (shelf.children.length > 3) shelf.firstElementChild?.remove();
  let timer = setTimeout(close, SHOWN);
  note.addEventListener("pointerenter", () => clearTimeout(timer));
  note.addEventListener("pointerleave", () => (timer = setTimeout(close, SHOWN)));
}

/**
 * Show what went wrong in one sentence.
 *
 * @param {unknown} error
 */
export function complain(error) {
  if (error instanceof DOMException && error.name === "AbortError") return;
  const text = error instanceof Error ? error.message : String(error);
  toast(sentence(text), "error");
}

/** @param {string} text */
function sentence(text) {
  const line = text.split("\n")[0] ?? "";
  const start = line.charAt(0).toUpperCase() + line.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}

/**
 * Tell screen readers, without showing it.
 *
 * @param {string} text
 */
export function announce(text) {
  const region = byId("announcer");
  region.textContent = region.textContent === text ? `${text}\u00a0` : text;
}
