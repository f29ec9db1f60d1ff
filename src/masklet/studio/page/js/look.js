/** How the picture is shown and exported: effects on background and objects, their color, opacity of masks. */

/** @import {Effects, State} from "./types.js" */
/** @import {Store} from "./store.js" */

import { byId, fill, h } from "./dom.js";

/** @type {Record<string, string>} */
const NAMES = {
  original: "Original",
  overlay: "Color",
  outline: "Outline",
  blur: "Blur",
  pixelate: "Pixelate",
  desaturate: "Grey",
  darken: "Spotlight",
  erase: "Erase",
};

/** @type {Effects} */
export const PLAIN = { background: "original", object: "overlay", color: null, strength: 0.5 };

export class Look {
  /** @param {Store<State>} store */
  constructor(store) {
    this.store = store;
    this.color = /** @type {HTMLInputElement} */ (byId("effect-color"));
    this.opacity = /** @type {HTMLInputElement} */ (byId("mask-opacity"));
    this.color.addEventListener("input", () => this.#change({ color: this.color.value }));
    this.opacity.addEventListener("input", () => this.#change({ strength: Number(this.opacity.value) / 100 }));
    byId("effect-reset").addEventListener("click", () => store.set({ effects: PLAIN }));
    store.watch(["about"], () => this.#choices());
    store.watch(["effects", "about"], () => this.#show());
  }

  /** Whether the picture differs from the plain one with colored masks. */
  get plain() {
    const { background, object } = this.store.state.effects;
    return background === "original" && object === "overlay";
  }

  /** @param {Partial<Effects>} values */
  #change(values) {
    this.store.set({ effects: { ...this.store.state.effects, ...values } });
  }

  #choices() {
    const { about } = this.store.state;
    for (const part of /** @type {const} */ (["background", "object"])) {
      const choices = (about?.effects[part] ?? []).map((name) =>
        h("label", { class: "choice" },
          h("input", { type: "radio", name: `effect-${part}`, value: name, onchange: () => this.#change({ [part]: name }) }),
          h("span", {}, NAMES[name] ?? name)),
      );
      fill(byId(`effect-${part}`), choices);
    }
  }

  #show() {
    const { effects } = this.store.state;
    for (const part of /** @type {const} */ (["background", "object"])) {
      const chosen = byId(`effect-${part}`).querySelector(`input[value="${effects[part]}"]`);
      if (chosen instanceof HTMLInputElement) chosen.checked = true;
    }
    byId("color-row").hidden = effects.background !== "erase" && !["erase", "outline"].includes(effects.object);
    byId("opacity-row").hidden = effects.object !== "overlay";
    byId("effect-reset").hidden = this.plain;
    this.opacity.value = String(Math.round(effects.strength * 100));
    this.color.value = effects.color ?? "#000000";
    const automatic = effects.object === "outline" ? "as the objects" : "black";
    byId("effect-color-name").textContent = effects.color ?? automatic;
  }
}
