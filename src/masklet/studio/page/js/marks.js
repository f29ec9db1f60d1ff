/** Marks over the picture: clicks, boxes, the ring of the brush and the crosshair of the keyboard. */

/** @import {Prompt} from "./types.js" */
/** @import {Point, Viewport} from "./viewport.js" */

const HALO = "rgb(0 0 0 / 65%)";

/**
 * @param {CanvasRenderingContext2D} drawing
 * @param {Viewport} viewport
 * @param {Prompt} prompt
 * @param {string} color
 * @param {boolean} active whether prompts go to this object now
 * @param {number} [alpha]
 */
export function drawPrompt(drawing, viewport, prompt, color, active, alpha = 1) {
  drawing.globalAlpha = active ? alpha : 0.75;
  if (prompt.box) {
    const [x0, y0, x1, y1] = prompt.box;
    drawBox(drawing, viewport, { x: x0, y: y0 }, { x: x1, y: y1 }, color, false);
  }
  for (const click of prompt.clicks) {
    const { x, y } = viewport.toScreen({ x: click.x + 0.5, y: click.y + 0.5 });
    drawClick(drawing, x, y, click.positive, color, active ? 8 : 5);
  }
  drawing.globalAlpha = 1;
}

/**
 * A disk with a plus, or a ring with a minus: told apart without color.
 *
 * @param {CanvasRenderingContext2D} drawing
 * @param {number} x
 * @param {number} y
 * @param {boolean} positive
 * @param {string} color
 * @param {number} radius
 */
function drawClick(drawing, x, y, positive, color, radius) {
  drawing.beginPath();
  drawing.arc(x, y, radius + 1.5, 0, 2 * Math.PI);
  drawing.fillStyle = HALO;
  drawing.fill();
  drawing.beginPath();
  drawing.arc(x, y, radius, 0, 2 * Math.PI);
  drawing.fillStyle = positive ? color : "#ffffff";
  drawing.fill();
  drawing.lineWidth = 1.5;
  drawing.strokeStyle = positive ? "#ffffff" : color;
  drawing.stroke();
  if (radius < 6) return;
  const arm = radius * 0.5;
  const strokes = () => {
    drawing.beginPath();
    drawing.moveTo(x - arm, y);
    drawing.lineTo(x + arm, y);
    if (positive) {
      drawing.moveTo(x, y - arm);
      drawing.lineTo(x, y + arm);
    }
    drawing.stroke();
  };
  drawing.lineCap = "round";
  drawing.lineWidth = 3.5;
  drawing.strokeStyle = positive ? HALO : "#ffffff";
  strokes();
  drawing.lineWidth = 2;
  drawing.strokeStyle = positive ? "#ffffff" : "#17181b";
  strokes();
}

/**
 * @param {CanvasRenderingContext2D} drawing
 * @param {Viewport} viewport
 * @param {Point} from corner in the picture
 * @param {Point} to
 * @param {string} color
 * @param {boolean} draft
 */
export function drawBox(drawing, viewport, from, to, color, draft) {
  const a = viewport.toScreen(from);
  const b = viewport.toScreen(to);
  for (const [width, style] of /** @type {[number, string][]} */ ([[3.5, HALO], [1.5, color]])) {
    drawing.lineWidth = width;
    drawing.strokeStyle = style;
    drawing.setLineDash(draft ? [6, 4] : []);
    drawing.strokeRect(Math.min(a.x, b.x), Math.min(a.y, b.y), Math.abs(b.x - a.x), Math.abs(b.y - a.y));
  }
  drawing.setLineDash([]);
}

/**
 * @param {CanvasRenderingContext2D} drawing
 * @param {Viewport} viewport
 * @param {Point} center in the picture
 * @param {number} radius in pixels of the picture
 * @param {boolean} erasing
 */
export function drawRing(drawing, viewport, center, radius, erasing) {
  const { x, y } = viewport.toScreen(center);
  for (const [width, style] of /** @type {[number, string][]} */ ([[3, HALO], [1.5, "#ffffff"]])) {
    drawing.beginPath();
    drawing.arc(x, y, Math.max(2, radius * viewport.scale), 0, 2 * Math.PI);
    drawing.lineWidth = width;
    drawing.strokeStyle = style;
    drawing.setLineDash(erasing ? [5, 4] : []);
    drawing.stroke();
  }
  drawing.setLineDash([]);
}

/**
 * @param {CanvasRenderingContext2D} drawing
 * @param {Viewport} viewport
 * @param {Point} at in the picture
 */
export function drawCrosshair(drawing, viewport, at) {
  const { x, y } = viewport.toScreen(at);
  for (const [width, style] of /** @type {[number, string][]} */ ([[4, HALO], [1.5, "#ffffff"]])) {
    drawing.lineWidth = width;
    drawing.strokeStyle = style;
    drawing.beginPath();
    for (const [dx, dy] of /** @type {[number, number][]} */ ([[1, 0], [-1, 0], [0, 1], [0, -1]])) {
      drawing.moveTo(x + dx * 5, y + dy * 5);
      drawing.lineTo(x + dx * 18, y + dy * 18);
    }
    drawing.stroke();
  }
}
