/** Types of the JSON exchanged with the server, and of the page's state. */

/**
 * @typedef {{size: [number, number], counts: string}} Rle
 * @typedef {{id: string, name: string, kind: "video" | "image" | "folder", width: number, height: number,
 *   num_frames: number, fps: number | null, version: string, uploaded: boolean, created: string}} Media
 * @typedef {{id: number, name: string, color: string, hidden: boolean, locked: boolean}} TrackedObject
 * @typedef {Partial<Omit<TrackedObject, "id">>} ObjectChange
 * @typedef {{id: string, name: string, media: Media, revision: number, in: number, out: number, specks: number,
 *   holes: number, objects: TrackedObject[], undo: string | null, redo: string | null, jobs: Job[]}} Project
 * @typedef {Partial<Pick<Project, "name" | "in" | "out" | "specks" | "holes">>} ProjectChange
 * @typedef {{id: string, name: string, media: Media, num_objects: number, created: string, changed: string}} ProjectEntry
 * @typedef {"present" | "absent" | "uncertain"} Presence
 * @typedef {{mask: Rle, presence: number, iou: number, prompted: boolean, state: Presence}} ObjectFrame
 * @typedef {{frame: number, objects: Record<string, ObjectFrame>}} FrameResult
 * @typedef {{x: number, y: number, positive: boolean}} Click
 * @typedef {{x: number, y: number}} Point
 * @typedef {[number, number, number, number]} Box
 * @typedef {{clicks: Click[], box: Box | null, mask: Rle | null}} Prompt
 * @typedef {{mask: Rle, iou: number, stability: number, box: Box}} Candidate
 * @typedef {{mask: Rle, presence: number, iou: number}} Preview
 * @typedef {{object_id: number, clicks?: Click[], box?: Box, mask?: Rle, replace?: boolean, candidates?: boolean,
 *   candidate?: boolean}} PromptRequest
 * @typedef {{revision: number, frame: FrameResult, prompt: Prompt | null, candidates?: Candidate[],
 *   object?: TrackedObject, undo?: string}} PromptAnswer
 * @typedef {{revision: number, frame: FrameResult, prompts: Record<string, Prompt>}} FrameAnswer
 * @typedef {{revision: number, frame: FrameResult, objects: TrackedObject[]}} ProposalsAnswer
 * @typedef {{revision: number, frames: FrameResult[]}} MasksAnswer
 * @typedef {{object_id: number, runs: [number, number, Presence][], prompted: number[]}} LaneRuns
 * @typedef {{frame: number, object_id: number, reason: string, score: number}} ReviewItem
 * @typedef {{revision: number, num_frames: number, lanes: LaneRuns[], review: ReviewItem[]}} TimelineAnswer
 * @typedef {{id: string, project_id: string, kind: "track" | "export" | "proposals",
 *   state: "waiting" | "running" | "done" | "cancelled" | "failed", done: number, total: number, message: string,
 *   error: {type: string, message: string} | null, result: any, created: string}} Job
 * @typedef {{background: string, object: string, color: string | null, strength: number}} Effects strength: mask opacity
 * @typedef {{format: string, label: string, note: string, kind: string, effects: boolean, suffix: string}} ExportFormat
 * @typedef {{format: string, objects?: number[], start?: number, end?: number, effects?: Effects}} ExportRequest
 * @typedef {"annotate" | "review"} Role
 * @typedef {"submit" | "decline" | "release" | "verdict"} TaskAction
 * @typedef {{task: number, role: Role, state: string, name: string, project: string, frames: number[], note: string,
 *   seconds_left: number}} Task
 * @typedef {{person: {name: string, roles: Role[]}, held: Task[], waiting: Partial<Record<Role, number>>,
 *   done: {annotated: number, verified: number}}} TeamAnswer
 * @typedef {{version: string, team: boolean, model: {name: string, device: string, input_size: number},
 *   media_suffixes: string[], export_formats: ExportFormat[], effects: {background: string[], object: string[]}, palette: string[],
 *   limits: {upload_bytes: number, folder_files: number, objects: number, masks_frames: number}}} About
 * @typedef {{direction: "forward" | "backward" | "both", frame?: number, start?: number, end?: number,
 *   objects?: number[], until_agree?: boolean}} TrackRequest
 */

/**
 * Event that announces an edit. With `frame`, only its masks and those of the frames `stale` (first and last) have
 * changed, and the prompts of `objects`; without it, everything may have changed.
 *
 * @typedef {{what: string, revision: number, frame?: FrameResult | null, objects?: number[], undo?: string,
 *   stale?: [number, number] | null}} ChangedEvent
 */

/**
 * @typedef {import("./store.js").Store<State>} PageStore
 * @typedef {"include" | "exclude" | "box" | "brush" | "erase" | "pan"} Tool
 * @typedef {object} State
 * @property {About | null} about
 * @property {Project | null} project
 * @property {number} frame index of the current frame
 * @property {boolean} playing
 * @property {number | null} active the object that receives prompts; null: the next click creates an object
 * @property {Tool} tool
 * @property {number} brush diameter in image pixels
 * @property {Record<string, Prompt>} prompts prompts on the current frame, by object id
 * @property {Preview | null} preview predicted mask of a click at the pointer
 * @property {Candidate[]} candidates alternative masks for the last click
 * @property {{frame: number, object: number} | null} candidatesOf frame and object of that click
 * @property {number} candidate index of the displayed candidate, -1: the current mask
 * @property {Candidate[]} proposals automatically generated masks of the current frame
 * @property {ReadonlySet<number>} picked indices of the proposals to be added as objects
 * @property {ReviewItem[]} review
 * @property {Job[]} jobs unfinished jobs
 * @property {boolean} busy whether an edit is waiting for the server
 * @property {boolean} online whether the event connection is open
 * @property {Effects} effects
 * @property {number} resultsVersion increases whenever masks or lanes change
 * @property {{object: number, frame: number} | null} corrected a correction that has not been re-tracked yet
 */

export {};
