/** Keys: one table that says what each does, used to act on them and to show them. */

import { isTyping } from "./dom.js";

/**
 * @typedef {object} Shortcut
 * @property {string} keys as shown: alternatives are separated by " or "
 * @property {string} does
 * @property {string} group
 * @property {(event: KeyboardEvent) => void} run
 */

const SINGLE = "masklet.single-keys";
/** @type {Record<string, string>} */
const NAMES = {
  ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", " ": "Space", Escape: "Esc",
  Delete: "Del", Backspace: "Del", "+": "+", "=": "+",
};

/** Whether keys without Ctrl act; people who dictate can switch them off. */
export const singleKeys = {
  get on() {
    return localStorage.getItem(SINGLE) !== "off";
  },
  /** @param {boolean} on */
  set(on) {
    localStorage.setItem(SINGLE, on ? "on" : "off");
  },
};

/**
 * @param {Shortcut[]} shortcuts
 * @param {() => boolean} ready whether the editor is in sight
 */
export function listenToKeys(shortcuts, ready) {
  const table = new Map(shortcuts.flatMap((shortcut) => shortcut.keys.split(" or ").map((key) => [key, shortcut])));
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || isTyping(event.target) || document.querySelector("dialog[open]") || !ready()) return;
    const name = nameOf(event);
    const shortcut = table.get(name);
    if (!shortcut || (!singleKeys.on && !/Ctrl|Esc/.test(name)) || takesKey(event.target, event.key)) return;
    event.preventDefault();
    shortcut.run(event);
  });
}

/** @param {KeyboardEvent} event */
function nameOf(event) {
  const key = NAMES[event.key] ?? (event.key.length === 1 ? event.key.toUpperCase() : event.key);
  const letter = /^[A-Z]$/.test(key) || key.length > 1 || /[←→↑↓]/.test(key);
  const parts = [
    (event.ctrlKey || event.metaKey) && "Ctrl",
    event.altKey && "Alt",
    event.shiftKey && letter && "Shift",
    key,
  ];
  return parts.filter(Boolean).join(" ");
}

/**
 * Whether the element in focus acts on the key itself.
 *
 * @param {EventTarget | null} target
 * @param {string} key
 */
function takesKey(target, key) {
  if (!(target instanceof HTMLElement)) return false;
  if ((key === " " || key === "Enter") && target.closest("button, a, summary, label, input")) return true;
  return target instanceof HTMLInputElement && key.startsWith("Arrow");
}
