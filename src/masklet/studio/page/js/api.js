/** Client of the server's HTTP API, one method per endpoint; a failed call throws an `ApiError`. */

/** @import {About, ExportRequest, FrameAnswer, Job, MasksAnswer, Media, ObjectChange, Project, ProjectChange, ProjectEntry, PromptAnswer, PromptRequest, ProposalsAnswer, Rle, Role, Task, TaskAction, TeamAnswer, TimelineAnswer, TrackRequest, TrackedObject} from "./types.js" */

export class ApiError extends Error {
  /**
   * @param {number} status HTTP status, 0 if the server did not respond
   * @param {string} type @param {string} message
   */
  constructor(status, type, message) {
    super(message);
    this.status = status;
    this.type = type;
  }
}

export class Api {
  /** Prompts the user for the access token after a 401; set by the page. @type {() => Promise<void>} */
  requestToken = () => Promise.reject(new ApiError(401, "TokenError", "this studio needs a token"));

  /** @type {() => Promise<About>} */
  about = () => this.#call("GET", "/about");
  /** @type {() => Promise<TeamAnswer>} */
  team = () => this.#call("GET", "/team");
  /** The next task, or null if there is none. @type {(role: Role) => Promise<Task | null>} */
  nextTask = (role) => this.#call("POST", "/team/next", { role });
  /** @type {(task: number, action: TaskAction | "renew", body?: object) => Promise<any>} */
  updateTask = (task, action, body) => this.#call("POST", `/team/tasks/${task}/${action}`, body);
  /** @type {(token: string) => Promise<void>} */
  login = (token) => this.#send("POST", "/login", JSON.stringify({ token }));

  /** @type {() => Promise<ProjectEntry[]>} */
  projects = async () => (await this.#call("GET", "/projects")).projects;
  /** @type {() => Promise<{path: string, name: string, kind: string}[]>} */
  localFiles = async () => (await this.#call("GET", "/local")).files;
  /** @type {(path: string) => Promise<Media>} */
  openLocal = (path) => this.#call("POST", "/local", { path });
  /** @type {(media: string) => Promise<Project>} */
  createProject = (media) => this.#call("POST", "/projects", { media_id: media });
  /** @type {(id: string) => Promise<Project>} */
  project = (id) => this.#call("GET", `/projects/${id}`);
  /** @type {(id: string, change: ProjectChange) => Promise<Project>} */
  changeProject = (id, change) => this.#call("PATCH", `/projects/${id}`, change);
  /** @type {(id: string) => Promise<void>} */
  deleteProject = (id) => this.#call("DELETE", `/projects/${id}`);
  /** @type {(id: string, action: "undo" | "redo") => Promise<Project>} */
  history = (id, action) => this.#call("POST", `/projects/${id}/${action}`);

  /** @type {(id: string, object: number, change: ObjectChange) => Promise<TrackedObject>} */
  changeObject = (id, object, change) => this.#call("PATCH", `/projects/${id}/objects/${object}`, change);
  /** @type {(id: string, object: number) => Promise<void>} */
  deleteObject = (id, object) => this.#call("DELETE", `/projects/${id}/objects/${object}`);

  /** @type {(id: string, frame: number, request: PromptRequest) => Promise<PromptAnswer>} */
  prompt = (id, frame, request) => this.#call("POST", `/projects/${id}/frames/${frame}/prompts`, request);
  /** @type {(id: string, frame: number, object: number) => Promise<PromptAnswer>} */
  clearPrompts = (id, frame, object) => this.#call("DELETE", `/projects/${id}/frames/${frame}/prompts/${object}`);
  /** @type {(id: string, frame: number) => Promise<FrameAnswer>} */
  frame = (id, frame) => this.#call("GET", `/projects/${id}/frames/${frame}`);
  /** @type {(id: string, frame: number) => Promise<Job>} */
  proposals = (id, frame) => this.#call("POST", `/projects/${id}/frames/${frame}/proposals`, {});
  /** @type {(id: string, frame: number, masks: Rle[]) => Promise<ProposalsAnswer>} */
  addObjects = (id, frame, masks) => this.#call("POST", `/projects/${id}/frames/${frame}/objects`, { masks });

  /** Masks of frames start to end - 1. @type {(id: string, start: number, end: number) => Promise<MasksAnswer>} */
  masks = (id, start, end) => this.#call("GET", `/projects/${id}/masks?start=${start}&end=${end}`);
  /** @type {(id: string) => Promise<TimelineAnswer>} */
  timeline = (id) => this.#call("GET", `/projects/${id}/timeline`);

  /** @type {(id: string, request: TrackRequest) => Promise<Job>} */
  track = (id, request) => this.#call("POST", `/projects/${id}/track`, request);
  /** @type {(id: string, request: ExportRequest) => Promise<Job>} */
  export = (id, request) => this.#call("POST", `/projects/${id}/exports`, request);
  /** @type {(id: string) => Promise<Job[]>} */
  jobs = async (id) => (await this.#call("GET", `/projects/${id}/jobs`)).jobs;
  /** @type {(id: string) => Promise<Job>} */
  cancel = (id) => this.#call("DELETE", `/jobs/${id}`);

  /** Presentation times in seconds; empty if the media has none. @type {(media: Media) => Promise<number[]>} */
  timestamps = async ({ id, num_frames }) =>
    (await this.#call("GET", `/media/${id}/timestamps?start=0&end=${num_frames}`)).timestamps;
  /** URL of the image of a frame. @type {(media: Media, frame: number, width: number) => string} */
  frameUrl = ({ id, version }, frame, width) =>
    `/api/media/${id}/frames/${frame}?v=${encodeURIComponent(version)}&width=${width}&format=jpeg`;

  /** Create a folder for uploads and return its id. @type {(name: string) => Promise<string>} */
  createFolder = async (name) => (await this.#call("POST", "/folders", { name })).id;
  /** @type {(id: string) => Promise<Media>} */
  closeFolder = (id) => this.#call("POST", `/folders/${id}/close`);

  /**
   * Upload a file and report progress, which fetch cannot.
   *
   * @param {"POST" | "PUT"} method @param {string} path @param {File} file
   * @param {(fraction: number) => void} onProgress @param {AbortSignal} [signal]
   * @returns {Promise<any>}
   */
  upload(method, path, file, onProgress, signal) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open(method, `/api${path}`);
      request.setRequestHeader("X-Masklet", "1");
      request.setRequestHeader("Content-Type", "application/octet-stream");
      request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
      request.onload = () => {
        const answer = parseJson(request.responseText);
        if (request.status < 300) resolve(answer);
        else reject(responseError(request.status, answer, 0));
      };
      request.onerror = () => reject(unreachableError());
      request.onabort = () => reject(new DOMException("upload canceled", "AbortError"));
      signal?.addEventListener("abort", () => request.abort());
      request.send(file);
    });
  }

  /** @param {string} method @param {string} path @param {object} [body] @returns {Promise<any>} */
  async #call(method, path, body) {
    const text = body === undefined ? undefined : JSON.stringify(body);
    try {
      return await this.#send(method, path, text);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      await this.requestToken();
      return this.#send(method, path, text);
    }
  }

  /** @param {string} method @param {string} path @param {string} [body] @returns {Promise<any>} */
  async #send(method, path, body) {
    const headers = new Headers({ "X-Masklet": "1" });
    if (body !== undefined) headers.set("Content-Type", "application/json");
    const response = await fetch(`/api${path}`, { method, headers, body: body ?? null, cache: "no-store" }).catch(() => {
      throw unreachableError();
    });
    const answer = parseJson(await response.text());
    if (!response.ok) throw responseError(response.status, answer, Number(response.headers.get("Retry-After")));
    return answer;
  }
}

/** @param {string} text */
function parseJson(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

/** @param {number} status @param {any} answer @param {number} retryAfter seconds, 0 if not given */
function responseError(status, answer, retryAfter) {
  const { type = "Error", message = `the server responded with status ${status}` } = answer?.error ?? {};
  return new ApiError(status, type, retryAfter ? `${message} (try again in ${retryAfter} s)` : message);
}

function unreachableError() {
  return new ApiError(0, "OfflineError", "The studio server does not respond. Check that it is still running.");
}
