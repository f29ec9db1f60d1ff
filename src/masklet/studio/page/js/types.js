/** The values the server and the page exchange, and the state of the page; types only. */

/**
 * @typedef {{size: [number, number], counts: string}} Rle
 * @typedef {{id: string, name: string, kind: "video" | "image" | "folder", width: number, height: number,
 *   num_frames: number, fps: number | null, version: string, uploaded: boolean, created: string}} Media
 * @typedef {{id: number, name: string, color: string, hidden: boolean, locked: boolean, prompted: number[],
 *   num_frames: number}} TrackedObject
 * @typedef {{id: string, name: string, media: Media, revision: number, in: number, out: number, specks: number,
 *   holes: number, objects: TrackedObject[], undo: string | null, redo: string | null, jobs: Job[]}} Project
 * @typedef {{id: string, name: string, media: Media, num_objects: number, created: string, changed: string}} ProjectEntry
 * @typedef {"present" | "absent" | "uncertain"} Presence
 * @typedef {{mask: Rle, presence: number, iou: number, prompted: boolean, state: Presence}} ObjectFrame
 * @typedef {{frame: number, objects: Record<string, ObjectFrame>}} FrameResult
 * @typedef {{x: number, y: number, positive: boolean}} Click
 * @typedef {[number, number, number, number]} Box
 * @typedef {{clicks: Click[], box: Box | null, mask: Rle | null}} Prompt
 * @typedef {{mask: Rle, iou: number, stability: number, box: Box}} Candidate
 * @typedef {{mask: Rle, presence: number, iou: number}} Preview
 * @typedef {{object_id: number, clicks?: Click[], box?: Box, mask?: Rle, replace?: boolean, candidates?: boolean,
 *   candidate?: boolean}} PromptRequest
 * @typedef {{revision: number, frame: FrameResult, prompt: Prompt | null, candidates?: Candidate[],
 *   object?: TrackedObject}} PromptAnswer
 * @typedef {{revision: number, frame: FrameResult, prompts: Record<string, Prompt>}} FrameAnswer
 * @typedef {{object_id: number, runs: [number, number, Presence][], prompted: number[]}} LaneRuns
 * @typedef {{frame: number, object_id: number, reason: string, score: number}} Doubt
 * @typedef {{revision: number, num_frames: number, lanes: LaneRuns[], review: Doubt[]}} TimelineAnswer
 * @typedef {{id: string, project_id: string, kind: "track" | "export" | "proposals",
 *   state: "waiting" | "running" | "done" | "cancelled" | "failed", done: number, total: number, message: string,
 *   error: {type: string, message: string} | null, result: any, created: string}} Job
 * @typedef {{background: string, object: string, color: string | null, strength: number}} Effects strength: opacity of masks
 * @typedef {{form: string, label: string, note: string, kind: string, effects: boolean, ending: string}} ExportForm
 * @typedef {"annotate" | "review"} Role
 * @typedef {{task: number, role: Role, state: string, name: string, project: string, frames: number[], note: string,
 *   seconds_left: number}} Task
 * @typedef {{person: {name: string, roles: Role[]}, held: Task[], waiting: Partial<Record<Role, number>>,
 *   done: {annotated: number, verified: number}}} TeamAnswer
 * @typedef {{version: string, team: boolean, model: {name: string, device: string, input_size: number}, media_suffixes: string[],
 *   export_forms: ExportForm[], effects: {background: string[], object: string[]}, palette: string[],
 *   limits: {upload_bytes: number, folder_files: number, objects: number, masks_frames: number}}} About
 * @typedef {{direction: "forward" | "backward" | "both", frame?: number, start?: number, end?: number,
 *   objects?: number[], until_agree?: boolean}} TrackRequest
 */

/**
 * What the page shows now.
 *
 * @typedef {"include" | "exclude" | "box" | "brush" | "erase" | "pan"} Tool
 * @typedef {object} State
 * @property {About | null} about
 * @property {Project | null} project
 * @property {number} frame the frame in sight
 * @property {boolean} playing
 * @property {number | null} active the object that prompts go to; null: the next click makes a new one
 * @property {Tool} tool
 * @property {number} brush diameter in pixels of the picture
 * @property {Record<string, Prompt>} prompts what was said on the frame in sight, by object
 * @property {Preview | null} preview what a click under the pointer would give
 * @property {Candidate[]} candidates other readings of the last click
 * @property {{frame: number, object: number} | null} clicked what that click was about
 * @property {number} candidate the reading in sight, -1: as it is
 * @property {Candidate[]} proposals everything on the frame in sight
 * @property {ReadonlySet<number>} picked proposals that are to become objects
 * @property {Doubt[]} review
 * @property {Job[]} jobs those that are not finished
 * @property {boolean} busy an answer to a prompt is due
 * @property {boolean} online the events of the server arrive
 * @property {Effects} effects
 * @property {number} drawn goes up when masks or lanes changed
 * @property {{object: number, frame: number} | null} corrected a correction that was not tracked on yet
 */

export {};
