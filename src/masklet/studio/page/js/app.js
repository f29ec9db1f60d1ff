/** Entry point of the page: shows the start page, the task queue or the editor, depending on the URL. */

/** @import {PageStore, State} from "./types.js" */

import { Api } from "./api.js";
import { DEFAULT_EFFECTS } from "./appearance.js";
import { byId, onClick, setText } from "./dom.js";
import { Editor } from "./editor.js";
import { icon } from "./icons.js";
import { listenToKeys } from "./keyboard.js";
import { bindLogin, loginFromUrl } from "./login.js";
import { shortcutsOf, showHelp } from "./shortcuts.js";
import { Start } from "./start.js";
import { Store } from "./store.js";
import { Team } from "./team.js";
import { bindTheme } from "./theme.js";
import { showError, toast } from "./toast.js";

const EFFECTS_KEY = "masklet.effects";

/** @type {PageStore} */
const store = new Store(/** @type {State} */ ({
  about: null, project: null, frame: 0, playing: false, active: null, tool: "include", brush: 40, prompts: {},
  preview: null, candidates: [], candidatesOf: null, candidate: -1, proposals: [], picked: new Set(), review: [],
  jobs: [], busy: false, online: true, effects: DEFAULT_EFFECTS, resultsVersion: 0, corrected: null,
}));

for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-icon]"))) {
  element.prepend(icon(element.dataset.icon ?? ""));
}

const api = new Api();
bindLogin(api);
const editor = new Editor(api, store);
const start = new Start(api, (project) => {
  location.hash = `#/p/${project}`;
});
const shortcuts = shortcutsOf(editor);
listenToKeys(shortcuts, () => Boolean(store.state.project));
onClick("help", () => showHelp(shortcuts));
bindTheme(byId("theme"), () => {
  editor.viewer.request();
  editor.timeline.request();
});
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", ({ target }) => {
    const isBackdrop = target === dialog && dialog.id !== "login-dialog";
    if (isBackdrop || (target instanceof Element && target.closest("[data-close]"))) dialog.close();
  });
}

const saved = localStorage.getItem(EFFECTS_KEY);
if (saved) store.set({ effects: { ...DEFAULT_EFFECTS, ...JSON.parse(saved) } });
store.watch(["effects"], () => localStorage.setItem(EFFECTS_KEY, JSON.stringify(store.state.effects)));

editor.session.onDeleted = () => {
  toast("This project was deleted.", "error");
  location.hash = "";
};

/** @type {Team | null} */
let team = null;

/** @param {boolean} editing */
function showView(editing) {
  byId("start").hidden = editing || team !== null;
  byId("team").hidden = editing || team === null;
  byId("editor").hidden = !editing;
  document.body.classList.toggle("editing", editing);
}

/** @param {boolean} isFirst whether the page has just been loaded */
async function route(isFirst) {
  const id = /^#\/p\/([\w-]+)$/.exec(location.hash)?.[1];
  try {
    if (id) {
      showView(true);
      await editor.open(id);
      await team?.show(id);
      document.title = `${editor.session.project.name} · masklet studio`;
      return;
    }
  } catch (error) {
    showError(error);
    history.replaceState(null, "", location.pathname);
  }
  editor.close();
  showView(false);
  document.title = "masklet studio";
  try {
    if (team) {
      await Promise.all([team.show(null), team.load()]);
      return;
    }
    const { local } = await start.load();
    const [only] = local;
    if (isFirst && only && local.length === 1) await start.openLocal(only.path);
  } catch (error) {
    showError(error);
  }
}

addEventListener("hashchange", () => route(false));
await loginFromUrl(api);
try {
  const about = await api.about();
  store.set({ about });
  setText(byId("model-name"), about.model.name);
  if (about.team) {
    team = new Team(api, editor);
    document.body.classList.add("in-team");
  }
} catch (error) {
  showError(error);
}
await route(true);
document.body.classList.add("ready");
