import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { temporaryFolder } from "../temporary-folder.js";
import { MAIN } from "./run-cli.js";

/** Whether this user may mount a small disk for one process. */
const mayMount =
  process.platform === "linux" &&
  spawnSync("unshare", ["-rm", "sh", "-c", "mount -t tmpfs -o size=1m none /mnt"]).status === 0;

it.runIf(mayMount)("export says that the disk is full, and leaves nothing on it", () => {
  const disk = temporaryFolder("full");
  const script =
    `mount -t tmpfs -o size=1m none "${disk}" && ` +
    `{ "${process.execPath}" "${MAIN}" export models/demo --output "${disk}/model.pt"; echo $?; ls -A "${disk}"; }`;
  const { stdout, stderr } = spawnSync("unshare", ["-rm", "sh", "-c", script], { encoding: "utf8" });
  expect(stderr).toBe(
    `reward-model-score: ERR_DISK_FULL: The disk is full: ${disk}/model.pt cannot be written. Free some.\n`,
  );
  expect(stdout).toBe("2\n");
});
