import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a folder and those above it. Not by `mkdir` with `recursive`: that tries for ever, in a thread that nothing
 * ends, where a folder is there and takes none (ENOENT below /proc, or below a home that is not mounted).
 */
export async function makeFolder(path: string): Promise<void> {
  const made = await tryToMake(path);
  if (made === undefined) return;
  if (made.code !== "ENOENT" || dirname(path) === path) throw made;
  await makeFolder(dirname(path));
  const again = await tryToMake(path);
  if (again) throw again;
}

/** The reason why the folder is not there now. */
async function tryToMake(path: string): Promise<NodeJS.ErrnoException | undefined> {
  try {
    await mkdir(path);
    return undefined;
  } catch (error) {
    const isThere = await stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    );
    return isThere ? undefined : (error as NodeJS.ErrnoException);
  }
}
