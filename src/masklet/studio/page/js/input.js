/** Pointer, wheel and touch input on the image: pan, zoom, and the gestures of the tools. */

/** @import {Point} from "./types.js" */
/** @import {Viewer} from "./viewer.js" */

/**
 * @typedef {object} Gestures all points are in the image
 * @property {() => boolean} pans whether dragging pans the image
 * @property {(at: Point, event: PointerEvent) => boolean} begin returns false if the drag pans the image
 * @property {(at: Point) => void} move
 * @property {(at: Point, event: PointerEvent) => void} end
 * @property {() => void} cancel
 * @property {(at: Point | null) => void} hover
 */

/** @param {Viewer} viewer @param {Gestures} gestures */
export function listenToPointer(viewer, gestures) {
  const { canvas, viewport } = viewer;
  /** Pressed pointers, on the screen. @type {Map<number, Point>} */
  const pressed = new Map();
  /** @type {"none" | "tool" | "pan" | "pinch"} */
  let mode = "none";

  const onScreen = (/** @type {MouseEvent} */ event) => {
    const { left, top } = canvas.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  };
  const inImage = (/** @type {MouseEvent} */ event) => viewport.toImage(onScreen(event));

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pressed.set(event.pointerId, onScreen(event));
    if (pressed.size === 2) {
      if (mode === "tool") gestures.cancel();
      mode = "pinch";
    } else if (pressed.size === 1) {
      const pans = event.button === 1 || gestures.pans();
      mode = !pans && gestures.begin(inImage(event), event) ? "tool" : "pan";
    }
    canvas.classList.toggle("panning", mode === "pan");
  });

  canvas.addEventListener("pointermove", (event) => {
    const before = pressed.get(event.pointerId);
    const now = onScreen(event);
    if (!before) return gestures.hover(event.pointerType === "touch" ? null : inImage(event));
    const other = [...pressed].find(([id]) => id !== event.pointerId)?.[1];
    pressed.set(event.pointerId, now);
    if (mode === "tool") gestures.move(inImage(event));
    else if (mode === "pan") viewport.pan(now.x - before.x, now.y - before.y);
    else if (mode === "pinch" && other) {
      const center = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
      viewport.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
      viewport.zoom(distance(now, other) / Math.max(1, distance(before, other)), center);
    }
    viewer.request();
  });

  const release = (/** @type {PointerEvent} */ event) => {
    if (!pressed.delete(event.pointerId)) return;
    if (mode === "tool") {
      if (event.type === "pointerup") gestures.end(inImage(event), event);
      else gestures.cancel();
    }
    if (!pressed.size || mode === "tool") mode = "none";
    canvas.classList.remove("panning");
    viewer.request();
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => gestures.hover(null));
  // while text is selected, pressing the image would drag the selection and cancel the gesture
  canvas.addEventListener("dragstart", (event) => event.preventDefault());
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());

  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const pixels = event.deltaMode === 1 ? 24 : 1;
      if (event.shiftKey && !event.ctrlKey) viewport.pan(-(event.deltaX || event.deltaY) * pixels, 0);
      else viewport.zoom(Math.exp((-event.deltaY * pixels) / (event.ctrlKey ? 120 : 400)), onScreen(event));
      viewer.request();
    },
    { passive: false },
  );
}

/** @type {(a: Point, b: Point) => number} */
const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);
