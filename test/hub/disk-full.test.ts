import { execFile, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { Content } from "./server/content.mjs";
import { MODEL, modelFiles, setUp } from "./support.js";

const CHILD = fileURLToPath(new URL("disk-full-child.mjs", import.meta.url));
/** A small file system can be mounted without rights in a name space of one's own, where the system allows these. */
const mountable =
  spawnSync("unshare", ["-rm", "sh", "-c", "mount -t tmpfs -o size=1m none /mnt"]).status === 0;

it.runIf(mountable)("a disk that fills up is an error, and with room the download goes on", async () => {
  const weights = Content.generated(12_000_000, 61);
  const { hub, home } = await setUp(modelFiles(weights));
  hub.faults.add({ on: "cdn", drip: { bytes: 500_000, everyMs: 20 }, times: 99 });
  const script = `mount -t tmpfs -o size=20m none "$HF_HOME" && "${process.execPath}" "${CHILD}" ${MODEL} && cat "$HF_HOME"/hub/models--*/snapshots/*/model.safetensors | sha256sum`;
  const { stdout } = await promisify(execFile)("unshare", ["-rm", "sh", "-c", script], {
    env: { PATH: process.env.PATH, HF_ENDPOINT: hub.endpoint, HF_HOME: home },
  });
  expect(JSON.parse(stdout.slice(0, stdout.indexOf("}") + 1))).toMatchObject({ code: "ERR_DISK_FULL" });
  expect(stdout).toContain(weights.sha256);
  // What had arrived was kept.
  expect(hub.bytesOf("model.safetensors")).toBeLessThan(2 * weights.size);
});
