/**
 * Loads libtorch and the addon and scores one row with the demo model: started by doctor as a process of its own, so
 * that a crash is something to report. Takes the folder of libtorch as its argument and answers with one message.
 */
import { RewardModelScoreError } from "../../errors.js";
import type { RuntimeInfo } from "../../native/binding.js";
import { loadBinding } from "../../native/load.js";
import { RewardModelScore } from "../../reward-model-score.js";

export type ProbeAnswer =
  | { runtime: RuntimeInfo; loadSeconds: number; demoScore: number }
  | { error: { code: string; message: string } };

async function probe(libtorch: string): Promise<ProbeAnswer> {
  const start = performance.now();
  try {
    const runtime = (await loadBinding(libtorch)).runtimeInfo();
    const loadSeconds = (performance.now() - start) / 1000;
    const demoScore = await scoreDemo(libtorch);
    return { runtime, loadSeconds, demoScore };
  } catch (error) {
    const code = RewardModelScoreError.is(error) ? error.code : "ERR_ADDON";
    return { error: { code, message: error instanceof Error ? error.message : String(error) } };
  }
}

async function scoreDemo(libtorch: string): Promise<number> {
  await using step = new RewardModelScore({ model: "demo", libtorch });
  await step.load();
  const [score] = await step.score([{ instruction: "How much is 2+2?", response: "4" }]);
  return score as number;
}

process.send!(await probe(process.argv[2]!), () => process.disconnect());
