import { spawnSync } from "node:child_process";

/** The Python that has these modules, or undefined: what needs it is skipped then. */
export function pythonWith(...modules: string[]): string | undefined {
  const program = modules.length ? `import ${modules.join(", ")}` : "";
  return ["python3", "python"].find((command) => spawnSync(command, ["-c", program]).status === 0);
}
