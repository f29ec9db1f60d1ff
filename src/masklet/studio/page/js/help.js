/** The help dialog: every key, from the table that the page acts on. */

/** @import {Shortcut} from "./keyboard.js" */

import { byId, fill, h } from "./dom.js";
import { singleKeys } from "./keyboard.js";

/** @param {Shortcut[]} shortcuts */
export function showHelp(shortcuts) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("help-dialog"));
  const toggle = /** @type {HTMLInputElement} */ (byId("single-keys"));
  toggle.checked = singleKeys.on;
  toggle.onchange = () => singleKeys.set(toggle.checked);
  const groups = [...new Set(shortcuts.map(({ group }) => group))];
  fill(byId("help-keys"), groups.map((group) =>
    h("section", {}, h("h3", {}, group),
      h("dl", {}, shortcuts.filter((one) => one.group === group).map(({ keys, does }) =>
        h("div", {}, h("dt", {}, does),
          h("dd", {}, keys.split(" or ").slice(0, 2).map((key) => h("kbd", {}, key)))))))));
  dialog.showModal();
}
