/** Bringing videos, images and folders of images to the server, and opening a project of them. */

/** @import {Api} from "./api.js" */
/** @import {Media} from "./types.js" */

import { counted } from "./format.js";

const PICTURES = /\.(png|jpe?g|webp|bmp|tiff?|gif)$/i;

/**
 * What somebody dropped or chose.
 *
 * @typedef {{files: File[], folder: string | null, deeper: number}} Offer folder: its name; deeper: how many images
 *   lie in folders inside it: those are left out, for files of two folders may have one name
 */

/**
 * What was dropped, folders opened.
 *
 * @param {DataTransfer} transfer
 * @returns {Promise<Offer>}
 */
export async function offered(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry !== null && entry !== undefined);
  const folder = entries.find((entry) => entry.isDirectory);
  if (!folder) return { files: [...transfer.files], folder: null, deeper: 0 };
  const inside = await entriesOf(/** @type {FileSystemDirectoryEntry} */ (folder));
  const files = [];
  let deeper = 0;
  for (const entry of inside) {
    if (entry.isDirectory) deeper += await countImages(/** @type {FileSystemDirectoryEntry} */ (entry));
    else files.push(await new Promise((resolve, reject) => /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject)));
  }
  return { files, folder: folder.name, deeper };
}

/**
 * What was chosen as a folder: the browser lists everything in it, at any depth.
 *
 * @param {FileList | null} list
 * @returns {Offer}
 */
export function chosenFolder(list) {
  const all = [...(list ?? [])];
  const parts = (/** @type {File} */ { webkitRelativePath: path }) => path.split("/");
  const files = all.filter((file) => parts(file).length <= 2);
  const deeper = all.filter((file) => parts(file).length > 2 && isImage(file.name)).length;
  return { files, folder: all[0] ? (parts(all[0])[0] ?? null) || "Images" : null, deeper };
}

/** @param {FileSystemDirectoryEntry} folder */
async function entriesOf(folder) {
  const reader = folder.createReader();
  /** @type {FileSystemEntry[]} */
  const found = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!entries.length) return found;
    found.push(...entries);
  }
}

/**
 * @param {FileSystemDirectoryEntry} folder
 * @returns {Promise<number>} at any depth
 */
async function countImages(folder) {
  let count = 0;
  for (const entry of await entriesOf(folder)) {
    if (entry.isDirectory) count += await countImages(/** @type {FileSystemDirectoryEntry} */ (entry));
    else if (isImage(entry.name)) count += 1;
  }
  return count;
}

/** @param {string} name */
function isImage(name) {
  return PICTURES.test(name) && !name.startsWith(".");
}

/**
 * Send what was offered: one file as it is, several pictures as a folder.
 *
 * @param {Api} api
 * @param {Offer} offer
 * @param {(text: string, part: number) => void} progress
 * @param {AbortSignal} signal
 * @returns {Promise<Media>}
 */
export async function send(api, { files, folder, deeper }, progress, signal) {
  const [first] = files;
  if (deeper && !files.some(({ name }) => isImage(name))) {
    throw new Error(`${counted(deeper, "image")} lie in folders inside this one: choose one of those folders.`);
  }
  if (!first) throw new Error("There is no file in what was dropped.");
  if (files.length === 1 && folder === null) {
    const path = `/media?name=${encodeURIComponent(first.name)}`;
    return api.upload("POST", path, first, (part) => progress(`Sending ${first.name}`, part), signal);
  }
  const pictures = files.filter(({ name }) => isImage(name));
  if (!pictures.length) throw new Error("Drop one video at a time, or images; there is no image among these files.");
  const id = await api.createFolder(folder ?? "Images");
  for (const [index, file] of pictures.entries()) {
    const told = (/** @type {number} */ part) =>
      progress(`Sending ${index + 1} of ${pictures.length} images`, (index + part) / pictures.length);
    await api.upload("PUT", `/folders/${id}/${encodeURIComponent(file.name)}`, file, told, signal);
  }
  return api.closeFolder(id);
}

/**
 * The newest project of a media, or a new one.
 *
 * @param {Api} api
 * @param {Media} media
 * @returns {Promise<string>} id of the project
 */
export async function projectOf(api, media) {
  const old = (await api.projects()).find((entry) => entry.media.id === media.id);
  return old?.id ?? (await api.createProject(media.id)).id;
}
