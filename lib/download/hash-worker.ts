import { createHash, type Hash } from "node:crypto";
import { closeSync, readSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { openRegularFileSync } from "../io/regular-file.js";

/** "Hash this file up to `to`"; with `last`, answer with the digest and forget the file. */
export interface HashRequest {
  id: number;
  path: string;
  /** Hash length in hex digits: 64 for sha256, 40 for a git blob's object id. */
  digits: 40 | 64;
  size: number;
  to: number;
  last: boolean;
}

export interface HashAnswer {
  id: number;
  digest?: string;
  error?: Error;
}

const BLOCK = 1 << 20;
const block = Buffer.allocUnsafeSlow(BLOCK);
const open = new Map<number, { file: number; hash: Hash; at: number }>();

parentPort!.on("message", (request: HashRequest) => {
  try {
    const state = open.get(request.id) ?? start(request);
    while (state.at < request.to) {
      const length = readSync(state.file, block, 0, Math.min(BLOCK, request.to - state.at), state.at);
      if (length === 0) throw new Error(`${request.path} ends at ${state.at}, before ${request.to}`);
      state.hash.update(block.subarray(0, length));
      state.at += length;
    }
    if (!request.last) return;
    forget(request.id);
    answer({ id: request.id, digest: state.hash.digest("hex") });
  } catch (error) {
    forget(request.id);
    answer({ id: request.id, error: error as Error });
  }
});

function start({ id, path, digits, size }: HashRequest): { file: number; hash: Hash; at: number } {
  const hash = digits === 64 ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
  const state = { file: openRegularFileSync(path), hash, at: 0 };
  open.set(id, state);
  return state;
}

function forget(id: number): void {
  const state = open.get(id);
  if (state) closeSync(state.file);
  open.delete(id);
}

function answer(message: HashAnswer): void {
  parentPort!.postMessage(message);
}
