/** The page: chooses between the start and the editor, and holds what both share. */

/** @import {State} from "./types.js" */

import { Api } from "./api.js";
import { byId } from "./dom.js";
import { Editor } from "./editor.js";
import { icon } from "./icons.js";
import { listenToKeys } from "./keyboard.js";
import { guard, useTokenOfAddress } from "./login.js";
import { PLAIN } from "./look.js";
import { shortcutsOf, silentShortcutsOf } from "./shortcuts.js";
import { Start } from "./start.js";
import { Store } from "./store.js";
import { Team } from "./team.js";
import { followTheme } from "./theme.js";
import { complain, toast } from "./toast.js";
import { showHelp } from "./help.js";

const LOOK = "masklet.look";

/** @type {Store<State>} */
const store = new Store(/** @type {State} */ ({
  about: null, project: null, frame: 0, playing: false, active: null, tool: "include", brush: 40, prompts: {},
  preview: null, candidates: [], clicked: null, candidate: -1, proposals: [], picked: new Set(), review: [], jobs: [], busy: false,
  online: true, effects: PLAIN, drawn: 0, corrected: null,
}));

for (const place of document.querySelectorAll("[data-icon]")) {
  place.prepend(icon(/** @type {HTMLElement} */ (place).dataset.icon ?? ""));
}

const api = new Api();
guard(api);
const editor = new Editor(api, store);
const start = new Start(api, (project) => {
  location.hash = `#/p/${project}`;
});
const shortcuts = shortcutsOf(editor);
listenToKeys([...shortcuts, ...silentShortcutsOf(editor)], () => Boolean(store.state.project));
byId("help").addEventListener("click", () => showHelp(shortcuts));
followTheme(byId("theme"), () => {
  editor.viewer.request();
  editor.timeline.request();
});
for (const close of document.querySelectorAll("[data-close]")) {
  close.addEventListener("click", () => close.closest("dialog")?.close());
}
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.id !== "login-dialog" && dialog.close());
}

const remembered = localStorage.getItem(LOOK);
if (remembered) store.set({ effects: { ...PLAIN, ...JSON.parse(remembered) } });
store.watch(["effects"], () => localStorage.setItem(LOOK, JSON.stringify(store.state.effects)));

editor.session.onGone = () => {
  toast("This project is no longer there.", "error");
  location.hash = "";
};

/** @type {Team | null} */
let team = null;

/** @param {boolean} editing */
function show(editing) {
  byId("start").hidden = editing || team !== null;
  byId("team").hidden = editing || team === null;
  byId("editor").hidden = !editing;
  document.body.classList.toggle("editing", editing);
}

/** @param {boolean} first whether the page has just been loaded */
async function route(first) {
  const id = /^#\/p\/([\w-]+)$/.exec(location.hash)?.[1];
  try {
    if (id) {
      show(true);
      await editor.open(id);
      await team?.show(id);
      document.title = `${editor.session.project.name} · masklet studio`;
      return;
    }
  } catch (error) {
    complain(error);
    history.replaceState(null, "", location.pathname);
  }
  editor.close();
  show(false);
  document.title = "masklet studio";
  try {
    if (team) {
      await Promise.all([team.show(null), team.load()]);
      return;
    }
    const { local } = await start.load();
    const [only] = local;
    if (first && only && local.length === 1) await start.openLocal(only.path);
  } catch (error) {
    complain(error);
  }
}

addEventListener("hashchange", () => route(false));
await useTokenOfAddress(api);
try {
  store.set({ about: await api.about() });
  byId("model-name").textContent = store.state.about?.model.name ?? "";
  if (store.state.about?.team) {
    team = new Team(api, editor);
    document.body.classList.add("in-team");
  }
} catch (error) {
  complain(error);
}
await route(true);
document.body.classList.add("ready");
