/** What each key does. */

/** @import {Shortcut} from "./keyboard.js" */
/** @import {Editor} from "./editor.js" */

import { showHelp } from "./help.js";
import { TOOLS } from "./tools.js";

/** Press the main button of the task in hand, if there is one. */
function finishTask() {
  const main = document.querySelector("#task-bar:not([hidden]) > .button-row:not([hidden]) > .primary");
  if (main instanceof HTMLElement) main.click();
}

/**
 * @param {Editor} editor
 * @returns {Shortcut[]}
 */
export function shortcutsOf(editor) {
  const { store, session, player, transport, timeline, objects, review, trackBar, proposals, viewer, cursor } = editor;
  const zoom = (/** @type {number} */ factor) => () => {
    viewer.viewport.zoom(factor);
    viewer.request();
  };
  const media = () => store.state.project?.media;
  const many = () => (media()?.num_frames ?? 1) > 1;
  const step = (/** @type {number} */ frames) => () => player.step(frames);
  /** @type {Shortcut[]} */
  const shortcuts = [];
  const add = (/** @type {string} */ group, /** @type {string} */ keys, /** @type {string} */ does, /** @type {() => void} */ run) =>
    shortcuts.push({ keys, does, group, run });

  for (const { tool, label, key } of TOOLS) add("Tools", key, label, () => editor.useTool(tool));
  add("Tools", "[", "Smaller brush", () => editor.sizeBrush(1 / 1.25));
  add("Tools", "]", "Larger brush", () => editor.sizeBrush(1.25));
  add("Tools", "G", "Everything on this frame", () => proposals.toggle());
  add("Tools", "X", "Not on this frame", () => many() && editor.tools.absent());
  add("Tools", "C", "Next reading of the click", () => editor.nextCandidate());
  add("Tools", "Enter", "Take the reading, or add what was picked", () => editor.accept());
  add("Tools", "K", "Crosshair for the keyboard", () => cursor.toggle());

  add("Objects", "N", "New object", () => objects.begin());
  add("Objects", "1", "Choose object 1 (to 9)", () => objects.chooseAt(0));
  add("Objects", "R", "Rename", () => objects.rename());
  add("Objects", "V", "Hide or show", () => editor.toggleObject("hidden"));
  add("Objects", "L", "Lock or unlock", () => editor.toggleObject("locked"));
  add("Objects", "Del", "Clear what was said on this frame", () => editor.clearPrompt());
  add("Objects", "Shift Del", "Delete the object", () => editor.deleteObject());

  const go = (/** @type {string} */ keys, /** @type {string} */ does, /** @type {() => void} */ run) =>
    add("Frames", keys, does, () => (trackBar.stay(), run()));
  add("Frames", "Space", "Play or pause", () => player.toggle());
  go("←", "One frame back", step(-1));
  go("→", "One frame on", step(1));
  go("Shift ←", "Ten frames back", step(-10));
  go("Shift →", "Ten frames on", step(10));
  go("Home", "To the beginning", () => transport.edge(-1));
  go("End", "To the end", () => transport.edge(1));
  add("Frames", "I", "Set the in marker", () => transport.mark("in"));
  add("Frames", "O", "Set the out marker", () => transport.mark("out"));
  go(".", "Next doubtful frame", () => review.jump(1));
  go(",", "Previous doubtful frame", () => review.jump(-1));

  add("Tracking", "T", "Track forward", () => many() && trackBar.track("forward"));
  add("Tracking", "Shift T", "Track backward", () => many() && trackBar.track("backward"));
  add("Tracking", "Alt T", "Track both ways", () => many() && trackBar.track("both"));
  add("Tracking", "Y", "Re-track what a correction changed", () => trackBar.retrack());
  add("Tracking", "Esc", "Stop, close or leave", () => editor.escape());

  add("View", "+", "Zoom in", zoom(1.25));
  add("View", "-", "Zoom out", zoom(1 / 1.25));
  add("View", "F", "Fit the picture", () => editor.fit());
  add("View", "Z", "Zoom into the timeline", () => timeline.zoom(0.5));
  add("View", "Shift Z", "Zoom out of the timeline", () => timeline.zoom(2));

  add("Project", "Ctrl Z", "Undo", () => session.history("undo"));
  add("Project", "Ctrl Shift Z or Ctrl Y", "Redo", () => session.history("redo"));
  add("Project", "Ctrl E", "Export", () => editor.exports.show());
  add("Project", "Ctrl Enter", "Hand in the task, or say that its masks are good", finishTask);
  add("Project", "?", "This help", () => showHelp(shortcuts));
  return shortcuts;
}

/**
 * Keys that have no line of their own in the help.
 *
 * @param {Editor} editor
 * @returns {Shortcut[]}
 */
export function silentShortcutsOf({ objects }) {
  return [2, 3, 4, 5, 6, 7, 8, 9].map((place) => ({
    keys: String(place), does: "", group: "", run: () => objects.chooseAt(place - 1),
  }));
}
