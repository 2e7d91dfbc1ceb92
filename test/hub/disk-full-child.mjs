// Loads a model into a cache whose file system fills up while bytes arrive; then makes room and loads again.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { resolveModel } from "#lib/hub/resolve-model.js";
import { readHubEnvironment } from "#lib/env.js";

const env = readHubEnvironment();
const filler = join(env.cacheDir, "..", "filler");
const model = process.argv[2] ?? "";

function fill() {
  try {
    writeFileSync(filler, Buffer.alloc(64 << 20));
  } catch {
    // full now
  }
}

/** @type {{ code?: string } | undefined} */
let failure;
await resolveModel(
  { model, onProgress: ({ loaded }) => loaded > 1_000_000 && failure === undefined && fill() },
  env,
).catch((error) => (failure = error));
rmSync(filler);
const { directory } = await resolveModel({ model }, env);
process.stdout.write(JSON.stringify({ code: failure?.code, directory }));
