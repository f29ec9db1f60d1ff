/** A data engine's workplace: the queue, the task in hand, and handing it in or judging it. */

/** @import {Api} from "./api.js" */
/** @import {Editor} from "./editor.js" */
/** @import {Role, Task} from "./types.js" */

import { button, byId, fill, h, say } from "./dom.js";
import { counted } from "./format.js";
import { announce, complain, toast } from "./toast.js";

const RENEW = 60; // seconds between two words that the page is still there
const IDLE = 60; // seconds without a movement after which nobody is at work
const MOST_FRAMES = 6;

/** @type {Record<Role, {title: string, text: string, action: string, none: string}>} */
const ROLES = {
  annotate: {
    title: "Annotate", text: "Point at the object, track it, correct it.", action: "Take the next task",
    none: "There is nothing to annotate now.",
  },
  review: {
    title: "Review", text: "See whether the masks of another person are good.", action: "Review the next one",
    none: "There is nothing to review now.",
  },
};

export class Team {
  /** @type {Task | null} */
  #task = null;
  #seconds = 0;
  #moved = 0;
  #said = 0;

  /**
   * @param {Api} api
   * @param {Editor} editor
   */
  constructor(api, editor) {
    this.api = api;
    this.editor = editor;
    this.dialog = /** @type {HTMLDialogElement} */ (byId("note-dialog"));
    byId("submit-task").addEventListener("click", () => this.#submit());
    byId("release-task").addEventListener("click", () => this.#end("release", {}, "The task was given back."));
    byId("decline-task").addEventListener("click", () => this.#ask("decline", "Why can it not be annotated?", "Hand it back for good"));
    byId("accept-masks").addEventListener("click", () => this.#judge("satisfactory"));
    byId("refuse-masks").addEventListener("click", () => this.#ask("unsatisfactory", "What is wrong?", "Send it back"));
    byId("reject-masks").addEventListener("click", () => this.#ask("reject", "Why can nobody mask this?", "Reject the object"));
    byId("note-form").addEventListener("submit", (event) => this.#noted(event));
    for (const move of ["pointermove", "pointerdown", "keydown", "wheel"]) addEventListener(move, () => (this.#moved = Date.now()), { passive: true });
    setInterval(() => this.#tick(), 1000);
  }

  /** Show the queue. */
  async load() {
    const { person, held, waiting, done } = await this.api.team();
    say(byId("team-title"), `Hello ${person.name}`);
    say(byId("team-done"), `You have annotated ${counted(done.annotated, "object")} and reviewed ${done.verified} so far.`);
    fill(byId("team-roles"), person.roles.map((role) => this.#card(role, waiting[role] ?? 0, held)));
  }

  /**
   * @param {Role} role
   * @param {number} count
   * @param {Task[]} held
   */
  #card(role, count, held) {
    const { title, text, action } = ROLES[role];
    const mine = held.find((task) => task.role === role);
    const label = mine ? `Go on with task ${mine.task}` : action;
    const words = mine ? "You hold a task." : count ? `${counted(count, "task")} waiting` : "Nothing is waiting";
    return h("li", { class: "role-card" }, h("h2", {}, title), h("p", {}, text),
      h("p", { class: "quiet-text number" }, words),
      button({ label, text: true, class: "primary", disabled: !count && !mine, onclick: (/** @type {Event} */ event) => this.next(role, /** @type {HTMLButtonElement} */ (event.currentTarget)) }));
  }

  /**
   * @param {Role} role
   * @param {HTMLButtonElement} [pressed] rests while the answer is due; the queue makes a new one when it is shown again
   */
  async next(role, pressed) {
    if (pressed) pressed.disabled = true;
    try {
      const task = await this.api.nextTask(role);
      if (task) location.hash = `#/p/${task.project}`;
      else {
        toast(ROLES[role].none);
        if (location.hash) location.hash = "";
        else await this.load();
      }
    } catch (error) {
      if (pressed) pressed.disabled = false;
      complain(error);
    }
  }

  /** @param {string | null} project the one in sight */
  async show(project) {
    const { held } = project ? await this.api.team() : { held: [] };
    this.#task = held.find((task) => task.project === project) ?? null;
    this.#seconds = 0;
    this.#said = Date.now();
    const task = this.#task;
    byId("task-bar").hidden = !task;
    document.body.classList.toggle("reviewing", task?.role === "review");
    if (!task) return;
    say(byId("task-name"), task.name ? `Task ${task.task}: ${task.name}` : `Task ${task.task}`);
    say(byId("task-note"), task.note ? `“${task.note}”` : task.state === "select" ? "Pick an object nobody has picked yet." : "");
    byId("annotating").hidden = task.role !== "annotate";
    byId("judging").hidden = task.role !== "review";
    fill(byId("task-frames"), task.frames.slice(0, MOST_FRAMES).map((frame) =>
      button({ label: String(frame), text: true, class: "small quiet number", title: `Show frame ${frame}`, onclick: () => this.editor.player.go(frame) })));
    byId("task-frames-row").hidden = !task.frames.length;
  }

  #tick() {
    if (!this.#task) return;
    if (document.visibilityState === "visible" && Date.now() - this.#moved < IDLE * 1000) this.#seconds += 1;
    if (Date.now() - this.#said < RENEW * 1000) return;
    this.#said = Date.now();
    this.api.endTask(this.#task.task, "renew", undefined).catch(complain);
  }

  #submit() {
    return this.#end("submit", { seconds: this.#seconds }, "Handed in. Another person will look at it.", true);
  }

  /** @param {string} outcome */
  #judge(outcome, note = "", frames = /** @type {number[]} */ ([])) {
    return this.#end("verdict", { outcome, note, frames }, "Your verdict is kept.", true);
  }

  /**
   * @param {string} what
   * @param {string} question
   * @param {string} action
   */
  #ask(what, question, action) {
    this.dialog.dataset.what = what;
    say(byId("note-title"), question);
    say(byId("note-action"), action);
    const { frame } = this.editor.store.state;
    byId("note-frame-row").hidden = what !== "unsatisfactory";
    say(byId("note-frame-text"), `Frame ${frame}, the one in sight, is wrong`);
    /** @type {HTMLTextAreaElement} */ (byId("note")).value = "";
    this.dialog.showModal();
  }

  /** @param {Event} event */
  #noted(event) {
    event.preventDefault();
    this.dialog.close();
    const note = /** @type {HTMLTextAreaElement} */ (byId("note")).value.trim();
    const what = this.dialog.dataset.what ?? "";
    const marked = what === "unsatisfactory" && /** @type {HTMLInputElement} */ (byId("note-frame")).checked;
    if (what === "decline") this.#end("decline", { note }, "The task has ended.", true);
    else this.#judge(what, note, marked ? [this.editor.store.state.frame] : []);
  }

  /**
   * @param {string} how
   * @param {object} body
   * @param {string} words
   * @param {boolean} [onward] whether the next task follows
   */
  async #end(how, body, words, onward = false) {
    const task = this.#task;
    if (!task) return;
    const { session } = this.editor;
    session.leaving = true;
    try {
      await this.api.endTask(task.task, how, body);
      this.#task = null;
      this.editor.close();
      toast(words);
      announce(words);
      if (onward) await this.next(task.role);
      else location.hash = "";
    } catch (error) {
      complain(error);
    } finally {
      session.leaving = false;
    }
  }
}
