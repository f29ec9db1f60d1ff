/** One sentence over the picture that says what to do next, until somebody knows. */

/** @import {State} from "./types.js" */
/** @import {Store} from "./store.js" */

import { byId, say } from "./dom.js";
import { TOOLS } from "./tools.js";

/** @param {Store<State>} store */
export function showHints(store) {
  const bar = byId("hint");
  store.watch(["project", "tool", "active", "proposals", "candidates", "jobs", "frame", "prompts"], () => {
    const text = hint(store.state);
    say(bar, text);
    bar.hidden = !text;
  });
}

/**
 * @param {Readonly<State>} state
 * @returns {string}
 */
function hint({ project, tool, active, proposals, candidates, jobs }) {
  if (!project || candidates.length || jobs.some(({ kind }) => kind === "track")) return "";
  if (proposals.length) return "Click every region you want to keep, then add them.";
  const { objects, media } = project;
  if (!objects.length) {
    if (tool === "include") return "Click the thing you want to mask.";
    return TOOLS.find((one) => one.tool === tool)?.hint ?? "";
  }
  if (active === null && tool === "include") return "Click the next thing you want to mask.";
  const tracked = objects.some(({ num_frames, prompted }) => num_frames > prompted.length);
  if (media.num_frames > 1 && !tracked && objects.length === 1) {
    return "Looks right? Press Track to follow it through the video. If not, click what is missing or exclude what is too much.";
  }
  return "";
}
