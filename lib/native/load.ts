import { existsSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { RewardModelScoreError } from "../errors.js";
import { libraryFileName } from "../libtorch/library.js";
import { checkVersion, readVersion } from "../libtorch/version.js";
import { findAddonFiles, platform } from "./addon-files.js";
import type { NativeBinding } from "./binding.js";

interface LoaderAddon {
  /** null, or the system's words for why the library could not be opened. */
  open(path: string): string | null;
}

const require = createRequire(import.meta.url);
let loaded: { binding: NativeBinding; libtorch: string } | undefined;

/**
 * Opens the libtorch in `libtorch` (the folder that holds `lib/`) and the engine addon on top of it.
 *
 * A process has room for one libtorch: asking for another one later is an error.
 */
export function loadBinding(libtorch: string): NativeBinding {
  if (loaded !== undefined) {
    if (loaded.libtorch === resolve(libtorch)) return loaded.binding;
    throw new RewardModelScoreError(
      "ERR_INVALID_OPTION",
      `This process already uses the libtorch in ${loaded.libtorch} and cannot use the one in ${libtorch} beside it.`,
      { option: "libtorch" },
    );
  }
  const files = findAddonFiles();
  const loader = requireAddon(files.loader) as LoaderAddon;
  const version = readVersion(libtorch);
  if (version !== undefined) checkVersion(libtorch, version);
  for (const library of libraries(libtorch)) {
    const reason = loader.open(library);
    if (reason !== null) throw libraryError(library, reason);
  }
  const binding = requireAddon(files.engine) as NativeBinding;
  binding.initialize(RewardModelScoreError);
  if (version === undefined) checkVersion(libtorch, binding.runtimeInfo().libtorch);
  loaded = { binding, libtorch: resolve(libtorch) };
  return binding;
}

function resolve(libtorch: string): string {
  return existsSync(libtorch) ? realpathSync(libtorch) : libtorch;
}

/** What the engine links to, and the CUDA half where there is one: opening it is what registers its kernels. */
function libraries(libtorch: string): string[] {
  const path = (name: string) => join(libtorch, "lib", libraryFileName(name));
  const cuda = path("torch_cuda");
  return [path("c10"), path("torch_cpu"), ...(existsSync(cuda) ? [cuda] : [])];
}

function requireAddon(path: string): unknown {
  try {
    return require(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RewardModelScoreError(
      "ERR_ADDON",
      `The addon ${path} for ${platform} does not load: ${reason}. ${staticTlsAdvice(reason) ?? `Run "npx reward-model-score doctor" to see what it needs.`}`,
      { path },
      { cause },
    );
  }
}

function libraryError(library: string, reason: string): RewardModelScoreError {
  return new RewardModelScoreError(
    "ERR_RUNTIME_NOT_FOUND",
    `libtorch's ${library} cannot be opened: ${reason}. ${staticTlsAdvice(reason) ?? `Run "npx reward-model-score setup" to fetch libtorch.`}`,
    { searched: [library] },
  );
}

/**
 * glibc keeps little room for thread-local data of libraries that are opened late; libgomp and libtorch may not fit
 * when other addons came first.
 */
export function staticTlsAdvice(reason: string): string | undefined {
  if (!/static TLS/i.test(reason)) return undefined;
  return (
    "Load reward-model-score before other native packages, or start Node with " +
    "GLIBC_TUNABLES=glibc.rtld.optional_static_tls=16384 in the environment."
  );
}
