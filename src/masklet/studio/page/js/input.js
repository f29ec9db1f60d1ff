/** Pointer, wheel and touch on the picture: pan and zoom, and the gestures of the tools. */

/** @import {Viewer} from "./viewer.js" */
/** @import {Point} from "./viewport.js" */

/**
 * @typedef {object} Gestures points are in the picture
 * @property {() => boolean} pans whether a plain drag pans
 * @property {(at: Point, event: PointerEvent) => boolean} begin whether the drag belongs to the tool
 * @property {(at: Point, event: PointerEvent) => void} move
 * @property {(at: Point, event: PointerEvent) => void} end
 * @property {() => void} abandon
 * @property {(at: Point | null) => void} hover
 */

/**
 * @param {Viewer} viewer
 * @param {Gestures} gestures
 */
export function listen(viewer, gestures) {
  const { canvas, viewport } = viewer;
  /** @type {Map<number, Point>} pointers that are down, on the screen */
  const down = new Map();
  /** @type {"none" | "tool" | "pan" | "pinch"} */
  let mode = "none";

  const onScreen = (/** @type {MouseEvent} */ event) => {
    const { left, top } = canvas.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  };
  const inPicture = (/** @type {MouseEvent} */ event) => viewport.toPicture(onScreen(event));

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, onScreen(event));
    if (down.size === 2) {
      if (mode === "tool") gestures.abandon();
      mode = "pinch";
    } else if (down.size === 1) {
      const drags = event.button === 1 || gestures.pans();
      mode = !drags && gestures.begin(inPicture(event), event) ? "tool" : "pan";
    }
    canvas.classList.toggle("panning", mode === "pan");
  });

  canvas.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    const now = onScreen(event);
    if (!before) return gestures.hover(event.pointerType === "touch" ? null : inPicture(event));
    const others = [...down.entries()].filter(([id]) => id !== event.pointerId);
    down.set(event.pointerId, now);
    if (mode === "tool") gestures.move(inPicture(event), event);
    else if (mode === "pan") viewport.pan(now.x - before.x, now.y - before.y);
    else if (mode === "pinch" && others[0]) {
      const [, other] = others[0];
      const center = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
      viewport.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
      viewport.zoom(distance(now, other) / Math.max(1, distance(before, other)), center);
    }
    viewer.request();
  });

  const lift = (/** @type {PointerEvent} */ event) => {
    if (!down.delete(event.pointerId)) return;
    if (mode === "tool") {
      if (event.type === "pointerup") gestures.end(inPicture(event), event);
      else gestures.abandon();
    }
    if (!down.size) mode = "none";
    else if (mode === "tool") mode = "none";
    canvas.classList.remove("panning");
    viewer.request();
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("pointerleave", () => gestures.hover(null));
  // where text is selected, a press on the picture would drag the selection and cancel the gesture
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

/**
 * @param {Point} a
 * @param {Point} b
 */
function distance(a, b) {
  return Math.hypot(a.x - b.x, a.y - b.y);
}
