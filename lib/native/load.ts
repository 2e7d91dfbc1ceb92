import { existsSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { RewardModelScoreError } from "../errors.js";
import { checkVersion, readVersion } from "../libtorch/version.js";
import { type AddonFiles, findAddonFiles, platform } from "./addon-files.js";
import type { NativeBinding } from "./binding.js";
import { type LoaderAddon, openLibtorch, loadAdvice } from "./open-libtorch.js";

const require = createRequire(import.meta.url);
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
  const files = findAddonFiles();
  const loader = requireAddon(files.loader) as LoaderAddon;
  const version = readVersion(libtorch);
  if (version !== undefined) checkVersion(libtorch, version);
  const cudaProblem = await openLibtorch(loader, libtorch);
  checkCopies(loader, files);
  const binding = requireAddon(files.engine) as NativeBinding;
  binding.initialize(RewardModelScoreError, cudaProblem);
  if (version === undefined) checkVersion(libtorch, binding.runtimeInfo().libtorch);
  return binding;
}

/** Two engines would register the same operators, which ends the process. */
function checkCopies(loader: LoaderAddon, { engine }: AddonFiles): void {
  const present = loader.engine();
  if (present === null || realpathSync(present) === realpathSync(engine)) return;
  throw new RewardModelScoreError(
    "ERR_ADDON",
    `Another copy of this package is in use in this process: ${present} is loaded, and ${engine} cannot be loaded beside ` +
      `it. Install one version for the whole program ("npm dedupe", "npm ls reward-model-score").`,
    { path: engine },
  );
}

function requireAddon(path: string): unknown {
  try {
    return require(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RewardModelScoreError(
      "ERR_ADDON",
      `The addon ${path} for ${platform} does not load: ${reason}. ${loadAdvice(reason) ?? `Run "npx reward-model-score doctor" to see what it needs.`}`,
      { path },
      { cause },
    );
  }
}
