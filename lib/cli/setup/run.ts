import { formatBytes } from "../../io/format.js";
import { setup, type SetupOptions } from "../../libtorch/setup.js";
import { interruptible } from "../interrupt.js";
import { Progress } from "../progress.js";

export async function runSetup(
  options: Pick<SetupOptions, "device" | "headers" | "libtorch" | "offline" | "dryRun">,
): Promise<void> {
  const progress = new Progress();
  try {
    await interruptible((signal) =>
      setup({
        ...options,
        signal,
        log: (line) => progress.tell(line),
        onProgress: (phase, bytes, total) =>
          progress.update(total === undefined ? undefined : bytes / total, () => {
            const done = phase === "download" ? "fetched" : "unpacked";
            return `${formatBytes(bytes)}${total === undefined ? "" : ` of ${formatBytes(total)}`} ${done}`;
          }),
      }),
    );
  } finally {
    progress.stop();
  }
}
