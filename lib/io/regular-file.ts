import { closeSync, constants, fstatSync, openSync, type Stats } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { RewardModelScoreError } from "../errors.js";

/** Without O_NONBLOCK, which Windows lacks and needs not, opening a pipe waits for somebody to write into it. */
const READ = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** More than any text of a model has; `JSON.parse` of more would take the memory of the process. */
export const LONGEST_TEXT = 256 * 1024 * 1024;

/**
 * Opens a file of a model for reading. What is no regular file (a pipe, a socket, a device, a folder) would be waited
 * for, or is endless: it is refused. Links to files are followed, the Hub's cache consists of them.
 *
 * @throws ERR_IO for what is no regular file, and the system's own errors
 */
export async function openRegularFile(path: string): Promise<FileHandle> {
  const file = await open(path, READ);
  try {
    requireRegularFile(path, await file.stat());
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The same at once, as a descriptor. */
export function openRegularFileSync(path: string): number {
  const file = openSync(path, READ);
  try {
    requireRegularFile(path, fstatSync(file));
    return file;
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

/** @throws ERR_IO */
export function requireRegularFile(path: string, stats: Stats): void {
  if (stats.isFile()) return;
  const kind = stats.isDirectory() ? "a folder" : stats.isFIFO() ? "a named pipe" : "a socket or a device";
  throw new RewardModelScoreError("ERR_IO", `${path} is ${kind}; a model consists of regular files.`, {
    path,
  });
}

/**
 * The text of a file of a model; undefined when there is no such file.
 *
 * @throws ERR_IO for what cannot be read, is no regular file, or is longer than `LONGEST_TEXT`
 */
export async function readText(path: string): Promise<string | undefined> {
  return (await readBytes(path))?.toString("utf8");
}

/** The same as bytes. */
export async function readBytes(path: string): Promise<Buffer | undefined> {
  try {
    const file = await openRegularFile(path);
    try {
      requireTextSize(path, (await file.stat()).size);
      return await file.readFile();
    } finally {
      await file.close(); // not "await using": the handles that Yarn's Plug'n'Play gives cannot be disposed
    }
  } catch (cause) {
    if (RewardModelScoreError.is(cause)) throw cause;
    const reason = (cause as NodeJS.ErrnoException).code;
    if (reason === "ENOENT" || reason === "ENOTDIR") return undefined;
    const message = `${path} could not be read (${reason ?? String(cause)}); check that it is a file and its permissions.`;
    throw new RewardModelScoreError("ERR_IO", message, { path }, { cause });
  }
}

/** @throws ERR_IO */
export function requireTextSize(path: string, size: number): void {
  if (size <= LONGEST_TEXT) return;
  throw new RewardModelScoreError(
    "ERR_IO",
    `${path} has ${size} bytes, but no text of a model has more than ${LONGEST_TEXT}: it is another file, or damaged.`,
    { path },
  );
}
