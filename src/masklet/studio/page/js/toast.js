/** Messages to the user: toasts for errors and news, and announcements for screen readers only. */

import { byId, button, h } from "./dom.js";

const DURATION = 7000; // milliseconds
const MAX_TOASTS = 3;

/** @param {string} text @param {"error" | "news"} [kind] @param {{label: string, run: () => void}} [action] */
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
  while (shelf.children.length > MAX_TOASTS) shelf.firstElementChild?.remove();
  let timer = setTimeout(close, DURATION);
  note.addEventListener("pointerenter", () => clearTimeout(timer));
  note.addEventListener("pointerleave", () => (timer = setTimeout(close, DURATION)));
}

/** Show the first line of an error as a sentence. Aborted requests are no error. @param {unknown} error */
export function showError(error) {
  if (error instanceof DOMException && error.name === "AbortError") return;
  const line = (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
  const sentence = line.charAt(0).toUpperCase() + line.slice(1);
  toast(/[.!?]$/.test(sentence) ? sentence : `${sentence}.`, "error");
}

/** Announce a text to screen readers without showing it. @param {string} text */
export function announce(text) {
  const region = byId("announcer");
  region.textContent = region.textContent === text ? `${text}\u00a0` : text;
}
