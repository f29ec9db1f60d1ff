/** The editor of one project: makes its parts and ties them together. */

/** @import {Api} from "./api.js" */
/** @import {State, Tool} from "./types.js" */
/** @import {Store} from "./store.js" */

import { Brush } from "./brush.js";
import { Candidates } from "./candidates.js";
import { Cleaning } from "./cleaning.js";
import { KeyCursor } from "./cursor.js";
import { byId, button, say } from "./dom.js";
import { Exports } from "./exports.js";
import { Frames } from "./frames.js";
import { showHints } from "./hints.js";
import { Hover } from "./hover.js";
import { listen } from "./input.js";
import { Look } from "./look.js";
import { Objects } from "./objects.js";
import { Player } from "./player.js";
import { Proposals } from "./proposals.js";
import { Review } from "./review.js";
import { Session } from "./session.js";
import { Timeline } from "./timeline.js";
import { complain } from "./toast.js";
import { Tools, TOOLS } from "./tools.js";
import { TrackBar } from "./trackbar.js";
import { Transport } from "./transport.js";
import { Viewer } from "./viewer.js";

const AHEAD = 16;
const BEHIND = 4;

export class Editor {
  #loading = 0;

  /**
   * @param {Api} api
   * @param {Store<State>} store
   */
  constructor(api, store) {
    this.api = api;
    this.store = store;
    this.session = new Session(api, store);
    const canvas = /** @type {HTMLCanvasElement} */ (byId("view"));
    this.frames = new Frames((frame, width) => api.frameUrl(this.session.project.media, frame, width), () => this.viewer.request(), complain);
    this.viewer = new Viewer(canvas, { store, results: this.session.results, frames: this.frames, brush: new Brush() });
    this.player = new Player({
      show: (frame) => store.set({ frame }),
      ready: (frame) => Boolean(this.frames.at(frame)),
      playing: (playing) => store.set({ playing }),
      range: () => [store.state.project?.in ?? 0, store.state.project?.out ?? 1],
    });
    this.transport = new Transport(store, this.session, this.player);
    this.timeline = new Timeline(store, this.session, this.player);
    this.objects = new Objects(store, this.session);
    this.review = new Review(store, this.player);
    this.look = new Look(store);
    this.cleaning = new Cleaning(store, this.session);
    this.trackBar = new TrackBar(store, this.session, this.player);
    this.candidates = new Candidates(store, this.session, this.viewer);
    this.proposals = new Proposals(store, this.session, this.viewer, this.player);
    this.exports = new Exports(store, this.session, this.look);
    this.tools = new Tools({
      store,
      session: this.session,
      viewer: this.viewer,
      pick: (at) => this.proposals.pick(at),
      pause: () => this.player.pause(),
    });
    this.cursor = new KeyCursor(store, this.viewer, this.tools);
    const hover = new Hover(store, this.session, this.viewer);
    listen(this.viewer, { ...this.tools.gestures, hover: (at) => hover.move(at) });
    showHints(store);
    this.#strip();
    this.#bindHeader();
    this.#watch();
  }

  /** @param {string} id */
  async open(id) {
    this.#leave();
    await this.session.open(id);
    const { media } = this.session.project;
    Object.assign(this.player, { length: media.num_frames, fps: media.fps ?? 12, times: [], frame: 0 });
    document.body.dataset.kind = media.kind;
    document.body.classList.toggle("still", media.num_frames < 2);
    this.viewer.viewport.show(media.width, media.height);
    this.viewer.viewport.fit();
    const key = `masklet.frame.${id}`;
    this.player.go(Number(sessionStorage.getItem(key)) || 0);
    if (media.kind === "video" && media.num_frames <= 10_000) {
      this.player.times = await this.api.timestamps(media.id, 0, media.num_frames).catch(() => []);
    }
  }

  close() {
    this.#leave();
    this.session.close();
  }

  #leave() {
    this.player.pause();
    this.tools.abandon();
    this.viewer.brush.clear();
    this.frames.clear();
  }

  /** @param {Tool} tool */
  useTool(tool) {
    this.tools.abandon();
    this.store.set({ tool });
  }

  /** @param {number} factor */
  sizeBrush(factor) {
    this.store.set({ brush: Math.min(600, Math.max(1, this.store.state.brush * factor)) });
  }

  nextCandidate() {
    const { candidates, candidate } = this.store.state;
    if (candidates.length) this.store.set({ candidate: (candidate + 1) % candidates.length });
  }

  accept() {
    const { candidates, candidate, proposals } = this.store.state;
    if (candidates.length && candidate >= 0) this.candidates.take(candidate);
    else if (candidates.length) this.store.set({ candidates: [] });
    else if (proposals.length) this.proposals.adopt();
  }

  /** @param {"hidden" | "locked"} what */
  toggleObject(what) {
    const { active } = this.objects;
    if (active) this.session.changeObject(active.id, { [what]: !active[what] });
  }

  clearPrompt() {
    const { frame, active, prompts } = this.store.state;
    if (active !== null && prompts[active]) this.session.clear(frame, active);
  }

  deleteObject() {
    const { active } = this.objects;
    if (active && !active.locked) this.session.deleteObject(active);
  }

  escape() {
    const { candidates, proposals } = this.store.state;
    this.tools.abandon();
    if (candidates.length) this.store.set({ candidates: [], candidate: -1 });
    else if (proposals.length) this.proposals.close();
    else this.trackBar.cancel();
  }

  fit() {
    this.viewer.viewport.fit();
    this.viewer.request();
  }

  #strip() {
    const strip = byId("tools");
    const buttons = TOOLS.map(({ tool, icon, label, key, hint }) => {
      const element = button({ icon, label, key, class: "tool", dataset: { tool }, onclick: () => this.useTool(tool) });
      element.title = `${label}: ${hint.toLowerCase()} (${key})`;
      return element;
    });
    strip.prepend(...buttons);
    byId("absent").addEventListener("click", () => this.tools.absent());
    this.store.watch(["tool"], () => {
      for (const one of buttons) one.setAttribute("aria-pressed", String(one.dataset.tool === this.store.state.tool));
      this.viewer.canvas.dataset.tool = this.store.state.tool;
      byId("brush-size").hidden = !["brush", "erase"].includes(this.store.state.tool);
    });
    const size = /** @type {HTMLInputElement} */ (byId("brush-slider"));
    size.addEventListener("input", () => this.store.set({ brush: Number(size.value) }));
    this.store.watch(["brush"], () => {
      size.value = String(Math.round(this.store.state.brush));
      this.viewer.request();
    });
  }

  #bindHeader() {
    const name = /** @type {HTMLInputElement} */ (byId("project-name"));
    name.addEventListener("change", () => this.session.changeProject({ name: name.value.trim() || this.session.project.media.name }));
    name.addEventListener("keydown", (event) => event.key === "Enter" && name.blur());
    const undo = /** @type {HTMLButtonElement} */ (byId("undo"));
    const redo = /** @type {HTMLButtonElement} */ (byId("redo"));
    undo.addEventListener("click", () => this.session.history("undo"));
    redo.addEventListener("click", () => this.session.history("redo"));
    byId("zoom-in").addEventListener("click", () => this.#zoom(1.25));
    byId("zoom-out").addEventListener("click", () => this.#zoom(1 / 1.25));
    byId("zoom-fit").addEventListener("click", () => this.fit());
    this.viewer.onDraw(() => {
      const zoom = `${Math.round(this.viewer.viewport.scale * 100)} %`;
      say(byId("zoom-fit"), zoom);
      byId("zoom-fit").setAttribute("aria-label", `${zoom}: fit the picture`);
    });
    this.store.watch(["project"], () => {
      const { project } = this.store.state;
      if (document.activeElement !== name) name.value = project?.name ?? "";
      undo.disabled = !project?.undo;
      redo.disabled = !project?.redo;
      undo.title = project?.undo ? `Undo: ${project.undo} (Ctrl Z)` : "Nothing to undo";
      redo.title = project?.redo ? `Redo: ${project.redo} (Ctrl Shift Z)` : "Nothing to redo";
    });
    this.store.watch(["online", "project"], () => {
      byId("offline").hidden = this.store.state.online || !this.store.state.project;
    });
  }

  /** @param {number} factor */
  #zoom(factor) {
    this.viewer.viewport.zoom(factor);
    this.viewer.request();
  }

  #watch() {
    const { store, viewer } = this;
    store.watch(
      ["project", "frame", "playing", "active", "preview", "candidates", "prompts", "effects", "drawn", "tool"],
      () => viewer.request(),
    );
    viewer.onDraw(() => this.#fetch());
    store.watch(["frame", "playing"], () => {
      const { project, frame, playing } = store.state;
      if (!project) return;
      store.set({ prompts: {} });
      sessionStorage.setItem(`masklet.frame.${project.id}`, String(frame));
      clearTimeout(this.#loading);
      if (!playing) this.#loading = setTimeout(() => this.session.loadPrompts(), 40);
    });
    byId("editor").addEventListener("click", ({ detail, target }) => {
      if (detail > 0 && target instanceof Element && target.closest("button, .choice")) leaveFocus();
    });
    byId("editor").addEventListener("change", ({ target }) => target instanceof HTMLSelectElement && leaveFocus());
    store.watch(["busy"], () => document.body.setAttribute("aria-busy", String(store.state.busy)));
    for (const place of ["timeline", "view", "review"]) {
      for (const event of ["pointerdown", "keydown"]) byId(place).addEventListener(event, () => this.trackBar.stay());
    }
  }

  /** Load what the frame in sight and the next ones need. */
  #fetch() {
    const { project, frame, playing } = this.store.state;
    const width = this.viewer.pictureWidth;
    if (!project || !width) return;
    const last = project.media.num_frames - 1;
    const [ahead, behind] = playing ? [AHEAD * 2, 0] : [AHEAD, BEHIND];
    const wanted = [frame];
    for (let step = 1; step <= ahead; step++) {
      if (frame + step <= last) wanted.push(frame + step);
      if (step <= behind && frame - step >= 0) wanted.push(frame - step);
    }
    this.frames.want(wanted, width, (width * project.media.height) / project.media.width);
    this.session.results.want(frame, playing ? 48 : 12);
  }
}

/** Keys belong to the editor again after a control was used by pointer. */
function leaveFocus() {
  const { activeElement } = document;
  if (activeElement instanceof HTMLElement && !activeElement.closest("dialog") && activeElement.tagName !== "CANVAS") activeElement.blur();
}
