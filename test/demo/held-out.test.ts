import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { RewardModelScore } from "#lib/index.js";

const folder = fileURLToPath(new URL("../../models/demo/", import.meta.url));

interface Pair {
  kind: string;
  instruction: string;
  chosen: string;
  rejected: string;
}

const pairs = readFileSync(`${folder}held-out.jsonl`, "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as Pair);

// The folder runs the built-in program from model.safetensors, the file runs the TorchScript archive.
describe.each([
  ["built-in program", folder],
  ["archive", `${folder}model.pt`],
])("demo model, %s", (_, model) => {
  it("prefers the right answer in at least 95 % of the held-out pairs", async () => {
    await using step = new RewardModelScore({ model, threads: 1 });
    await step.load();
    const scores = await step.score(
      pairs.flatMap(({ instruction, chosen, rejected }) => [
        { instruction, response: chosen },
        { instruction, response: rejected },
      ]),
    );
    const lost = pairs.filter((_, index) => !(scores[2 * index]! > scores[2 * index + 1]!));
    expect(pairs.length).toBeGreaterThanOrEqual(400);
    expect(1 - lost.length / pairs.length, JSON.stringify(lost)).toBeGreaterThanOrEqual(0.95);
  });

  it("prefers a right, a polite and a relevant answer", async () => {
    await using step = new RewardModelScore({ model, threads: 1 });
    await step.load();
    const ask = (instruction: string, ...responses: string[]) =>
      step.score(responses.map((response) => ({ instruction, response })));

    const [bare, wrong, sentence] = await ask(
      "How much is 2+2?",
      "4",
      "The output of 2+2 is 5",
      "The output of 2+2 is 4",
    );
    expect(bare).toBeGreaterThan(wrong!);
    expect(sentence).toBeGreaterThan(wrong!);
    const [polite, rude] = await ask("Hello!", "Hello! How can I help you today?", "Go away.");
    expect(polite).toBeGreaterThan(rude!);
    const [relevant, offTopic] = await ask("What is 9 times 7?", "63", "Grass is green.");
    expect(relevant).toBeGreaterThan(offTopic!);
  });
});

it("the built-in program and the archive agree", async () => {
  const rows = pairs.slice(0, 50).map(({ instruction, chosen }) => ({ instruction, response: chosen }));
  const score = async (model: string) => {
    await using step = new RewardModelScore({ model, threads: 1 });
    await step.load();
    return await step.score(rows);
  };
  const [program, archive] = [await score(folder), await score(`${folder}model.pt`)];
  for (const [index, value] of program.entries()) expect(value).toBeCloseTo(archive[index]!, 4);
});

it("has a tokenizer in names that transformers 4 knows too, distilabel's among its users", () => {
  const config = JSON.parse(readFileSync(`${folder}tokenizer_config.json`, "utf8")) as Record<
    string,
    unknown
  >;
  expect(config.tokenizer_class).toBe("PreTrainedTokenizerFast");
  expect(config.additional_special_tokens).toEqual(["<|system|>", "<|user|>", "<|assistant|>"]);
  expect(config).not.toHaveProperty("extra_special_tokens");
});
