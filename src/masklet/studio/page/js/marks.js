/** Marks over the image: clicks, boxes, the brush cursor and the crosshair. */

/** @import {Point, Prompt} from "./types.js" */
/** @import {Viewport} from "./viewport.js" */

const HALO = "rgb(0 0 0 / 65%)";
const WHITE = "#ffffff";

export class Marks {
  /** @param {CanvasRenderingContext2D} context in screen pixels @param {Viewport} viewport */
  constructor(context, viewport) {
    this.context = context;
    this.viewport = viewport;
  }

  /** @param {Prompt} prompt @param {string} color @param {boolean} isActive whether its object is the active one */
  prompt({ box, clicks }, color, isActive, alpha = isActive ? 1 : 0.75) {
    this.context.globalAlpha = alpha;
    if (box) this.box({ x: box[0], y: box[1] }, { x: box[2], y: box[3] }, color);
    for (const { x, y, positive } of clicks) {
      this.#click(this.viewport.toScreen({ x: x + 0.5, y: y + 0.5 }), positive, color, isActive ? 8 : 5);
    }
    this.context.globalAlpha = 1;
  }

  /** @param {Point} from corner in the image @param {Point} to @param {string} color @param {number[]} [dash] */
  box(from, to, color, dash) {
    const a = this.viewport.toScreen(from);
    const b = this.viewport.toScreen(to);
    this.#stroke([[3.5, HALO], [1.5, color]], () => this.context.rect(a.x, a.y, b.x - a.x, b.y - a.y), dash);
  }

  /** @param {Point} center in the image @param {number} radius in image pixels @param {boolean} erases */
  brushCursor(center, radius, erases) {
    const { x, y } = this.viewport.toScreen(center);
    const circle = () => this.context.arc(x, y, Math.max(2, radius * this.viewport.scale), 0, 2 * Math.PI);
    this.#stroke([[3, HALO], [1.5, WHITE]], circle, erases ? [5, 4] : []);
  }

  /** @param {Point} at in the image */
  crosshair(at) {
    const { x, y } = this.viewport.toScreen(at);
    this.#stroke([[4, HALO], [1.5, WHITE]], () => {
      for (const [dx, dy] of /** @type {[number, number][]} */ ([[1, 0], [-1, 0], [0, 1], [0, -1]])) {
        this.context.moveTo(x + dx * 5, y + dy * 5);
        this.context.lineTo(x + dx * 18, y + dy * 18);
      }
    });
  }

  /**
   * A disk with a plus, or a ring with a minus, which can be distinguished without color.
   *
   * @param {Point} at on the screen @param {boolean} positive @param {string} color @param {number} radius
   */
  #click({ x, y }, positive, color, radius) {
    const { context } = this;
    for (const [size, style] of /** @type {[number, string][]} */ ([[radius + 1.5, HALO], [radius, positive ? color : WHITE]])) {
      context.beginPath();
      context.arc(x, y, size, 0, 2 * Math.PI);
      context.fillStyle = style;
      context.fill();
    }
    context.lineWidth = 1.5;
    context.strokeStyle = positive ? WHITE : color;
    context.stroke();
    if (radius < 6) return;
    const arm = radius * 0.5;
    context.lineCap = "round";
    this.#stroke(positive ? [[3.5, HALO], [2, WHITE]] : [[3.5, WHITE], [2, "#17181b"]], () => {
      context.moveTo(x - arm, y);
      context.lineTo(x + arm, y);
      if (!positive) return;
      context.moveTo(x, y - arm);
      context.lineTo(x, y + arm);
    });
  }

  /**
   * Stroke a path with several lines on top of each other, so that it is visible on any background.
   *
   * @param {[width: number, style: string][]} lines @param {() => void} path @param {number[]} [dash]
   */
  #stroke(lines, path, dash = []) {
    this.context.setLineDash(dash);
    for (const [width, style] of lines) {
      this.context.lineWidth = width;
      this.context.strokeStyle = style;
      this.context.beginPath();
      path();
      this.context.stroke();
    }
    this.context.setLineDash([]);
  }
}
