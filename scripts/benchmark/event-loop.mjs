// How long the event loop waits while rows are scored: percentiles of the delay of a 1 ms timer over what the timer
// shows when the process does nothing.
//
//   node scripts/benchmark/event-loop.mjs [--model models/demo] [--rows 500]
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { RewardModelScore } from "reward-model-score";

const { values } = parseArgs({
  options: { model: { type: "string", default: "models/demo" }, rows: { type: "string", default: "500" } },
});
const rows = Array.from({ length: Number(values.rows) }, (_, i) => ({
  instruction: `How much is ${i}+${i % 13}? ${"Explain every step of it. ".repeat(i % 20)}`,
  response: `The answer is ${i + (i % 13)}. `.repeat(1 + (i % 30)),
}));

async function percentiles(work) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await work();
  delay.disable();
  const ms = (nanoseconds) => Number((nanoseconds / 1e6).toFixed(1));
  return { p50: ms(delay.percentile(50)), p99: ms(delay.percentile(99)), max: ms(delay.max) };
}

const step = new RewardModelScore({ model: values.model });
const idle = await percentiles(() => sleep(2000));
const loading = await percentiles(() => step.load());
const scoring = await percentiles(() => step.score(rows));
const streaming = await percentiles(async () => {
  for await (const row of step.stream(rows)) void row;
});
console.log(`${rows.length} rows, delays of a 1 ms timer in ms`);
console.table({ idle, loading, scoring, streaming });
await step.unload();
