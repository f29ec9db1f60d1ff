/** Uploads of videos, images and folders of images. */

/** @import {Api} from "./api.js" */
/** @import {Media} from "./types.js" */

import { counted } from "./format.js";

const IMAGES = /\.(png|jpe?g|webp|bmp|tiff?|gif)$/i;

/**
 * Files that the user dropped or chose.
 *
 * @typedef {{files: File[], folder: string | null, numNested: number}} Selection folder: its name; numNested: number of
 *   images in subfolders, which are left out because files of two folders may have the same name
 */

/**
 * Collect the files of a drop, including those of a folder.
 *
 * @param {DataTransfer} transfer
 * @returns {Promise<Selection>}
 */
export async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.());
  const folder = entries.find((entry) => entry?.isDirectory);
  if (!folder) return { files: [...transfer.files], folder: null, numNested: 0 };
  const files = [];
  let numNested = 0;
  for (const entry of await entriesOf(folder)) {
    if (entry.isDirectory) numNested += await countImages(entry);
    else files.push(await fileOf(/** @type {FileSystemFileEntry} */ (entry)));
  }
  return { files, folder: folder.name, numNested };
}

/**
 * Collect the files of a folder that was chosen in a dialog, for which the browser lists all files at any depth.
 *
 * @param {FileList | null} list
 * @returns {Selection}
 */
export function chosenFolder(list) {
  const all = [...(list ?? [])];
  const parts = (/** @type {File} */ { webkitRelativePath: path }) => path.split("/");
  const files = all.filter((file) => parts(file).length <= 2);
  const numNested = all.filter((file) => parts(file).length > 2 && isImage(file.name)).length;
  return { files, folder: all[0] ? (parts(all[0])[0] ?? null) || "Images" : null, numNested };
}

/** @type {(entry: FileSystemFileEntry) => Promise<File>} */
const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));

/** @param {FileSystemEntry} folder */
async function entriesOf(folder) {
  const reader = /** @type {FileSystemDirectoryEntry} */ (folder).createReader();
  /** @type {FileSystemEntry[]} */
  const found = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!entries.length) return found;
    found.push(...entries);
  }
}

/** @param {FileSystemEntry} folder @returns {Promise<number>} number of images at any depth */
async function countImages(folder) {
  let count = 0;
  for (const entry of await entriesOf(folder)) {
    if (entry.isDirectory) count += await countImages(entry);
    else if (isImage(entry.name)) count += 1;
  }
  return count;
}

/** @param {string} name */
function isImage(name) {
  return IMAGES.test(name) && !name.startsWith(".");
}

/**
 * Upload a selection: one file as it is, several images as a folder.
 *
 * @param {Api} api @param {Selection} selection @param {(text: string, fraction: number) => void} onProgress
 * @param {AbortSignal} signal
 * @returns {Promise<Media>}
 */
export async function uploadFiles(api, { files, folder, numNested }, onProgress, signal) {
  const [first] = files;
  const images = files.filter(({ name }) => isImage(name));
  if (numNested && !images.length) {
    throw new Error(`This folder contains only subfolders with ${counted(numNested, "image")}. Choose one of the subfolders.`);
  }
  if (!first) throw new Error("The selection contains no files. Choose a video, an image or a folder of images.");
  if (files.length === 1 && folder === null) {
    const path = `/media?name=${encodeURIComponent(first.name)}`;
    return api.upload("POST", path, first, (fraction) => onProgress(`Uploading ${first.name}`, fraction), signal);
  }
  if (!images.length) throw new Error("None of these files is an image. Choose one video at a time, or images.");
  const id = await api.createFolder(folder ?? "Images");
  for (const [index, file] of images.entries()) {
    const report = (/** @type {number} */ fraction) =>
      onProgress(`Uploading image ${index + 1} of ${images.length}`, (index + fraction) / images.length);
    await api.upload("PUT", `/folders/${id}/${encodeURIComponent(file.name)}`, file, report, signal);
  }
  return api.closeFolder(id);
}

/**
 * The latest project on a media, or a new one.
 *
 * @param {Api} api @param {Media} media
 * @returns {Promise<string>} id of the project
 */
export async function projectFor(api, media) {
  const existing = (await api.projects()).find((entry) => entry.media.id === media.id);
  return existing?.id ?? (await api.createProject(media.id)).id;
}
