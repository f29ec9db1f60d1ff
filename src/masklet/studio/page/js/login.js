/** Asks for the token when the server wants one; takes it from the address of the page when it is there. */

/** @import {Api} from "./api.js" */

import { byId, say } from "./dom.js";

/**
 * @param {Api} api
 */
export function guard(api) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("login-dialog"));
  const field = /** @type {HTMLInputElement} */ (byId("token"));
  /** @type {Promise<void> | null} */
  let asking = null;
  api.askToken = () => {
    asking ??= new Promise((resolve) => {
      dialog.showModal();
      byId("login-form").onsubmit = async (event) => {
        event.preventDefault();
        try {
          await api.login(field.value.trim());
          dialog.close();
          asking = null;
          resolve();
        } catch (error) {
          say(byId("login-error"), error instanceof Error ? error.message : String(error));
          field.select();
        }
      };
    });
    return asking;
  };
  dialog.addEventListener("cancel", (event) => event.preventDefault());
}

/**
 * @param {Api} api
 */
export async function useTokenOfAddress(api) {
  const address = new URL(location.href);
  const token = address.searchParams.get("token");
  if (token === null) return;
  address.searchParams.delete("token");
  history.replaceState(null, "", address);
  await api.login(token).catch(() => {}); // a wrong one is asked for again
}
