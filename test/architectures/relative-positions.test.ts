import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { debertaColumns, mpnetColumns } from "#lib/architectures/relative-positions.js";

const recorded = JSON.parse(
  readFileSync(new URL("../fixtures/relative-positions.json", import.meta.url), "utf8"),
) as { deberta: { buckets: number; maxDistance: number; columns: number[] }[]; mpnet: number[] };

it.each(recorded.deberta)("$buckets buckets up to $maxDistance are transformers'", (deberta) => {
  expect(debertaColumns(deberta.buckets, deberta.maxDistance)).toEqual(deberta.columns);
});

it("without buckets every distance has its column, up to the farthest", () => {
  expect(debertaColumns(0, 3)).toEqual([0, 1, 2, 3, 4, 5, 5]);
});

it("MPNet's buckets are transformers'", () => {
  expect(mpnetColumns()).toEqual(recorded.mpnet);
});
