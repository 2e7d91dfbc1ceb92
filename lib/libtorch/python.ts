import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

// find_spec locates the package without importing it, which would take seconds. The empty entry of sys.path is the
// working directory: a folder named torch there is not what "pip install torch" made.
const PROBE = `
import glob, importlib.util, os, sys
sys.path = [entry for entry in sys.path if entry]
print("MAJOR:", sys.version_info[0])
spec = importlib.util.find_spec("torch")
if spec and spec.submodule_search_locations:
    print("TORCH:", list(spec.submodule_search_locations)[0])
spec = importlib.util.find_spec("nvidia")
for root in spec.submodule_search_locations if spec and spec.submodule_search_locations else []:
    for folder in sorted(glob.glob(os.path.join(glob.escape(root), "*", "lib"))):
        print("LIBRARIES:", folder)
`;

export interface Python {
  command: string;
  /** The folder that Python would import torch from. */
  torch: string | undefined;
  /** The folders of the libraries that NVIDIA's packages brought. */
  libraries: string[];
}

/** "python3", else "python" where that is a Python 3. */
export async function findPython(): Promise<Python | undefined> {
  for (const command of ["python3", "python"]) {
    const { stdout } = await run(command, ["-c", PROBE]).catch(() => ({ stdout: "" }));
    if (!/^MAJOR: 3\r?$/m.test(stdout)) continue;
    const values = (name: string) =>
      [...stdout.matchAll(new RegExp(`^${name}: (.+?)\\r?$`, "gm"))].map((match) => match[1]!);
    return { command, torch: values("TORCH")[0], libraries: values("LIBRARIES") };
  }
  return undefined;
}
