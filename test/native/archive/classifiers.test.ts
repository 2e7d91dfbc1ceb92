/** Archives of transformers' classifiers, whose norms, gates, rotations and attention the loader replaces. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { computeDtypes } from "#lib/model/compute-dtype.js";
import type { Dtype } from "#lib/native/binding.js";
import { batchOf, openBinding } from "../archives.js";

interface Expected {
  ids: number[];
  scores: number[];
}

function fixture(family: string, file: string): string {
  return fileURLToPath(new URL(`../../fixtures/classifiers/${family}/${file}`, import.meta.url));
}

async function largestDifference(family: string, dtype: Dtype, batchSize: number): Promise<number> {
  const rows = JSON.parse(readFileSync(fixture(family, "expected.json"), "utf8")) as Expected[];
  const config = JSON.parse(readFileSync(fixture(family, "config.json"), "utf8")) as { pad_token_id: number };
  const binding = await openBinding();
  const path = fixture(family, "model.pt");
  const model = await binding.loadArchive({
    path,
    device: "cpu",
    dtypes: computeDtypes(dtype, "cpu"),
    threads: 0,
    padTokenId: config.pad_token_id,
  });
  let largest = 0;
  for (let at = 0; at < rows.length; at += batchSize) {
    const batch = rows.slice(at, at + batchSize);
    const { scores, labels } = await model.forward(batchOf(batch.map((row) => row.ids)));
    const wanted = batch.flatMap((row) => row.scores);
    expect(scores.length).toBe(wanted.length);
    expect(labels).toBe(batch[0]!.scores.length);
    scores.forEach((score, index) => {
      largest = Math.max(largest, Math.abs(score - wanted[index]!) / Math.max(1, Math.abs(wanted[index]!)));
    });
  }
  await model.dispose();
  return largest;
}

describe.each(["llama", "qwen3", "bert"])("%s", (family) => {
  it.each([1, 2, 5, 1000])("equals transformers in batches of %d", async (batchSize) => {
    expect(await largestDifference(family, "float32", batchSize)).toBeLessThan(1e-5);
  });

  it("in bfloat16 within its precision, and not in float32 by mistake", async () => {
    const difference = await largestDifference(family, "bfloat16", 4);
    expect(difference).toBeLessThan(0.15);
    expect(difference).toBeGreaterThan(1e-5);
  });
});
