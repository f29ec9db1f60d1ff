/** Tasks of a data engine: the queue, the current task, and its submission or review. */

/** @import {Api} from "./api.js" */
/** @import {Editor} from "./editor.js" */
/** @import {Role, Task, TaskAction} from "./types.js" */

import { button, byId, dialogById, h, inputById, onClick, setChildren, setText } from "./dom.js";
import { counted } from "./format.js";
import { announce, showError, toast } from "./toast.js";

const RENEW_INTERVAL = 60; // seconds between renewals of the task's lease
const IDLE_AFTER = 60; // seconds without input after which working time is not counted
const MAX_FRAMES = 6;

/** @type {Record<Role, {title: string, text: string, action: string, none: string}>} */
const ROLES = {
  annotate: {
    title: "Annotate", text: "Select the object, track it, and correct its masks.", action: "Start next task",
    none: "No annotation tasks are waiting.",
  },
  review: {
    title: "Review", text: "Check the masks that another person made.", action: "Start next review",
    none: "No reviews are waiting.",
  },
};

export class Team {
  /** @type {Task | null} */
  #task = null;
  #seconds = 0;
  #lastInput = 0;
  #lastRenewal = 0;

  /** @param {Api} api @param {Editor} editor */
  constructor(api, editor) {
    this.api = api;
    this.editor = editor;
    this.dialog = dialogById("note-dialog");
    onClick("submit-task", () => this.#end("submit", { seconds: this.#seconds }, "Submitted for review."));
    onClick("release-task", () => this.#end("release", {}, "Task returned to the queue.", false));
    onClick("decline-task", () => this.#openDialog("decline", "Why can this task not be annotated?", "Close the task"));
    onClick("accept-masks", () => this.#judge("satisfactory"));
    onClick("request-changes", () => this.#openDialog("unsatisfactory", "What needs to be changed?", "Request changes"));
    onClick("reject-masks", () => this.#openDialog("reject", "Why can this object not be masked?", "Reject the object"));
    byId("note-form").addEventListener("submit", (event) => this.#submitDialog(event));
    for (const type of ["pointermove", "pointerdown", "keydown", "wheel"]) {
      addEventListener(type, () => (this.#lastInput = Date.now()), { passive: true });
    }
    setInterval(() => this.#tick(), 1000);
  }

  /** Load and show the queue. */
  async load() {
    const { person, held, waiting, done } = await this.api.team();
    setText(byId("team-title"), `Hello ${person.name}`);
    const annotated = counted(done.annotated, "object");
    setText(byId("team-done"), `You have annotated ${annotated} and reviewed ${done.verified} so far.`);
    setChildren(byId("team-roles"), person.roles.map((role) => this.#card(role, waiting[role] ?? 0, held)));
  }

  /** @param {Role} role @param {number} count @param {Task[]} held */
  #card(role, count, held) {
    const { title, text, action } = ROLES[role];
    const mine = held.find((task) => task.role === role);
    const label = mine ? `Continue task ${mine.task}` : action;
    const status = mine ? "You have an open task" : count ? `${counted(count, "task")} waiting` : "No tasks waiting";
    return h("li", { class: "role-card" }, h("h2", {}, title), h("p", {}, text),
      h("p", { class: "quiet-text number" }, status),
      button({
        label, text: true, class: "primary", disabled: !count && !mine,
        onclick: (/** @type {any} */ event) => this.next(role, event.currentTarget),
      }));
  }

  /**
   * Open the next task, or show the queue if there is none.
   *
   * @param {Role} role @param {HTMLButtonElement} [pressed] is disabled until the server answers
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
      showError(error);
    }
  }

  /** Show the task that belongs to the open project. @param {string | null} project */
  async show(project) {
    const { held } = project ? await this.api.team() : { held: [] };
    const task = (this.#task = held.find((one) => one.project === project) ?? null);
    this.#seconds = 0;
    this.#lastRenewal = Date.now();
    byId("task-bar").hidden = !task;
    document.body.classList.toggle("reviewing", task?.role === "review");
    if (!task) return;
    setText(byId("task-name"), task.name ? `Task ${task.task}: ${task.name}` : `Task ${task.task}`);
    const instruction = task.state === "select" ? "Choose an object that has not been annotated yet." : "";
    setText(byId("task-note"), task.note ? `“${task.note}”` : instruction);
    byId("annotate-actions").hidden = task.role !== "annotate";
    byId("review-actions").hidden = task.role !== "review";
    setChildren(byId("task-frames"), task.frames.slice(0, MAX_FRAMES).map((frame) =>
      button({
        label: String(frame), title: `Show frame ${frame}`, text: true, class: "small quiet number",
        onclick: () => this.editor.player.go(frame),
      })));
    byId("task-frames-row").hidden = !task.frames.length;
  }

  #tick() {
    if (!this.#task) return;
    const now = Date.now();
    if (document.visibilityState === "visible" && now - this.#lastInput < IDLE_AFTER * 1000) this.#seconds += 1;
    if (now - this.#lastRenewal < RENEW_INTERVAL * 1000) return;
    this.#lastRenewal = now;
    this.api.updateTask(this.#task.task, "renew").catch(showError);
  }

  /** @param {string} outcome */
  #judge(outcome, note = "", frames = /** @type {number[]} */ ([])) {
    return this.#end("verdict", { outcome, note, frames }, "Review saved.");
  }

  /**
   * @param {string} outcome of the task or of its review
   * @param {string} title @param {string} action
   */
  #openDialog(outcome, title, action) {
    this.dialog.dataset.outcome = outcome;
    setText(byId("note-title"), title);
    setText(byId("note-action"), action);
    byId("note-frame-row").hidden = outcome !== "unsatisfactory";
    setText(byId("note-frame-text"), `The current frame (${this.editor.store.state.frame}) is wrong`);
    inputById("note").value = "";
    this.dialog.showModal();
  }

  /** @param {Event} event */
  #submitDialog(event) {
    event.preventDefault();
    this.dialog.close();
    const note = inputById("note").value.trim();
    const outcome = this.dialog.dataset.outcome ?? "";
    const marked = outcome === "unsatisfactory" && inputById("note-frame").checked;
    if (outcome === "decline") this.#end("decline", { note }, "Task closed.");
    else this.#judge(outcome, note, marked ? [this.editor.store.state.frame] : []);
  }

  /**
   * End the current task.
   *
   * @param {TaskAction} action @param {object} body @param {string} message
   * @param {boolean} [openNext] whether to open the next task
   */
  async #end(action, body, message, openNext = true) {
    const task = this.#task;
    if (!task) return;
    const { session } = this.editor;
    session.finishing = true;
    try {
      await this.api.updateTask(task.task, action, body);
      this.#task = null;
      this.editor.close();
      toast(message);
      announce(message);
      if (openNext) await this.next(task.role);
      else location.hash = "";
    } catch (error) {
      showError(error);
    } finally {
      session.finishing = false;
    }
  }
}
