/**
 * Programs as users write them, which have to compile, and mistakes that must not. Compiled as an ES module, as CommonJS
 * and for bundlers by types.test.ts, and from the packed package by test/install.
 */
import {
  RewardModelScore,
  RewardModelScoreError,
  type LoadProgress,
  type Message,
  type RewardModelScoreOptions,
  type Row,
  type Score,
  type ScoredRow,
  type ScoringProgress,
} from "reward-model-score";

interface Answer {
  readonly id: number;
  instruction: string;
  response: string;
  tags?: string[];
}

type Aliased = { instruction: string; response: string };

class Sample {
  constructor(
    readonly conversation: Message[],
    private readonly source = "web",
  ) {}
  get origin(): string {
    return this.source;
  }
}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Same<A, B>): void {}

export async function scores(step: RewardModelScore, rows: Answer[]): Promise<number> {
  const plain: number[] = await step.score(rows);
  const inferred = await step.score(rows);
  same<typeof inferred, number[]>(true);
  const labels = await step.score<number[]>(rows);
  same<typeof labels, number[][]>(true);
  const either: Score[] = await step.score<Score>(rows);
  await step.score([{ instruction: "a", response: "b" }]);
  await step.score(new Set<Aliased>());
  await step.score(Object.freeze([{ conversation: [{ role: "user", content: "a" }] }]));
  await step.score([new Sample([{ role: "user", content: "a" }])], { signal: AbortSignal.timeout(1000) });
  await step.score(source());
  const untyped: Row[] = [];
  const json = JSON.parse("[]") as unknown as Record<string, unknown>[];
  await step.score(untyped);
  await step.score(json);
  await step.score<number[]>(JSON.parse("[]"));
  // @ts-expect-error: a text is not a row
  await step.score(["a"]);
  // @ts-expect-error: nor are its characters
  await step.score("a");
  // @ts-expect-error: a forgotten await
  await step.score(Promise.resolve(rows));
  // @ts-expect-error: a single row
  await step.score(rows[0]!);
  // @ts-expect-error: no head gives texts
  await step.score<string>(rows);
  // @ts-expect-error: scores are numbers unless it is said otherwise
  const texts: string[] = await step.score(rows);
  return Math.max(...plain, labels[0]![0]!, either.length, texts.length);
}

export async function process(step: RewardModelScore, rows: readonly Answer[]): Promise<string[]> {
  const lines: string[] = [];
  for await (const batch of step.process(rows)) {
    for (const row of batch) {
      lines.push(`${row.id}: ${row.score.toFixed(2)} ${row.instruction.length} ${row.tags?.length ?? 0}`);
      const answer: Answer = row;
      lines.push(answer.response);
      // @ts-expect-error: no such column
      lines.push(row.reward);
    }
    batch.sort((a, b) => b.score - a.score);
  }
  for await (const batch of step.process<number[]>(rows)) {
    same<(typeof batch)[0]["score"], number[]>(true);
    for (const { score, id } of batch)
      lines.push(`${id as number}: ${score.map((step) => step.toFixed(2)).join()}`);
    // @ts-expect-error: a list has no toFixed
    batch[0]?.score.toFixed();
  }
  for await (const batch of step.process<number[], Answer>(rows)) {
    for (const { score, id } of batch) lines.push(id.toFixed(), ...score.map(String));
  }
  for await (const batch of step.process<Answer, number[]>(rows)) {
    for (const { score, id } of batch) lines.push(id.toFixed(), ...score.map(String));
  }
  for await (const batch of step.process<Answer>(rows)) lines.push(batch[0]!.id.toFixed());
  for await (const [row] of step.process([new Sample([])])) lines.push(row!.conversation[0]!.role);
  return lines;
}

export async function stream(step: RewardModelScore): Promise<void> {
  for await (const row of step.stream(source())) {
    same<typeof row.score, number | null>(true);
    if (row.score === null) console.log(row.error?.slice(0, 10), row.id);
    else console.log(row.score.toFixed(2), row.instruction.length);
    // @ts-expect-error: a row that failed has no score
    row.score.toFixed(2);
    const [objective] = Object.values(row.attributes ?? {});
    console.log(objective);
  }
  for await (const { score } of step.stream<number[]>(source())) console.log(score?.[0]?.toFixed(2));
  for await (const { score, response } of step.stream([{ instruction: "a", response: "b" }])) {
    console.log(score ?? 0, response.length);
  }
  const kept: ScoredRow<Answer, number | null>[] = [];
  for await (const row of step.stream(source(), { onProgress: report })) kept.push(row);
}

/** Columns follow outputMappings where TypeScript can see them. */
export async function columns(rows: Answer[]): Promise<void> {
  await using step = new RewardModelScore({ model: "demo", outputMappings: { score: "reward" } });
  for await (const batch of step.process(rows)) {
    for (const row of batch) console.log(row.reward.toFixed(2), row.id);
    // @ts-expect-error: the score is in the column reward
    console.log(batch[0]?.score);
  }
  for await (const { reward } of step.stream(rows)) console.log(reward?.toFixed(2));
  const kept: RewardModelScore<"reward"> = step;
  console.log(kept.replicas);
  // @ts-expect-error: scoring writes no such column
  new RewardModelScore({ model: "demo", outputMappings: { logit: "reward" } });
}

export class Service {
  readonly #step: RewardModelScore;
  constructor(private readonly options: RewardModelScoreOptions = { model: "demo" }) {
    this.#step = new RewardModelScore(this.options);
  }
  async best(rows: Answer[]): Promise<Answer | undefined> {
    await this.#step.load({ onProgress: loading });
    for await (const batch of this.#step.process(rows)) return batch.sort((a, b) => b.score - a.score)[0];
    return undefined;
  }
}

/** A function of the user's own that is generic in its rows. */
export async function* scored<R extends object>(
  step: RewardModelScore,
  rows: AsyncIterable<R>,
): AsyncGenerator<R & { score: number }> {
  for await (const row of step.stream(rows)) if (row.score !== null) yield { ...row, score: row.score };
}

export function options(): RewardModelScoreOptions {
  const options: RewardModelScoreOptions = { model: "demo", torchDtype: "float32" };
  options.outputMappings = { score: "reward" };
  // @ts-expect-error: there is no such type of weights
  options.torchDtype = "float8";
  // @ts-expect-error: distilabel's name for another thing
  return { ...options, batchSize: 8 };
}

export function codeOf(error: unknown): string | undefined {
  return RewardModelScoreError.is(error, "ERR_IO") ? error.details.path : undefined;
}

function loading(progress: LoadProgress): void {
  if (progress.phase === "weights") console.log(progress.loaded / progress.total);
}

function report({ rows, totalRows }: ScoringProgress): void {
  console.log(totalRows === undefined ? rows : rows / totalRows);
}

async function* source(): AsyncGenerator<Answer> {
  yield { id: 1, instruction: "a", response: "b" };
}
