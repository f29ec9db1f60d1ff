/** Light or dark theme: that of the system until the user chooses one. */

import { setLabel } from "./dom.js";
import { setIcon } from "./icons.js";

const KEY = "masklet.theme";

/** @returns {"light" | "dark"} */
function currentTheme() {
  const chosen = localStorage.getItem(KEY);
  if (chosen === "light" || chosen === "dark") return chosen;
  return matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
}

/**
 * @param {HTMLElement} button switches the theme
 * @param {() => void} onChange
 */
export function bindTheme(button, onChange) {
  const apply = () => {
    const theme = currentTheme();
    document.documentElement.dataset.theme = theme;
    setIcon(button, theme === "dark" ? "sun" : "moon");
    setLabel(button, theme === "dark" ? "Use the light theme" : "Use the dark theme");
    onChange();
  };
  matchMedia("(prefers-color-scheme: light)").addEventListener("change", apply);
  button.addEventListener("click", () => {
    localStorage.setItem(KEY, currentTheme() === "dark" ? "light" : "dark");
    apply();
  });
  apply();
}
