import { existsSync } from "node:fs";
import { join } from "node:path";
import { RewardModelScoreError } from "../errors.js";
import { libraryFileName } from "../libtorch/library.js";
import { findPython } from "../libtorch/python.js";
import { loadRemedy } from "./load-failure.js";

/** loader.node: what has to happen before the engine is loaded. */
export interface LoaderAddon {
  /** Opens a library in a thread of its own: null, or the system's words for why it could not be opened. */
  open(path: string): Promise<string | null>;
  /** The path of the engine addon that is in the process already, whichever copy of this package it belongs to. */
  engine(): string | null;
}

/**
 * Opens what the engine links to, and the CUDA half where there is one: opening it is what registers its kernels.
 * Resolves to the reason why there is a CUDA half but it cannot be opened: the CPU needs it not.
 */
export async function openLibtorch(loader: LoaderAddon, libtorch: string): Promise<string | undefined> {
  const path = (name: string) => join(libtorch, "lib", libraryFileName(name));
  for (const library of [path("c10"), path("torch_cpu")]) {
    const reason = await open(loader, library);
    if (reason !== null) throw libraryError(library, reason);
  }
  const cuda = path("torch_cuda");
  return existsSync(cuda) ? ((await open(loader, cuda)) ?? undefined) : undefined;
}

/**
 * A CUDA build of libtorch from PyPI leaves CUDA's own libraries to other packages, and looks for them beside its own
 * folder. Python may have them elsewhere, for example for all users: then what the linker misses is opened first.
 */
export async function open(loader: Pick<LoaderAddon, "open">, library: string): Promise<string | null> {
  const tried = new Set<string>();
  for (;;) {
    const reason = await loader.open(library);
    const missing = reason && /^(\S+\.so[.\d]*): cannot open shared object file/.exec(reason)?.[1];
    if (!missing || tried.has(missing)) return reason;
    tried.add(missing);
    const folders = (await findPython())?.libraries ?? [];
    const found = folders.map((folder) => join(folder, missing)).find(existsSync);
    if (found === undefined || (await open(loader, found)) !== null) return reason;
  }
}

function libraryError(library: string, reason: string): RewardModelScoreError {
  return new RewardModelScoreError(
    "ERR_RUNTIME_NOT_FOUND",
    `libtorch's ${library} cannot be opened: ${reason}. ` +
      (loadRemedy(reason) ?? 'Run "npx reward-model-score setup" to fetch libtorch.'),
    { searched: [library] },
  );
}
