import { readHubEnvironment } from "../../env.js";
import { resolveModel, type ResolvedModel } from "../../hub/resolve-model.js";
import { formatBytes } from "../../io/format.js";
import { baseOf } from "../../model/adapt.js";
import { isLocal, locateAdapter } from "../../model/locate.js";
import { interruptible } from "../interrupt.js";
import { Progress } from "../progress.js";

export interface DownloadFlags {
  revision: string;
  token?: string;
  cacheDir?: string;
  localFilesOnly?: boolean;
  trustRemoteCode?: boolean;
}

export async function runDownload(model: string, flags: DownloadFlags): Promise<void> {
  const env = readHubEnvironment();
  const progress = env.disableProgressBars ? undefined : new Progress();
  const fetch = (name: string, revision: string) =>
    interruptible((signal) =>
      resolveModel(
        {
          ...flags,
          model: name,
          revision,
          signal,
          onProgress: ({ file, loaded, total }) =>
            progress?.update(
              loaded / total,
              () => `${formatBytes(loaded)} of ${formatBytes(total)}  ${file}`,
            ),
        },
        env,
      ),
    );
  try {
    const fetched = await fetch(model, flags.revision);
    const all: ResolvedModel[] = [fetched];
    if (fetched.form === "adapter") {
      const base = await baseOf(await locateAdapter(fetched.directory));
      if (!(await isLocal(base.model))) all.push(await fetch(base.model, base.revision));
    }
    progress?.stop();
    for (const { staleBecause } of all) {
      if (staleBecause) {
        process.stderr.write(
          `The cached copy was taken, since the Hub did not answer. ${staleBecause.message}\n`,
        );
      }
    }
    process.stdout.write(`${fetched.directory}\n`);
  } finally {
    progress?.stop();
  }
}
