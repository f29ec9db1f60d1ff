/** The editor of a project: creates its parts and connects them. */

/** @import {Api} from "./api.js" */
/** @import {PageStore, Tool} from "./types.js" */

import { Appearance } from "./appearance.js";
import { Brush } from "./brush.js";
import { Candidates } from "./candidates.js";
import { Cleaning } from "./cleaning.js";
import { KeyCursor } from "./cursor.js";
import { button, buttonById, byId, inputById, onClick, setLabel, setText } from "./dom.js";
import { Exports } from "./exports.js";
import { Frames } from "./frames.js";
import { showHints } from "./hints.js";
import { Hover } from "./hover.js";
import { listenToPointer } from "./input.js";
import { Objects } from "./objects.js";
import { Player } from "./player.js";
import { Proposals } from "./proposals.js";
import { Review } from "./review.js";
import { Session } from "./session.js";
import { Timeline } from "./timeline.js";
import { showError } from "./toast.js";
import { paints, Tools, TOOLS } from "./tools.js";
import { TrackBar } from "./trackbar.js";
import { Transport } from "./transport.js";
import { Viewer } from "./viewer.js";

const IMAGES_AHEAD = 16;
const IMAGES_BEHIND = 4;
const MASKS_AHEAD = 12;
const MASKS_AHEAD_PLAYING = 48;
const LOAD_DELAY = 40; // milliseconds on a frame until its prompts are loaded
const MAX_TIMESTAMPS = 10_000;
const ZOOM_STEP = 1.25;

export class Editor {
  #loadTimer = 0;

  /** @param {Api} api @param {PageStore} store */
  constructor(api, store) {
    this.api = api;
    this.store = store;
    this.session = new Session(api, store);
    const canvas = /** @type {HTMLCanvasElement} */ (byId("view"));
    const urlOf = (/** @type {number} */ frame, /** @type {number} */ width) =>
      api.frameUrl(this.session.project.media, frame, width);
    this.frames = new Frames(urlOf, () => this.viewer.request(), showError);
    this.viewer = new Viewer(canvas, { store, results: this.session.results, frames: this.frames, brush: new Brush() });
    this.player = new Player(store, (frame) => Boolean(this.frames.at(frame)));
    this.transport = new Transport(store, this.session, this.player);
    this.timeline = new Timeline(store, this.session, this.player);
    this.objects = new Objects(store, this.session);
    this.review = new Review(store, this.player);
    this.appearance = new Appearance(store);
    this.cleaning = new Cleaning(store, this.session);
    this.trackBar = new TrackBar(store, this.session, this.player);
    this.candidates = new Candidates(store, this.session, this.viewer);
    this.proposals = new Proposals(store, this.session, this.viewer, this.player);
    this.exports = new Exports(store, this.session, this.appearance);
    this.tools = new Tools({
      store,
      session: this.session,
      viewer: this.viewer,
      pick: (at) => this.proposals.pick(at),
      pause: () => this.player.pause(),
    });
    this.cursor = new KeyCursor(store, this.viewer, this.tools);
    const hover = new Hover(store, this.session, this.viewer);
    listenToPointer(this.viewer, { ...this.tools.gestures, hover: (at) => hover.move(at) });
    showHints(store, this.session.results);
    this.#createToolbar();
    this.#bindHeader();
    this.#watch();
  }

  /** @param {string} id of a project */
  async open(id) {
    this.#reset();
    await this.session.open(id, Number(sessionStorage.getItem(`masklet.frame.${id}`)) || 0);
    const { media } = this.session.project;
    this.player.times = [];
    document.body.dataset.kind = media.kind;
    document.body.classList.toggle("still", media.num_frames < 2);
    this.viewer.viewport.setImage(media.width, media.height);
    this.viewer.viewport.fit();
    if (media.kind === "video" && media.num_frames <= MAX_TIMESTAMPS) {
      this.player.times = await this.api.timestamps(media).catch(() => []);
    }
  }

  close() {
    this.#reset();
    this.session.close();
  }

  #reset() {
    this.player.pause();
    this.tools.cancel();
    this.viewer.brush.clear();
    this.frames.clear();
  }

  /** @param {Tool} tool */
  useTool(tool) {
    this.tools.cancel();
    this.store.set({ tool });
  }

  /** @param {number} factor */
  scaleBrush(factor) {
    this.store.set({ brush: Math.min(600, Math.max(1, this.store.state.brush * factor)) });
  }

  /** Show the next candidate mask. */
  nextCandidate() {
    const { candidates, candidate } = this.store.state;
    if (candidates.length) this.store.set({ candidate: (candidate + 1) % candidates.length });
  }

  /** Use the displayed candidate mask, or add the selected proposals. */
  accept() {
    const { candidates, candidate, proposals } = this.store.state;
    if (candidates.length && candidate >= 0) this.candidates.choose(candidate);
    else if (candidates.length) this.candidates.close();
    else if (proposals.length) this.proposals.add();
  }

  /** @param {"hidden" | "locked"} flag */
  toggleObject(flag) {
    const { active } = this.objects;
    if (active) this.session.changeObject(active.id, { [flag]: !active[flag] });
  }

  /** Clear the prompts of the active object on the current frame. */
  clearPrompts() {
    const { frame, active, prompts } = this.store.state;
    if (active !== null && prompts[active]) this.session.clearPrompts(frame, active);
  }

  /** Delete the active object. */
  deleteObject() {
    const { active } = this.objects;
    if (active && !active.locked) this.session.deleteObject(active);
  }

  /** Cancel the current gesture, and close candidates or proposals, or else stop tracking. */
  escape() {
    const { candidates, proposals } = this.store.state;
    this.tools.cancel();
    if (candidates.length) this.candidates.close();
    else if (proposals.length) this.proposals.close();
    else this.trackBar.cancel();
  }

  fit() {
    this.viewer.viewport.fit();
    this.viewer.request();
  }

  /** @param {number} factor */
  zoom(factor) {
    this.viewer.viewport.zoom(factor);
    this.viewer.request();
  }

  #createToolbar() {
    const buttons = TOOLS.map(({ tool, icon, label, key, hint }) => button({
      icon, label, title: `${label} (${key}): ${hint}`, class: "tool", dataset: { tool },
      onclick: () => this.useTool(tool),
    }));
    byId("tools").prepend(...buttons);
    onClick("absent", () => this.tools.markAbsent());
    const slider = inputById("brush-slider");
    slider.addEventListener("input", () => this.store.set({ brush: Number(slider.value) }));
    this.store.watch(["tool"], () => {
      const { tool } = this.store.state;
      for (const one of buttons) one.setAttribute("aria-pressed", String(one.dataset.tool === tool));
      this.viewer.canvas.dataset.tool = tool;
      byId("brush-size").hidden = !paints(tool);
    });
    this.store.watch(["brush"], () => {
      slider.value = String(Math.round(this.store.state.brush));
      this.viewer.request();
    });
  }

  #bindHeader() {
    const name = inputById("project-name");
    name.addEventListener("change", () => {
      this.session.changeProject({ name: name.value.trim() || this.session.project.media.name });
    });
    name.addEventListener("keydown", (event) => event.key === "Enter" && name.blur());
    onClick("undo", () => this.session.history("undo"));
    onClick("redo", () => this.session.history("redo"));
    onClick("zoom-in", () => this.zoom(ZOOM_STEP));
    onClick("zoom-out", () => this.zoom(1 / ZOOM_STEP));
    onClick("zoom-fit", () => this.fit());
    this.store.watch(["project"], () => {
      const { project } = this.store.state;
      if (document.activeElement !== name) name.value = project?.name ?? "";
      const actions = /** @type {const} */ ([["undo", "Undo", "Ctrl Z"], ["redo", "Redo", "Ctrl Shift Z"]]);
      for (const [action, title, keys] of actions) {
        const label = project?.[action];
        buttonById(action).disabled = !label;
        setLabel(byId(action), title, label ? `${title}: ${label} (${keys})` : `Nothing to ${action}`);
      }
    });
    this.store.watch(["online", "project"], () => {
      byId("offline").hidden = this.store.state.online || !this.store.state.project;
    });
  }

  #watch() {
    const { store, viewer } = this;
    store.watch(
      ["project", "frame", "playing", "active", "preview", "candidates", "prompts", "effects", "resultsVersion", "tool"],
      () => viewer.request(),
    );
    viewer.onDraw = () => {
      const zoom = `${Math.round(viewer.viewport.scale * 100)} %`;
      setText(byId("zoom-fit"), zoom);
      byId("zoom-fit").setAttribute("aria-label", `${zoom}: fit image to window`);
      this.#prefetch();
    };
    store.watch(["frame", "playing"], () => {
      const { project, frame, playing } = store.state;
      if (!project) return;
      store.set({ prompts: {} });
      sessionStorage.setItem(`masklet.frame.${project.id}`, String(frame));
      clearTimeout(this.#loadTimer);
      if (!playing) this.#loadTimer = setTimeout(() => this.session.loadFrame(), LOAD_DELAY);
    });
    byId("editor").addEventListener("click", ({ detail, target }) => {
      if (detail > 0 && target instanceof Element && target.closest("button, .choice")) releaseFocus();
    });
    byId("editor").addEventListener("change", ({ target }) => target instanceof HTMLSelectElement && releaseFocus());
    store.watch(["busy"], () => document.body.setAttribute("aria-busy", String(store.state.busy)));
    for (const id of ["timeline", "view", "review"]) {
      for (const type of ["pointerdown", "keydown"]) {
        byId(id).addEventListener(type, () => this.trackBar.stopFollowing());
      }
    }
  }

  /** Load the images and masks of the current frame and of those around it. */
  #prefetch() {
    const { project, frame, playing } = this.store.state;
    const width = this.viewer.imageWidth;
    if (!project || !width) return;
    const { media } = project;
    const [ahead, behind] = playing ? [IMAGES_AHEAD * 2, 0] : [IMAGES_AHEAD, IMAGES_BEHIND];
    const frames = [frame];
    for (let step = 1; step <= ahead; step++) {
      if (frame + step < media.num_frames) frames.push(frame + step);
      if (step <= behind && frame - step >= 0) frames.push(frame - step);
    }
    this.frames.prefetch(frames, width, (width * media.height) / media.width);
    this.session.results.prefetch(frame, playing ? MASKS_AHEAD_PLAYING : MASKS_AHEAD);
  }
}

/** Give the keyboard back to the editor after a control was used with the pointer. */
function releaseFocus() {
  const { activeElement } = document;
  if (activeElement instanceof HTMLElement && !activeElement.closest("dialog, canvas")) activeElement.blur();
}
