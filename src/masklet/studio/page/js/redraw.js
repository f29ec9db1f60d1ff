/** Drawing when the screen is drawn next, however often it is asked for. */

/**
 * @param {() => void} draw
 * @returns {() => void} asks for a drawing
 */
export function soon(draw) {
  let due = false;
  return () => {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      draw();
    });
  };
}
