/** A hint over the image that suggests the next step to new users. */

/** @import {Results} from "./results.js" */
/** @import {PageStore, State} from "./types.js" */

import { byId, setText } from "./dom.js";
import { TOOLS } from "./tools.js";

/** @param {PageStore} store @param {Results} results */
export function showHints(store, results) {
  const bar = byId("hint");
  store.watch(["project", "tool", "active", "proposals", "candidates", "jobs", "resultsVersion"], () => {
    const text = hint(store.state, results);
    setText(bar, text);
    bar.hidden = !text;
  });
}

/** @param {Readonly<State>} state @param {Results} results */
function hint({ project, tool, active, proposals, candidates, jobs }, results) {
  if (!project || candidates.length || jobs.some(({ kind }) => kind === "track")) return "";
  if (proposals.length) return "Click the masks you want to keep, then add them as objects.";
  const { objects, media } = project;
  if (!objects.length) {
    if (tool === "include") return "Click the object you want to mask.";
    return TOOLS.find((one) => one.tool === tool)?.hint ?? "";
  }
  if (active === null && tool === "include") return "Click the next object you want to mask.";
  if (media.num_frames > 1 && objects.length === 1 && !results.hasTracked) {
    return "Press Track to follow the object through the video. If the mask is wrong, correct it with more clicks first.";
  }
  return "";
}
