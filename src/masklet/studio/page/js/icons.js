/** Icons of the page, drawn in a box of 16 x 16. */

const SVG = "http://www.w3.org/2000/svg";

/** SVG paths; a leading "!" marks a path that is filled instead of stroked. */
/** @type {Record<string, string[]>} */
const PATHS = {
  include: ["M8 3.2v9.6M3.2 8h9.6"],
  exclude: ["M3.2 8h9.6"],
  box: ["M2.8 5.2V2.8h2.4M10.8 2.8h2.4v2.4M13.2 10.8v2.4h-2.4M5.2 13.2H2.8v-2.4", "M6.4 2.8h3.2M6.4 13.2h3.2M2.8 6.4v3.2M13.2 6.4v3.2"],
  brush: ["M13.4 2.6c-2.6 1-5.4 3.6-6.9 6.1l1.4 1.4c2.5-1.5 5-4.8 5.5-7.5z", "M6 9.4c-1.6 0-2.5 1-2.5 2.4 0 .9-.6 1.4-1.3 1.5 2.7.8 5.3-.2 5.3-2.4"],
  erase: ["M9.3 2.9l4 4-6 6H4.5l-2-2z", "M6 6.2l4 4", "M7 13h6.5"],
  pan: ["M8 1.8v12.4M1.8 8h12.4", "M6.2 3.5L8 1.7l1.8 1.8M6.2 12.5L8 14.3l1.8-1.8M3.5 6.2L1.7 8l1.8 1.8M12.5 6.2L14.3 8l-1.8 1.8"],
  grid: ["M3 3h4v4H3zM9 3h4v4H9zM3 9h4v4H3zM9 9h4v4H9z"],
  absent: ["M2.8 5.2V2.8h2.4M10.8 2.8h2.4v2.4M13.2 10.8v2.4h-2.4M5.2 13.2H2.8v-2.4", "M5.9 5.9l4.2 4.2M10.1 5.9l-4.2 4.2"],
  undo: ["M5.5 3L2.5 6l3 3", "M2.7 6h6.5a3.6 3.6 0 0 1 0 7.2H6.5"],
  redo: ["M10.5 3l3 3-3 3", "M13.3 6H6.8a3.6 3.6 0 0 0 0 7.2h2.7"],
  play: ["!M4.5 2.7v10.6l8.8-5.3z"],
  pause: ["!M4 3h3v10H4zM9 3h3v10H9z"],
  next: ["M6 3.5L10.5 8 6 12.5"],
  previous: ["M10 3.5L5.5 8l4.5 4.5"],
  first: ["M3.5 3.5v9", "M12 3.5L7.5 8l4.5 4.5"],
  last: ["M12.5 3.5v9", "M4 3.5L8.5 8 4 12.5"],
  forward: ["M2.5 8h10.5M9 4l4 4-4 4"],
  back: ["M13.5 8H3M7 4L3 8l4 4"],
  both: ["M2 8h12M5 5L2 8l3 3M11 5l3 3-3 3"],
  markin: ["M9.5 3H6v10h3.5"],
  markout: ["M6.5 3H10v10H6.5"],
  eye: ["M1.5 8S4 3.8 8 3.8 14.5 8 14.5 8 12 12.2 8 12.2 1.5 8 1.5 8z", "M8 6.2a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6z"],
  hidden: ["M6.2 4c.6-.2 1.2-.2 1.8-.2 4 0 6.5 4.2 6.5 4.2s-.7 1.2-2 2.3M9.8 12c-.6.2-1.2.2-1.8.2C4 12.2 1.5 8 1.5 8s.8-1.3 2.1-2.4", "M2.5 2.5l11 11"],
  lock: ["M4 7.2h8v6H4z", "M5.7 7V5.2a2.3 2.3 0 0 1 4.6 0V7"],
  unlocked: ["M4 7.2h8v6H4z", "M5.7 7V5a2.3 2.3 0 0 1 4.5-.6"],
  trash: ["M2.8 4.3h10.4M6.3 4V2.6h3.4V4M4.2 4.5l.6 8.9h6.4l.6-8.9"],
  plus: ["M8 3.5v9M3.5 8h9"],
  minus: ["M3.5 8h9"],
  close: ["M4 4l8 8M12 4l-8 8"],
  check: ["M3 8.5l3.2 3.2L13 4.8"],
  help: ["M5.8 6.2A2.3 2.3 0 0 1 8 4.3c1.3 0 2.3.8 2.3 2 0 1.5-2.3 1.7-2.3 3.2", "!M7.3 11.2h1.4v1.4H7.3z"],
  sun: ["M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6z", "M8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9"],
  moon: ["M13.3 9.6A5.7 5.7 0 0 1 6.4 2.7a5.7 5.7 0 1 0 6.9 6.9z"],
  export: ["M8 10.2V2.5M5 5.3l3-3 3 3", "M3 9.5v3.7h10V9.5"],
  download: ["M8 2.5v7.7M5 7.3l3 3 3-3", "M3 11v2.3h10V11"],
  upload: ["M8 10.2V2.5M5 5.3l3-3 3 3", "M3 11v2.3h10V11"],
  film: ["M2.3 3.3h11.4v9.4H2.3z", "M5 3.5v9M11 3.5v9M2.5 8h11"],
  image: ["M2.3 3.3h11.4v9.4H2.3z", "M2.5 11l3.3-3.3 2.7 2.7 2-2 3 3"],
};

/** @param {string} name @returns {SVGSVGElement} */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  for (const shape of PATHS[name] ?? []) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", shape.replace("!", ""));
    if (shape.startsWith("!")) path.setAttribute("class", "solid");
    svg.append(path);
  }
  return svg;
}

/** Replace the icon of a button. @param {Element} button @param {string} name */
export function setIcon(button, name) {
  if (button.getAttribute("data-icon") === name) return;
  button.setAttribute("data-icon", name);
  button.querySelector(".icon")?.replaceWith(icon(name));
}
