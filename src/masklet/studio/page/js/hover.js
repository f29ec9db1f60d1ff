/** Shows what a click under the pointer would give, once the pointer rests. */

/** @import {State} from "./types.js" */
/** @import {Store} from "./store.js" */
/** @import {Session} from "./session.js" */
/** @import {Viewer} from "./viewer.js" */
/** @import {Point} from "./viewport.js" */

const REST = 90; // milliseconds

export class Hover {
  #timer = 0;
  #seq = 0;

  /**
   * @param {Store<State>} store
   * @param {Session} session
   * @param {Viewer} viewer
   */
  constructor(store, session, viewer) {
    this.store = store;
    this.session = session;
    this.viewer = viewer;
    session.onPreview = ({ seq, mask, presence, iou }) => {
      if (seq !== this.#seq) return;
      const preview = mask ? { mask, presence: presence ?? 1, iou: iou ?? 0 } : null;
      store.set({ preview });
    };
    store.watch(["frame", "active", "tool", "playing"], () => this.clear());
  }

  /** @param {Point | null} at in the picture; null: the pointer left */
  move(at) {
    const { tool } = this.store.state;
    const painting = tool === "brush" || tool === "erase";
    if (painting || this.viewer.ring) {
      this.viewer.ring = painting ? at : null;
      this.viewer.request();
    }
    this.clear();
    if (!at || !this.#asks(at)) return;
    this.#timer = setTimeout(() => {
      if (!this.#asks(at)) return;
      const { frame, active } = this.store.state;
      const click = { x: at.x - 0.5, y: at.y - 0.5, positive: this.store.state.tool !== "exclude" };
      const inside = { ...click, x: Math.max(0, click.x), y: Math.max(0, click.y) };
      this.#seq = this.session.hover({ frame, object_id: active ?? 0, clicks: [inside] });
    }, REST);
  }

  clear() {
    clearTimeout(this.#timer);
    this.#seq = 0;
    this.store.set({ preview: null });
  }

  /** @param {Point} at */
  #asks(at) {
    const { tool, playing, proposals, project, active, busy, candidates } = this.store.state;
    if (playing || busy || proposals.length || candidates.length || !this.viewer.viewport.contains(at)) return false;
    if (tool !== "include" && (tool !== "exclude" || active === null)) return false;
    return !project?.objects.find(({ id }) => id === active)?.locked;
  }
}
