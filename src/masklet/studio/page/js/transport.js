/** Playback controls, frame number and time, and the in and out markers of the range. */

/** @import {PageStore} from "./types.js" */
/** @import {Player} from "./player.js" */
/** @import {Session} from "./session.js" */

import { byId, inputById, onClick, selectById, setLabel, setText } from "./dom.js";
import { clock } from "./format.js";
import { setIcon } from "./icons.js";

export class Transport {
  /** @param {PageStore} store @param {Session} session @param {Player} player */
  constructor(store, session, player) {
    this.store = store;
    this.session = session;
    this.player = player;
    this.field = inputById("frame-field");
    onClick("first-frame", () => this.goToEdge(-1));
    onClick("last-frame", () => this.goToEdge(1));
    onClick("previous-frame", () => player.step(-1));
    onClick("next-frame", () => player.step(1));
    onClick("play", () => player.toggle());
    onClick("set-in", () => this.mark("in"));
    onClick("set-out", () => this.mark("out"));
    onClick("clear-marks", () => this.session.changeProject({ in: 0, out: this.session.project.media.num_frames }));
    this.field.addEventListener("change", () => {
      player.pause();
      player.go(Number(this.field.value) || 0);
    });
    this.field.addEventListener("keydown", (event) => event.key === "Enter" && this.field.blur());
    const speed = selectById("speed");
    speed.addEventListener("change", () => {
      player.pause();
      player.speed = Number(speed.value);
    });
    store.watch(["frame", "project"], () => this.#showFrame());
    store.watch(["playing"], () => this.#showPlaying());
  }

  /** Go to the first or last frame of the range, and from there to that of the clip. @param {1 | -1} direction */
  goToEdge(direction) {
    const { frame, project } = this.store.state;
    if (!project) return;
    this.player.pause();
    if (direction < 0) this.player.go(frame > project.in ? project.in : 0);
    else this.player.go(frame < project.out - 1 ? project.out - 1 : project.media.num_frames - 1);
  }

  /** Set a marker at the current frame. @param {"in" | "out"} side */
  mark(side) {
    const { frame, project } = this.store.state;
    if (!project) return;
    const { num_frames } = project.media;
    if (side === "in") this.session.changeProject({ in: frame, out: project.out > frame ? project.out : num_frames });
    else this.session.changeProject({ in: project.in <= frame ? project.in : 0, out: frame + 1 });
  }

  #showFrame() {
    const { frame, project } = this.store.state;
    if (!project) return;
    const last = project.media.num_frames - 1;
    if (document.activeElement !== this.field) this.field.value = String(frame);
    this.field.max = String(last);
    this.field.style.width = `${Math.max(3, String(last).length) + 2.5}ch`;
    setText(byId("last-index"), `/ ${last}`);
    setText(byId("time"), project.media.kind === "video" ? clock(this.player.timeOf(frame)) : "");
    byId("clear-marks").hidden = project.in === 0 && project.out === last + 1;
  }

  #showPlaying() {
    const { playing } = this.store.state;
    setIcon(byId("play"), playing ? "pause" : "play");
    setLabel(byId("play"), playing ? "Pause" : "Play", playing ? "Pause (Space)" : "Play (Space)");
  }
}
