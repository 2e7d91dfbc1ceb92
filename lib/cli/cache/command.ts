import { Command } from "commander";
import { formatBytes } from "../../io/format.js";
import { printable } from "../../printable.js";
import { EXIT } from "../report-error.js";

interface CacheFlags {
  cacheDir?: string;
}

export function cacheCommand(): Command {
  return new Command("cache")
    .summary("list, verify or remove what is in the Hub cache")
    .description("Looks after the cache of the Hugging Face Hub, which Python's huggingface_hub shares.")
    .addCommand(listCommand())
    .addCommand(verifyCommand())
    .addCommand(removeCommand());
}

function listCommand(): Command {
  return withCacheDir(new Command("list"))
    .description("Lists the models in the cache with their revisions and sizes.")
    .option("--json", "as JSON")
    .action(async (flags: CacheFlags & { json?: boolean }) => {
      const { listCache } = await import("../../hub/inventory.js");
      const cacheDir = await cacheDirOf(flags);
      const models = await listCache(cacheDir);
      if (flags.json) {
        process.stdout.write(`${JSON.stringify(models, undefined, 2)}\n`);
        return;
      }
      for (const { model, size, revisions } of models) {
        process.stdout.write(`${model}  ${formatBytes(size)}\n`);
        for (const { commit, refs, files, size } of revisions) {
          const names = refs.length > 0 ? `  (${refs.join(", ")})` : "";
          process.stdout.write(`  ${commit}${printable(names)}  ${files} files, ${formatBytes(size)}\n`);
        }
      }
      const total = models.reduce((sum, { size }) => sum + size, 0);
      process.stdout.write(`${models.length} models, ${formatBytes(total)} in ${cacheDir}\n`);
    });
}

function verifyCommand(): Command {
  return withCacheDir(new Command("verify"))
    .description(
      "Hashes the files in the cache and compares them with what the Hub announced when they were fetched.",
    )
    .argument("[model]", "only this one: owner/name")
    .option("--remove-damaged", "delete what is damaged, so that the next download fetches it again")
    .action(async (model: string | undefined, flags: CacheFlags & { removeDamaged?: boolean }) => {
      const [{ verifyCache }, { interruptible }] = await Promise.all([
        import("../../hub/inventory.js"),
        import("../interrupt.js"),
      ]);
      const cacheDir = await cacheDirOf(flags);
      const { files, damage, unknown } = await interruptible((signal) =>
        verifyCache(cacheDir, { model, removeDamaged: flags.removeDamaged, signal }),
      );
      for (const { model, path, problem } of damage)
        process.stdout.write(`${problem}: ${printable(path)} (${model})\n`);
      for (const path of unknown)
        process.stdout.write(`not known: ${printable(path)} (no link, and no listing with its hash)\n`);
      process.stdout.write(`${files} files verified, ${damage.length} damaged or missing\n`);
      if (damage.length > 0) {
        const remedy = flags.removeDamaged ? "Download the model again." : "--remove-damaged deletes them.";
        process.stderr.write(`${remedy}\n`);
        process.exitCode = EXIT.incomplete;
      }
    });
}

function removeCommand(): Command {
  return withCacheDir(new Command("remove"))
    .description(
      "Removes a model from the cache, or one of its revisions with the files that no other one shares.",
    )
    .argument("<model>", "owner/name")
    .option("--revision <revision>", "only this branch, tag or commit")
    .action(async (model: string, flags: CacheFlags & { revision?: string }) => {
      const { removeFromCache } = await import("../../hub/inventory.js");
      const freed = await removeFromCache(await cacheDirOf(flags), model, flags.revision);
      process.stdout.write(`${formatBytes(freed)} freed\n`);
    });
}

function withCacheDir(command: Command): Command {
  return command.option("--cache-dir <directory>", "default: HF_HUB_CACHE, else ~/.cache/huggingface/hub");
}

async function cacheDirOf(flags: CacheFlags): Promise<string> {
  const { readHubEnvironment } = await import("../../env.js");
  return flags.cacheDir ?? readHubEnvironment().cacheDir;
}
