/** Steps and playback, the number of the frame, its time, and the in and out markers. */

/** @import {State} from "./types.js" */
/** @import {Store} from "./store.js" */
/** @import {Player} from "./player.js" */
/** @import {Session} from "./session.js" */

import { byId, say } from "./dom.js";
import { clock } from "./format.js";
import { setIcon } from "./icons.js";

export class Transport {
  /**
   * @param {Store<State>} store
   * @param {Session} session
   * @param {Player} player
   */
  constructor(store, session, player) {
    this.store = store;
    this.session = session;
    this.player = player;
    this.field = /** @type {HTMLInputElement} */ (byId("frame-field"));
    const bind = (/** @type {string} */ id, /** @type {() => void} */ run) => byId(id).addEventListener("click", run);
    bind("first-frame", () => this.edge(-1));
    bind("last-frame", () => this.edge(1));
    bind("previous-frame", () => player.step(-1));
    bind("next-frame", () => player.step(1));
    bind("play", () => player.toggle());
    bind("set-in", () => this.mark("in"));
    bind("set-out", () => this.mark("out"));
    bind("clear-marks", () => this.clearMarks());
    this.field.addEventListener("change", () => {
      player.pause();
      player.go(Number(this.field.value) || 0);
    });
    this.field.addEventListener("keydown", (event) => event.key === "Enter" && this.field.blur());
    const speed = /** @type {HTMLSelectElement} */ (byId("speed"));
    speed.addEventListener("change", () => {
      player.pause();
      player.speed = Number(speed.value);
    });
    store.watch(["frame", "project"], () => this.#show());
    store.watch(["playing"], () => this.#showPlaying());
  }

  /** @param {1 | -1} way to the first or the last frame of the range, then of the clip */
  edge(way) {
    const { frame, project } = this.store.state;
    if (!project) return;
    this.player.pause();
    if (way < 0) this.player.go(frame > project.in ? project.in : 0);
    else this.player.go(frame < project.out - 1 ? project.out - 1 : project.media.num_frames - 1);
  }

  /** @param {"in" | "out"} side */
  mark(side) {
    const { frame, project } = this.store.state;
    if (!project) return;
    const last = project.media.num_frames;
    if (side === "in") this.session.changeProject({ in: frame, out: project.out > frame ? project.out : last });
    else this.session.changeProject({ in: project.in <= frame ? project.in : 0, out: frame + 1 });
  }

  clearMarks() {
    const { project } = this.store.state;
    if (project) this.session.changeProject({ in: 0, out: project.media.num_frames });
  }

  #show() {
    const { frame, project } = this.store.state;
    if (!project) return;
    const last = project.media.num_frames - 1;
    if (document.activeElement !== this.field) this.field.value = String(frame);
    this.field.max = String(last);
    this.field.style.width = `${Math.max(3, String(last).length) + 2.5}ch`;
    say(byId("last-index"), `/ ${last}`);
    const timed = project.media.kind === "video";
    say(byId("time"), timed ? clock(this.player.timeOf(frame)) : "");
    byId("clear-marks").hidden = project.in === 0 && project.out === last + 1;
  }

  #showPlaying() {
    const { playing } = this.store.state;
    const button = byId("play");
    setIcon(button, playing ? "pause" : "play");
    button.setAttribute("aria-label", playing ? "Pause" : "Play");
    button.title = playing ? "Pause (Space)" : "Play (Space)";
  }
}
