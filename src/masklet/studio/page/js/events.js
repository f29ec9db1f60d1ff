/** The server's event stream of one project: a WebSocket that reconnects when the connection is lost. */

const FIRST_DELAY = 500; // milliseconds before the first attempt to reconnect
const MAX_DELAY = 10_000;
const NO_PROJECT = 4404; // close code of the server

export class Events {
  /** @type {WebSocket | null} */
  #socket = null;
  #delay = FIRST_DELAY;
  #seq = 0;
  #timer = 0;

  /**
   * @param {string} project
   * @param {{onMessage: (message: any) => void, onStatus: (online: boolean) => void, onMissing: () => void}} handlers
   *   onMissing: the project does not exist
   */
  constructor(project, handlers) {
    this.project = project;
    this.handlers = handlers;
    this.#open();
  }

  /**
   * Request the preview of a click; the server answers only the newest request.
   *
   * @param {object} request
   * @returns {number} sequence number of the answer, 0 if the connection is closed
   */
  requestPreview(request) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return 0;
    this.#seq += 1;
    this.#socket.send(JSON.stringify({ type: "hover", seq: this.#seq, ...request }));
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
      this.#delay = FIRST_DELAY;
      this.handlers.onStatus(true);
    };
    socket.onmessage = (event) => this.handlers.onMessage(JSON.parse(event.data));
    socket.onclose = (event) => {
      if (this.#socket !== socket) return;
      this.handlers.onStatus(false);
      if (event.code === NO_PROJECT) return this.handlers.onMissing();
      this.#timer = setTimeout(() => this.#open(), this.#delay);
      this.#delay = Math.min(MAX_DELAY, this.#delay * 2);
    };
  }
}
