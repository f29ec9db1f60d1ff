/** Bringing videos, images and folders of images to the server, and opening a project of them. */

/** @import {Api} from "./api.js" */
/** @import {Media} from "./types.js" */

const PICTURES = /\.(png|jpe?g|webp|bmp|tiff?|gif)$/i;

/** @typedef {{files: File[], folder: string | null}} Offer what somebody dropped or chose; folder: its name */

/**
 * What was dropped, folders opened.
 *
 * @param {DataTransfer} transfer
 * @returns {Promise<Offer>}
 */
export async function offered(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry !== null && entry !== undefined);
  const folder = entries.find((entry) => entry.isDirectory);
  if (!folder) return { files: [...transfer.files], folder: null };
  return { files: await inside(/** @type {FileSystemDirectoryEntry} */ (folder)), folder: folder.name };
}

/**
 * @param {FileSystemDirectoryEntry} folder
 * @returns {Promise<File[]>}
 */
async function inside(folder) {
  const reader = folder.createReader();
  const files = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!entries.length) return files;
    for (const entry of entries) {
      if (!entry.isFile) continue;
      files.push(await new Promise((resolve, reject) => /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject)));
    }
  }
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
export async function send(api, { files, folder }, progress, signal) {
  const [first] = files;
  if (!first) throw new Error("There is no file in what was dropped.");
  if (files.length === 1 && folder === null) {
    const path = `/media?name=${encodeURIComponent(first.name)}`;
    return api.upload("POST", path, first, (part) => progress(`Sending ${first.name}`, part), signal);
  }
  const pictures = files.filter(({ name }) => PICTURES.test(name) && !name.startsWith("."));
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
