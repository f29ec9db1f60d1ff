/** Controls for the effects on background and objects, which the image and the exports show, and for mask opacity. */

/** @import {Effects, PageStore} from "./types.js" */

import { byId, h, inputById, onClick, setChildren, setText } from "./dom.js";

/** @type {Record<string, string>} */
const NAMES = {
  original: "Original",
  overlay: "Color",
  outline: "Outline",
  blur: "Blur",
  pixelate: "Pixelate",
  desaturate: "Grayscale",
  darken: "Spotlight",
  erase: "Erase",
};
const PARTS = /** @type {const} */ (["background", "object"]);

/** @type {Effects} */
export const DEFAULT_EFFECTS = { background: "original", object: "overlay", color: null, strength: 0.5 };

export class Appearance {
  /** @param {PageStore} store */
  constructor(store) {
    this.store = store;
    this.color = inputById("effect-color");
    this.opacity = inputById("mask-opacity");
    this.color.addEventListener("input", () => this.#change({ color: this.color.value }));
    this.opacity.addEventListener("input", () => this.#change({ strength: Number(this.opacity.value) / 100 }));
    onClick("effect-reset", () => store.set({ effects: DEFAULT_EFFECTS }));
    store.watch(["about"], () => this.#renderChoices());
    store.watch(["effects", "about"], () => this.#show());
  }

  /** Whether the frames are shown unchanged under colored masks. */
  get isDefault() {
    const { background, object } = this.store.state.effects;
    return background === "original" && object === "overlay";
  }

  /** @param {Partial<Effects>} values */
  #change(values) {
    this.store.set({ effects: { ...this.store.state.effects, ...values } });
  }

  #renderChoices() {
    const { about } = this.store.state;
    for (const part of PARTS) {
      setChildren(byId(`effect-${part}`), (about?.effects[part] ?? []).map((name) =>
        h("label", { class: "choice" },
          h("input", { type: "radio", name: `effect-${part}`, value: name, onchange: () => this.#change({ [part]: name }) }),
          h("span", {}, NAMES[name] ?? name))));
    }
  }

  #show() {
    const { effects } = this.store.state;
    for (const part of PARTS) {
      const chosen = byId(`effect-${part}`).querySelector(`input[value="${effects[part]}"]`);
      if (chosen instanceof HTMLInputElement) chosen.checked = true;
    }
    byId("color-row").hidden = effects.background !== "erase" && !["erase", "outline"].includes(effects.object);
    byId("opacity-row").hidden = effects.object !== "overlay";
    byId("effect-reset").hidden = this.isDefault;
    this.opacity.value = String(Math.round(effects.strength * 100));
    this.color.value = effects.color ?? "#000000";
    const automatic = effects.object === "outline" ? "object color" : "black";
    setText(byId("effect-color-name"), effects.color ?? automatic);
  }
}
