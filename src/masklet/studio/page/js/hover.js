/** Preview of the mask that a click at the resting pointer would give. */

/** @import {PageStore, Point} from "./types.js" */
/** @import {Session} from "./session.js" */
/** @import {Viewer} from "./viewer.js" */

import { paints } from "./tools.js";

const REST = 90; // milliseconds without movement

export class Hover {
  #timer = 0;
  /** @type {Point | null} */
  #at = null; // where the pointer is
  #seq = 0;

  /** @param {PageStore} store @param {Session} session @param {Viewer} viewer */
  constructor(store, session, viewer) {
    this.store = store;
    this.session = session;
    this.viewer = viewer;
    session.onPreview = ({ seq, mask, presence, iou }) => {
      if (seq === this.#seq) store.set({ preview: mask ? { mask, presence: presence ?? 1, iou: iou ?? 0 } : null });
    };
    store.watch(["frame", "active", "tool", "playing"], () => this.clear());
    session.onConnected = () => this.move(this.#at); // no request was possible before
  }

  /** @param {Point | null} at in the image, null when the pointer leaves it */
  move(at) {
    this.#at = at;
    const painting = paints(this.store.state.tool);
    if (painting || this.viewer.brushCursor) {
      this.viewer.brushCursor = painting ? at : null;
      this.viewer.request();
    }
    this.clear();
    if (!at || !this.#hasPreview(at)) return;
    this.#timer = setTimeout(() => {
      if (!this.#hasPreview(at)) return;
      const { frame, active, tool } = this.store.state;
      const click = { x: Math.max(0, at.x - 0.5), y: Math.max(0, at.y - 0.5), positive: tool !== "exclude" };
      this.#seq = this.session.requestPreview({ frame, object_id: active ?? 0, clicks: [click] });
    }, REST);
  }

  clear() {
    clearTimeout(this.#timer);
    this.#seq = 0;
    this.store.set({ preview: null });
  }

  /** @param {Point} at */
  #hasPreview(at) {
    const { tool, playing, proposals, project, active, busy, candidates } = this.store.state;
    if (playing || busy || proposals.length || candidates.length || !this.viewer.viewport.contains(at)) return false;
    if (tool !== "include" && (tool !== "exclude" || active === null)) return false;
    return !project?.objects.find(({ id }) => id === active)?.locked;
  }
}
