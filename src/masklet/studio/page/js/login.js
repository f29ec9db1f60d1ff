/** Login with an access token, from the URL of the page or from a dialog when the server requires it. */

/** @import {Api} from "./api.js" */

import { byId, dialogById, inputById, setText } from "./dom.js";

/** Open the login dialog whenever the server rejects a call without a token. @param {Api} api */
export function bindLogin(api) {
  const dialog = dialogById("login-dialog");
  const field = inputById("token");
  /** @type {Promise<void> | null} */
  let pending = null;
  api.requestToken = () => {
    pending ??= new Promise((resolve) => {
      dialog.showModal();
      byId("login-form").onsubmit = async (event) => {
        event.preventDefault();
        try {
          await api.login(field.value.trim());
          dialog.close();
          pending = null;
          resolve();
        } catch (error) {
          setText(byId("login-error"), error instanceof Error ? error.message : String(error));
          field.select();
        }
      };
    });
    return pending;
  };
  dialog.addEventListener("cancel", (event) => event.preventDefault());
}

/** Log in with the token of the page's URL, and remove it from there. @param {Api} api */
export async function loginFromUrl(api) {
  const url = new URL(location.href);
  const token = url.searchParams.get("token");
  if (token === null) return;
  url.searchParams.delete("token");
  history.replaceState(null, "", url);
  await api.login(token).catch(() => {}); // after a wrong token, the dialog opens with the first call
}
