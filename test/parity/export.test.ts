import { execFileSync } from "node:child_process";
import { beforeAll, expect, it } from "vitest";
import { computeDtypes } from "#lib/model/compute-dtype.js";
import { batchOf } from "../native/archives.js";
import { openEngineTest, type EngineTest, type TensorValue } from "../native/engine-test.js";
import { exportable, exportFixture } from "./exported.js";
import { readFixture } from "./fixtures.js";

let binding: EngineTest;
beforeAll(async () => {
  binding = await openEngineTest();
});

/** What the archive's own code gives, as anybody's TorchScript, with the types of the tokens or without. */
function forward(archive: string, rows: number[][], types?: number[][]): number[] {
  const length = Math.max(...rows.map((row) => row.length));
  const padded = (values: number[][]): TensorValue => ({
    dtype: "int64",
    shape: [values.length, length],
    data: BigInt64Array.from(values.flatMap((row) => Array.from({ length }, (_, i) => BigInt(row[i] ?? 0)))),
  });
  const mask = rows.map((row) => row.map(() => 1));
  const inputs = [rows, mask, ...(types ? [types] : [])].map(padded);
  return [...(binding.archive(archive)(...inputs).data as Float32Array)];
}

/** The same by the engine for archives, which makes it faster. */
async function plainScores(archive: string, rows: number[][]): Promise<Float32Array> {
  const options = {
    path: archive,
    device: "cpu",
    dtypes: computeDtypes("auto", "cpu"),
    threads: 1,
    padTokenId: 0,
  } as const;
  const model = await binding.loadArchive(options);
  const { scores } = await model.forward(batchOf(rows));
  await model.dispose();
  return scores;
}

it.each(exportable.map((fixture) => [fixture.name, fixture] as const))(
  "%s: the exported archive gives the reference's scores on padded rows",
  async (_, fixture) => {
    const { source, archive } = await exportFixture(binding, fixture);
    source.checkpoint.close();
    const { rows, types } = fixture;
    const expected = fixture.float32.scores.flat();
    const scale = Math.max(...expected.map(Math.abs));
    const found = [forward(archive, rows, types)];
    // The engine for archives gives them the ids alone.
    if (!types) found.push([...(await plainScores(archive, rows))]);
    for (const scores of found) {
      expect(scores).toHaveLength(expected.length);
      expected.forEach((score, i) =>
        expect(Math.abs(scores[i]! - score) / scale, `score ${i}`).toBeLessThan(1e-4),
      );
    }
  },
);

it("without their types all tokens are of type 0", async () => {
  const fixture = readFixture("bert");
  const { source, archive } = await exportFixture(binding, fixture);
  source.checkpoint.close();
  const ofType0 = fixture.rows.map((row) => row.map(() => 0));
  const scores = forward(archive, fixture.rows);
  expect(scores).toEqual(forward(archive, fixture.rows, ofType0));
  expect(scores).not.toEqual(forward(archive, fixture.rows, fixture.types));
});

it("a row without the token that the head reads scores NaN, and its neighbours their own", async () => {
  const fixture = readFixture("armorm");
  const { source, archive } = await exportFixture(binding, fixture);
  source.checkpoint.close();
  const scores = await plainScores(archive, [fixture.rows[0]!, [1], fixture.rows[1]!]);
  expect(scores[1]).toBeNaN();
  expect(scores[0]).toBeCloseTo(fixture.float32.scores[0]![0]!, 4);
  expect(scores[2]).toBeCloseTo(fixture.float32.scores[1]![0]!, 4);
});

/** Set PYTHON to one that has torch; without it libtorch's own reading of the archives has to do. */
const PYTHON = process.env["PYTHON"] ?? "python3";
const hasTorch = (() => {
  try {
    execFileSync(PYTHON, ["-c", "import torch"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

const inPython = `
import json, sys, torch
rows = json.loads(sys.argv[2])
mask = torch.tensor([[1] * len(row) + [0] * (max(map(len, rows)) - len(row)) for row in rows])
ids = torch.tensor([row + [0] * (mask.size(1) - len(row)) for row in rows])
archive = torch.jit.load(sys.argv[1])
for module in (archive, torch.jit.freeze(archive.eval())):
    print(json.dumps(module(ids, mask).tolist()))
`;

it.runIf(hasTorch).each(["llama-grouped", "gemma3-two-bases", "mixtral", "armorm", "internlm2-dynamic"])(
  "%s: Python's torch.jit.load gives the same scores, without this package",
  async (name) => {
    const fixture = readFixture(name);
    const { source, archive } = await exportFixture(binding, fixture);
    source.checkpoint.close();
    const wanted = [...(await plainScores(archive, fixture.rows))];
    const output = execFileSync(PYTHON, ["-c", inPython, archive, JSON.stringify(fixture.rows)], {
      encoding: "utf8",
    });
    for (const line of output.trim().split("\n")) {
      const scores = (JSON.parse(line) as number[][]).flat();
      expect(scores).toHaveLength(wanted.length);
      scores.forEach((score, i) => expect(score, `score ${i}`).toBeCloseTo(wanted[i]!, 4));
    }
  },
  60_000,
);
