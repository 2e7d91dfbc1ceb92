import { existsSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { readEnvironment } from "../env.js";
import { RewardModelScoreError } from "../errors.js";
import { checkVersion, LIBTORCH_SERIES, readVersion } from "../libtorch/version.js";
import { type Addon, findAddon, platform } from "./addon.js";
import type { NativeBinding } from "./binding.js";
import { requireGlibc } from "./glibc.js";
import { loadRemedy } from "./load-failure.js";
import { type LoaderAddon, openLibtorch } from "./open-libtorch.js";

let loaded: { binding: Promise<NativeBinding>; libtorch: string } | undefined;

/**
 * Opens the libtorch in `libtorch` (the folder that holds `lib/`) and the engine addon on top of it.
 *
 * A process has room for one libtorch: asking for another one later is an error.
 */
export async function loadBinding(libtorch: string): Promise<NativeBinding> {
  // A library finds those beside it by its own path, which must not be that of a link.
  const root = existsSync(libtorch) ? realpathSync(libtorch) : libtorch;
  if (loaded === undefined) {
    loaded = { binding: load(root), libtorch: root };
    loaded.binding.catch(() => (loaded = undefined));
  } else if (loaded.libtorch !== root) {
    throw new RewardModelScoreError(
      "ERR_INVALID_OPTION",
      `This process already uses the libtorch in ${loaded.libtorch} and cannot use the one in ${libtorch} beside it.`,
      { option: "libtorch" },
    );
  }
  return loaded.binding;
}

async function load(libtorch: string): Promise<NativeBinding> {
  const addon = findAddon();
  const loader = requirePart(addon, "loader", libtorch) as LoaderAddon;
  const version = readVersion(libtorch);
  if (version !== undefined) checkVersion(libtorch, version);
  const cudaProblem = await openLibtorch(loader, libtorch);
  checkCopies(loader, join(addon.folder, "engine.node"));
  const binding = requirePart(addon, "engine", libtorch) as NativeBinding;
  binding.initialize(RewardModelScoreError, cudaProblem, readEnvironment().cpu);
  if (version === undefined) checkVersion(libtorch, binding.runtimeInfo().libtorch);
  return binding;
}

/** Two engines would register the same operators, which ends the process. */
function checkCopies(loader: LoaderAddon, engine: string): void {
  const present = loader.engine();
  if (present === null || realpathSync(present) === realpathSync(engine)) return;
  throw new RewardModelScoreError(
    "ERR_ADDON",
    `Another copy of this package is in use in this process: ${present} is loaded, and ${engine} cannot be loaded beside ` +
      `it. Install one version for the whole program ("npm dedupe", "npm ls reward-model-score").`,
    { path: engine },
  );
}

function requirePart(addon: Addon, part: "loader" | "engine", libtorch: string): unknown {
  try {
    return addon[part]();
  } catch (cause) {
    if (RewardModelScoreError.is(cause)) throw cause;
    requireGlibc();
    const reason = cause instanceof Error ? cause.message : String(cause);
    const path = join(addon.folder, `${part}.node`);
    if (/undefined symbol|symbol not found|procedure could not be found/i.test(reason)) {
      throw new RewardModelScoreError(
        "ERR_RUNTIME_VERSION",
        `The addon ${path} does not fit the libtorch in ${libtorch}: ${reason}. It is built for PyTorch's own ` +
          `${LIBTORCH_SERIES}: run "npx reward-model-score setup" for one, without LIBTORCH.`,
        { found: readVersion(libtorch) ?? "unknown", expected: LIBTORCH_SERIES },
        { cause },
      );
    }
    throw new RewardModelScoreError(
      "ERR_ADDON",
      `The addon ${path} for ${platform} does not load: ${reason}. ` +
        (loadRemedy(reason) ?? 'Run "npx reward-model-score doctor" to see what it needs.'),
      { path },
      { cause },
    );
  }
}
