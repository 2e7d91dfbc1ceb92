import { spawn, type ChildProcess } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

export const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

export interface CliResult {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  env?: Record<string, string>;
  input?: string | Buffer;
  /** Called as soon as the process runs, for example to send it a signal. */
  started?: (child: ChildProcess) => unknown;
}

/** Runs the command line in a process of its own, as a user does. */
export async function runCli(args: string[], { env, input, started }: CliOptions = {}): Promise<CliResult> {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env } });
  started?.(child);
  child.stdin.on("error", () => {});
  child.stdin.end(input ?? "");
  const end = new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.on("error", reject).on("close", (...end) => resolve(end));
  });
  const [stdout, stderr, [status, signal]] = await Promise.all([text(child.stdout), text(child.stderr), end]);
  return { status, signal, stdout, stderr };
}
