/** Keyboard shortcuts: dispatches key events to the actions of a table. */

import { isTextField } from "./dom.js";

/**
 * @typedef {object} Shortcut
 * @property {string} keys as shown; alternatives are separated by " or "
 * @property {string} label
 * @property {string} group
 * @property {() => void} run
 */

const SINGLE_KEYS = "masklet.single-keys";
/** @type {Record<string, string>} */
const KEY_NAMES = {
  ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", " ": "Space", Escape: "Esc",
  Delete: "Del", Backspace: "Del", "=": "+",
};

/** Whether shortcuts without Ctrl are enabled; dictation software can trigger them by mistake. */
export const singleKeys = {
  get enabled() {
    return localStorage.getItem(SINGLE_KEYS) !== "off";
  },
  set enabled(enabled) {
    localStorage.setItem(SINGLE_KEYS, enabled ? "on" : "off");
  },
};

/** @param {Shortcut[]} shortcuts @param {() => boolean} isReady whether the editor is open */
export function listenToKeys(shortcuts, isReady) {
  const table = new Map(shortcuts.flatMap((shortcut) => shortcut.keys.split(" or ").map((key) => [key, shortcut])));
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || isTextField(event.target) || !isReady() || document.querySelector("dialog[open]")) return;
    const name = nameOf(event);
    const shortcut = table.get(name);
    if (!shortcut || (!singleKeys.enabled && !/Ctrl|Esc/.test(name)) || handlesKey(event.target, event.key)) return;
    event.preventDefault();
    shortcut.run();
  });
}

/** @param {KeyboardEvent} event */
function nameOf(event) {
  const key = KEY_NAMES[event.key] ?? (event.key.length === 1 ? event.key.toUpperCase() : event.key);
  const namesShift = key.length > 1 || /[A-Z←→↑↓]/.test(key); // for other keys, Shift is part of the character
  const control = event.ctrlKey || event.metaKey;
  return [control && "Ctrl", event.altKey && "Alt", event.shiftKey && namesShift && "Shift", key].filter(Boolean).join(" ");
}

/** Whether the focused element handles the key itself. @param {EventTarget | null} target @param {string} key */
function handlesKey(target, key) {
  if (!(target instanceof HTMLElement)) return false;
  if ((key === " " || key === "Enter") && target.closest("button, a, summary, label, input")) return true;
  return target instanceof HTMLInputElement && key.startsWith("Arrow");
}
