/** Light or dark: as the system says, until somebody chooses. */

import { setIcon } from "./icons.js";

const KEY = "masklet.theme";

/** @returns {"light" | "dark"} */
export function currentTheme() {
  const chosen = localStorage.getItem(KEY);
  if (chosen === "light" || chosen === "dark") return chosen;
  return matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
}

/**
 * @param {HTMLElement} button switches the theme
 * @param {() => void} changed
 */
export function followTheme(button, changed) {
  const apply = () => {
    const theme = currentTheme();
    document.documentElement.dataset.theme = theme;
    setIcon(button, theme === "dark" ? "sun" : "moon");
    const label = theme === "dark" ? "Use the light theme" : "Use the dark theme";
    button.setAttribute("aria-label", label);
    button.title = label;
    changed();
  };
  matchMedia("(prefers-color-scheme: light)").addEventListener("change", apply);
  button.addEventListener("click", () => {
    localStorage.setItem(KEY, currentTheme() === "dark" ? "light" : "dark");
    apply();
  });
  apply();
}
