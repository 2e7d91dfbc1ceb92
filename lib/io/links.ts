import { readlink, realpath } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";

/** More than any system follows. */
const MOST_LINKS = 40;

/** Where a path leads, also when there is nothing yet. */
export interface Place {
  path: string;
  /** What `/dev/stdin`, `/dev/stdout`, `/dev/fd/3` and their like name: an open file of this process. */
  descriptor: number | undefined;
}

/** Follows the links of a path to the name behind the last one, which need not exist; the folder of each must. */
export async function followLinks(path: string): Promise<Place> {
  let current = resolve(path);
  for (let links = 0; links < MOST_LINKS; links++) {
    const folder = await realpath(dirname(current));
    current = join(folder, basename(current));
    const [, pid, descriptor] = /^(?:\/proc\/(\d+)|\/dev)\/fd\/(\d+)$/.exec(current) ?? [];
    if (descriptor !== undefined && (pid === undefined || Number(pid) === process.pid))
      return { path: current, descriptor: Number(descriptor) };
    const target = await readlink(current).catch(() => undefined);
    if (target === undefined) return { path: current, descriptor: undefined };
    current = resolve(folder, target);
  }
  throw Object.assign(new Error(`ELOOP: too many symbolic links, '${path}'`), {
    code: "ELOOP",
    syscall: "readlink",
  });
}
