/** The table of keyboard shortcuts, and the dialog that lists them. */

/** @import {Shortcut} from "./keyboard.js" */
/** @import {Editor} from "./editor.js" */

import { byId, dialogById, h, inputById, setChildren } from "./dom.js";
import { singleKeys } from "./keyboard.js";
import { TOOLS } from "./tools.js";

/** Press the main button of the current task, if there is one. */
function finishTask() {
  const main = document.querySelector("#task-bar:not([hidden]) > .button-row:not([hidden]) > .primary");
  if (main instanceof HTMLElement) main.click();
}

/**
 * All shortcuts; those with an empty label are not listed in the dialog.
 *
 * @param {Editor} editor
 * @returns {Shortcut[]}
 */
export function shortcutsOf(editor) {
  const { store, session, player, transport, timeline, objects, review, trackBar, proposals, cursor, tools } = editor;
  const isVideo = () => (store.state.project?.media.num_frames ?? 1) > 1;
  /** @type {Shortcut[]} */
  const shortcuts = [];
  /** @type {(group: string, keys: string, label: string, run: () => void) => void} */
  const add = (group, keys, label, run) => shortcuts.push({ keys, label, group, run });

  for (const { tool, label, key } of TOOLS) add("Tools", key, label, () => editor.useTool(tool));
  add("Tools", "[", "Smaller brush", () => editor.scaleBrush(1 / 1.25));
  add("Tools", "]", "Larger brush", () => editor.scaleBrush(1.25));
  add("Tools", "G", "Automatic masks", () => proposals.toggle());
  add("Tools", "X", "Mark as absent", () => isVideo() && tools.markAbsent());
  add("Tools", "C", "Show next candidate mask", () => editor.nextCandidate());
  add("Tools", "Enter", "Use candidate, or add selected masks", () => editor.accept());
  add("Tools", "K", "Keyboard crosshair", () => cursor.toggle());

  add("Objects", "N", "New object", () => objects.startObject());
  add("Objects", "1", "Select object 1 (to 9)", () => objects.selectAt(0));
  for (let place = 1; place < 9; place++) add("Objects", String(place + 1), "", () => objects.selectAt(place));
  add("Objects", "R", "Rename object", () => objects.rename());
  add("Objects", "V", "Hide or show object", () => editor.toggleObject("hidden"));
  add("Objects", "L", "Lock or unlock object", () => editor.toggleObject("locked"));
  add("Objects", "Del", "Clear prompts on this frame", () => editor.clearPrompts());
  add("Objects", "Shift Del", "Delete object", () => editor.deleteObject());

  /** @type {(keys: string, label: string, run: () => void) => void} */
  const addMove = (keys, label, run) => add("Frames", keys, label, () => (trackBar.stopFollowing(), run()));
  add("Frames", "Space", "Play or pause", () => player.toggle());
  addMove("←", "Previous frame", () => player.step(-1));
  addMove("→", "Next frame", () => player.step(1));
  addMove("Shift ←", "Back 10 frames", () => player.step(-10));
  addMove("Shift →", "Forward 10 frames", () => player.step(10));
  addMove("Home", "Go to start", () => transport.goToEdge(-1));
  addMove("End", "Go to end", () => transport.goToEdge(1));
  add("Frames", "I", "Set range start", () => transport.mark("in"));
  add("Frames", "O", "Set range end", () => transport.mark("out"));
  addMove(".", "Next frame that needs review", () => review.jump(1));
  addMove(",", "Previous frame that needs review", () => review.jump(-1));

  add("Tracking", "T", "Track forward", () => isVideo() && trackBar.track("forward"));
  add("Tracking", "Shift T", "Track backward", () => isVideo() && trackBar.track("backward"));
  add("Tracking", "Alt T", "Track in both directions", () => isVideo() && trackBar.track("both"));
  add("Tracking", "Y", "Re-track after a correction", () => trackBar.retrack());
  add("Tracking", "Esc", "Stop, close or cancel", () => editor.escape());

  add("View", "+", "Zoom in", () => editor.zoom(1.25));
  add("View", "-", "Zoom out", () => editor.zoom(1 / 1.25));
  add("View", "F", "Fit image to window", () => editor.fit());
  add("View", "Z", "Zoom in on timeline", () => timeline.zoom(0.5));
  add("View", "Shift Z", "Zoom out of timeline", () => timeline.zoom(2));

  add("Project", "Ctrl Z", "Undo", () => session.history("undo"));
  add("Project", "Ctrl Shift Z or Ctrl Y", "Redo", () => session.history("redo"));
  add("Project", "Ctrl E", "Export", () => editor.exports.show());
  add("Project", "Ctrl Enter", "Submit task, or accept its masks", finishTask);
  add("Project", "?", "Keyboard shortcuts", () => showHelp(shortcuts));
  return shortcuts;
}

/** @param {Shortcut[]} shortcuts */
export function showHelp(shortcuts) {
  const toggle = inputById("single-keys");
  toggle.checked = singleKeys.enabled;
  toggle.onchange = () => (singleKeys.enabled = toggle.checked);
  const listed = shortcuts.filter(({ label }) => label);
  const groups = [...new Set(listed.map(({ group }) => group))];
  setChildren(byId("help-keys"), groups.map((group) =>
    h("section", {}, h("h3", {}, group),
      h("dl", {}, listed.filter((one) => one.group === group).map(({ keys, label }) =>
        h("div", {}, h("dt", {}, label), h("dd", {}, keys.split(" or ").map((key) => h("kbd", {}, key)))))))));
  dialogById("help-dialog").showModal();
}
