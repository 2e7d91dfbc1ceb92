// Downloads a repository of 2 GB in 12 files from a server on this machine, with this package and with
// snapshotDownload of @huggingface/hub, each in a process of its own and in turns; prints throughput and memory.
//
//   npm run build && node scripts/benchmark/hub.mjs [--megabytes 2048] [--files 12] [--rounds 3]
import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { median } from "./measure.mjs";

const { values } = parseArgs({
  options: {
    megabytes: { type: "string", default: "2048" },
    files: { type: "string", default: "12" },
    rounds: { type: "string", default: "3" },
    role: { type: "string" },
    endpoint: { type: "string" },
    cache: { type: "string" },
  },
});
const MODEL = "owner/model";
const MEGABYTE = 1 << 20;

if (values.role === "server") await serve();
else if (values.role) await download(values.role);
else await compare();

async function compare() {
  const server = fork(import.meta.filename, [
    "--role",
    "server",
    "--megabytes",
    values.megabytes,
    "--files",
    values.files,
  ]);
  const endpoint = await new Promise((resolve) => server.once("message", resolve));
  const folder = mkdtempSync(join(tmpdir(), "hub-benchmark-"));
  const rates = {};
  try {
    for (let round = 0; round < Number(values.rounds); round += 1) {
      for (const role of ["reward-model-score", "snapshotDownload"]) {
        const cache = join(folder, role);
        const result = await once(role, endpoint, cache);
        rmSync(cache, { recursive: true });
        console.log(
          `${role.padEnd(18)} ${result.rate.toFixed(0).padStart(5)} MB/s, ` +
            `memory ${result.memory.toFixed(0)} MB above the start, ${result.cpu.toFixed(1)} s of CPU`,
        );
        (rates[role] ??= []).push(result.rate);
      }
    }
    const ratio = median(rates["reward-model-score"]) / median(rates.snapshotDownload);
    console.log(`median against median: ${ratio.toFixed(2)} times the throughput, every byte verified`);
  } finally {
    server.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

function once(role, endpoint, cache) {
  return new Promise((resolve, reject) => {
    const child = fork(import.meta.filename, ["--role", role, "--endpoint", endpoint, "--cache", cache]);
    child.once("message", resolve);
    child.once("exit", (code) => code !== 0 && reject(new Error(`${role} ended with ${code}`)));
  });
}

async function serve() {
  const { TestHub } = await import("../../test/hub/server/hub-server.mjs");
  const { Content } = await import("../../test/hub/server/content.mjs");
  const count = Number(values.files);
  const shards = Array.from(
    { length: count },
    (_, i) => `model-${String(i + 1).padStart(5, "0")}.safetensors`,
  );
  const size = Math.floor((Number(values.megabytes) * MEGABYTE) / count);
  const hub = await TestHub.start();
  hub.add(MODEL, {
    "config.json": "{}",
    "tokenizer.json": "{}",
    "model.safetensors.index.json": JSON.stringify({
      weight_map: Object.fromEntries(shards.map((name) => [name, name])),
    }),
    ...Object.fromEntries(shards.map((name, i) => [name, Content.generated(size, i)])),
  });
  process.send(hub.endpoint);
}

async function download(role) {
  const load = role === "snapshotDownload" ? await theirs() : await ours();
  const start = process.memoryUsage.rss();
  let peak = start;
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20);
  const [time, cpu] = [performance.now(), process.cpuUsage()];
  const bytes = await load();
  const seconds = (performance.now() - time) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  clearInterval(watch);
  process.send({
    rate: bytes / 1e6 / seconds,
    memory: (peak - start) / MEGABYTE,
    cpu: (user + system) / 1e6,
  });
}

async function ours() {
  const { resolveModel } = await import("../../dist/hub/resolve-model.js");
  const { readHubEnvironment } = await import("../../dist/env.js");
  return async () => {
    let bytes = 0;
    const onProgress = ({ loaded }) => (bytes = loaded);
    await resolveModel(
      { model: MODEL, cacheDir: values.cache, onProgress },
      readHubEnvironment({ HF_ENDPOINT: values.endpoint }),
    );
    return bytes;
  };
}

async function theirs() {
  const { listFiles, snapshotDownload } = await import("@huggingface/hub");
  console.debug = () => {}; // it reports every file there
  return async () => {
    await snapshotDownload({ repo: MODEL, hubUrl: values.endpoint, cacheDir: values.cache });
    let bytes = 0;
    for await (const { size } of listFiles({ repo: MODEL, recursive: true, hubUrl: values.endpoint }))
      bytes += size;
    return bytes;
  };
}
