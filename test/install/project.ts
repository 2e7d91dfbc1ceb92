/** An empty project, and commands that run in it as on a machine that has Node and nothing to build with. */
import { execFileSync, spawn } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";

/** What npm's and pnpm's own scripts call; no compiler, CMake, Python or git. */
const TOOLS = ["sh", "sed", "dirname", "basename", "uname", "cat", "env"];

export interface Result {
  status: number | null;
  stdout: string;
  stderr: string;
}

export class Project {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), "install-")));
  readonly #environment: Record<string, string>;

  constructor(manifest: object, environment: Record<string, string> = {}) {
    const bin = join(this.folder, ".bin");
    mkdirSync(bin);
    symlinkSync(process.execPath, join(bin, "node"));
    for (const tool of [...TOOLS, "npm", "npx"]) symlinkSync(realpathSync(which(tool)), join(bin, tool));
    const home = join(this.folder, ".home");
    mkdirSync(home);
    const certificates = process.env.NODE_EXTRA_CA_CERTS;
    this.#environment = {
      PATH: bin,
      HOME: home,
      CI: "1",
      ...(certificates !== undefined && { NODE_EXTRA_CA_CERTS: certificates }),
      ...environment,
    };
    this.write("package.json", JSON.stringify(manifest));
  }

  /** Paths are absolute or below the project. */
  write(path: string, content: string): void {
    writeFileSync(resolve(this.folder, path), content);
  }

  read(path: string): string {
    return readFileSync(resolve(this.folder, path), "utf8");
  }

  delete(path: string): void {
    rmSync(resolve(this.folder, path), { recursive: true });
  }

  /** Runs a command to its end. */
  async run(command: string, args: string[], environment: Record<string, string> = {}): Promise<Result> {
    const child = spawn(command, args, {
      cwd: this.folder,
      env: { ...this.#environment, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const end = new Promise<number | null>((resolve, reject) =>
      child.on("error", reject).on("close", resolve),
    );
    const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), end]);
    return { status, stdout, stderr };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function which(tool: string): string {
  return execFileSync("sh", ["-c", `command -v ${tool}`], { encoding: "utf8" }).trim();
}
