/** The calls of the server, one method each; a failed one throws the server's sentence. */

/** @import {About, Box, Candidate, Click, Effects, FrameAnswer, FrameResult, Job, Media, Project, ProjectEntry, PromptAnswer, PromptRequest, Role, Task, TeamAnswer, TimelineAnswer, TrackedObject, TrackRequest, Rle} from "./types.js" */

export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} type
   * @param {string} message
   */
  constructor(status, type, message) {
    super(message);
    this.status = status;
    this.type = type;
  }
}

export class Api {
  /** Asks a person for the token; set by the page. @type {() => Promise<void>} */
  askToken = () => Promise.reject(new ApiError(401, "TokenError", "this studio needs a token"));

  /** @returns {Promise<About>} */
  about() {
    return this.#call("GET", "/about");
  }

  /** @returns {Promise<TeamAnswer>} */
  team() {
    return this.#call("GET", "/team");
  }

  /**
   * @param {Role} role
   * @returns {Promise<Task | null>} null when there is none
   */
  nextTask(role) {
    return this.#call("POST", "/team/next", { role });
  }

  /**
   * @param {number} task
   * @param {string} how submit, decline, release, verdict, or renew
   * @param {object | undefined} body
   */
  endTask(task, how, body) {
    return this.#call("POST", `/team/tasks/${task}/${how}`, body);
  }

  /** @param {string} token */
  async login(token) {
    await this.#send("POST", "/login", JSON.stringify({ token }));
  }

  /** @returns {Promise<ProjectEntry[]>} */
  async projects() {
    return (await this.#call("GET", "/projects")).projects;
  }

  /** @returns {Promise<{path: string, name: string, kind: string}[]>} */
  async localFiles() {
    return (await this.#call("GET", "/local")).files;
  }

  /**
   * @param {string} path
   * @returns {Promise<Media>}
   */
  openLocal(path) {
    return this.#call("POST", "/local", { path });
  }

  /**
   * @param {string} media
   * @returns {Promise<Project>}
   */
  createProject(media) {
    return this.#call("POST", "/projects", { media_id: media });
  }

  /**
   * @param {string} id
   * @returns {Promise<Project>}
   */
  project(id) {
    return this.#call("GET", `/projects/${id}`);
  }

  /**
   * @param {string} id
   * @param {{name?: string, in?: number, out?: number, specks?: number, holes?: number}} change
   * @returns {Promise<Project>}
   */
  changeProject(id, change) {
    return this.#call("PATCH", `/projects/${id}`, change);
  }

  /** @param {string} id */
  deleteProject(id) {
    return this.#call("DELETE", `/projects/${id}`);
  }

  /**
   * @param {string} id
   * @param {"undo" | "redo"} way
   * @returns {Promise<Project>}
   */
  history(id, way) {
    return this.#call("POST", `/projects/${id}/${way}`);
  }

  /**
   * @param {string} id
   * @param {number} object
   * @param {Partial<Pick<TrackedObject, "name" | "color" | "hidden" | "locked">>} change
   * @returns {Promise<TrackedObject>}
   */
  changeObject(id, object, change) {
    return this.#call("PATCH", `/projects/${id}/objects/${object}`, change);
  }

  /**
   * @param {string} id
   * @param {number} object
   */
  deleteObject(id, object) {
    return this.#call("DELETE", `/projects/${id}/objects/${object}`);
  }

  /**
   * @param {string} id
   * @param {number} frame
   * @param {PromptRequest} request
   * @returns {Promise<PromptAnswer>}
   */
  prompt(id, frame, request) {
    return this.#call("POST", `/projects/${id}/frames/${frame}/prompts`, request);
  }

  /**
   * @param {string} id
   * @param {number} frame
   * @param {number} object
   * @returns {Promise<PromptAnswer>}
   */
  clearPrompt(id, frame, object) {
    return this.#call("DELETE", `/projects/${id}/frames/${frame}/prompts/${object}`);
  }

  /**
   * @param {string} id
   * @param {number} frame
   * @returns {Promise<FrameAnswer>}
   */
  frame(id, frame) {
    return this.#call("GET", `/projects/${id}/frames/${frame}`);
  }

  /**
   * @param {string} id
   * @param {number} frame
   * @param {{clicks?: Click[], box?: Box}} prompt
   * @returns {Promise<Candidate[]>}
   */
  async candidates(id, frame, prompt) {
    return (await this.#call("POST", `/projects/${id}/frames/${frame}/candidates`, prompt)).candidates;
  }

  /**
   * @param {string} id
   * @param {number} frame
   * @returns {Promise<Job>}
   */
  proposals(id, frame) {
    return this.#call("POST", `/projects/${id}/frames/${frame}/proposals`, {});
  }

  /**
   * @param {string} id
   * @param {number} frame
   * @param {Rle[]} masks
   * @returns {Promise<{revision: number, frame: FrameResult, objects: TrackedObject[]}>}
   */
  addObjects(id, frame, masks) {
    return this.#call("POST", `/projects/${id}/frames/${frame}/objects`, { masks });
  }

  /**
   * @param {string} id
   * @param {number} start
   * @param {number} end
   * @returns {Promise<{revision: number, frames: FrameResult[]}>}
   */
  masks(id, start, end) {
    return this.#call("GET", `/projects/${id}/masks?start=${start}&end=${end}`);
  }

  /**
   * @param {string} id
   * @returns {Promise<TimelineAnswer>}
   */
  timeline(id) {
    return this.#call("GET", `/projects/${id}/timeline`);
  }

  /**
   * @param {string} id
   * @param {TrackRequest} request
   * @returns {Promise<Job>}
   */
  track(id, request) {
    return this.#call("POST", `/projects/${id}/track`, request);
  }

  /**
   * @param {string} id
   * @param {{form: string, objects?: number[], start?: number, end?: number, effects?: Effects}} request
   * @returns {Promise<Job>}
   */
  export(id, request) {
    return this.#call("POST", `/projects/${id}/exports`, request);
  }

  /**
   * @param {string} id
   * @returns {Promise<Job[]>}
   */
  async jobs(id) {
    return (await this.#call("GET", `/projects/${id}/jobs`)).jobs;
  }

  /**
   * @param {string} id
   * @returns {Promise<Job>}
   */
  cancel(id) {
    return this.#call("DELETE", `/jobs/${id}`);
  }

  /**
   * @param {string} media
   * @param {number} start
   * @param {number} end
   * @returns {Promise<number[]>} seconds; empty where pictures have no clock
   */
  async timestamps(media, start, end) {
    return (await this.#call("GET", `/media/${media}/timestamps?start=${start}&end=${end}`)).timestamps;
  }

  /**
   * @param {Media} media
   * @param {number} frame
   * @param {number} width
   * @returns {string} address of the picture
   */
  frameUrl(media, frame, width) {
    return `/api/media/${media.id}/frames/${frame}?v=${encodeURIComponent(media.version)}&width=${width}&format=jpeg`;
  }

  /**
   * @param {string} name of the folder
   * @returns {Promise<string>} its id
   */
  async createFolder(name) {
    return (await this.#call("POST", "/folders", { name })).id;
  }

  /**
   * @param {string} id
   * @returns {Promise<Media>}
   */
  closeFolder(id) {
    return this.#call("POST", `/folders/${id}/close`);
  }

  /**
   * Send a file with progress, which fetch does not tell.
   *
   * @param {"POST" | "PUT"} method
   * @param {string} path
   * @param {File} file
   * @param {(part: number) => void} progress called with 0 to 1
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>}
   */
  upload(method, path, file, progress, signal) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open(method, `/api${path}`);
      request.setRequestHeader("X-Masklet", "1");
      request.setRequestHeader("Content-Type", "application/octet-stream");
      request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
      request.onload = () => {
        const answer = parsed(request.responseText);
        if (request.status < 300) resolve(answer);
        else reject(failure(request.status, answer, 0));
      };
      request.onerror = () => reject(unreachable());
      request.onabort = () => reject(new DOMException("stopped", "AbortError"));
      signal?.addEventListener("abort", () => request.abort());
      request.send(file);
    });
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @returns {Promise<any>}
   */
  async #call(method, path, body) {
    const text = body === undefined ? undefined : JSON.stringify(body);
    try {
      return await this.#send(method, path, text);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      await this.askToken();
      return this.#send(method, path, text);
    }
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {string} [body]
   * @returns {Promise<any>}
   */
  async #send(method, path, body) {
    const headers = new Headers({ "X-Masklet": "1" });
    if (body !== undefined) headers.set("Content-Type", "application/json");
    const response = await fetch(`/api${path}`, { method, headers, body: body ?? null, cache: "no-store" }).catch(() => {
      throw unreachable();
    });
    const answer = parsed(await response.text());
    if (!response.ok) throw failure(response.status, answer, Number(response.headers.get("Retry-After")));
    return answer;
  }
}

/** @param {string} text */
function parsed(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

/**
 * @param {number} status
 * @param {any} answer
 * @param {number} wait seconds after which it may work
 */
function failure(status, answer, wait) {
  const said = answer?.error;
  const message = said?.message ?? `the server answered with status ${status}`;
  return new ApiError(status, said?.type ?? "Error", wait ? `${message} (try again in ${wait} s)` : message);
}

function unreachable() {
  return new ApiError(0, "OfflineError", "The studio's server does not answer: is it still running?");
}
