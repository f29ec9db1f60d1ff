/** The server's events of one project over a WebSocket that comes back by itself. */

const SLOWEST = 10_000;

export class Events {
  /** @type {WebSocket | null} */
  #socket = null;
  #wait = 500;
  #seq = 0;
  #timer = 0;

  /**
   * @param {string} project
   * @param {{message: (message: any) => void, online: (online: boolean) => void, refused: () => void}} handlers
   */
  constructor(project, handlers) {
    this.project = project;
    this.handlers = handlers;
    this.#open();
  }

  /**
   * Ask what a click would give; only the newest question is answered.
   *
   * @param {object} question
   * @returns {number} the number of the answer, 0 when nobody listens
   */
  hover(question) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return 0;
    this.#seq += 1;
    this.#socket.send(JSON.stringify({ type: "hover", seq: this.#seq, ...question }));
    return this.#seq;
  }

  close() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/api/projects/${this.project}/events`);
    this.#socket = socket;
    socket.onopen = () => {
      this.#wait = 500;
      this.handlers.online(true);
    };
    socket.onmessage = (event) => this.handlers.message(JSON.parse(event.data));
    socket.onclose = (event) => {
      if (this.#socket !== socket) return;
      this.handlers.online(false);
      if (event.code === 4404) return this.handlers.refused();
      this.#timer = setTimeout(() => this.#open(), this.#wait);
      this.#wait = Math.min(SLOWEST, this.#wait * 2);
    };
  }
}
