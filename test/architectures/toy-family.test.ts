import { fileURLToPath } from "node:url";
import { beforeAll, expect, it } from "vitest";
import * as v from "valibot";
import { count, parseKeys } from "#lib/architectures/config/keys.js";
import { describeArchitecture } from "#lib/architectures/describe.js";
import { families } from "#lib/architectures/families/index.js";
import type { Family } from "#lib/architectures/family.js";
import type { Stage } from "#lib/architectures/stage.js";
import { planPacks } from "#lib/batching/packed.js";
import type { Assignment } from "#lib/device-map/assignment.js";
import { placeStages } from "#lib/device-map/place.js";
import { inputFormatOf, openTokenizer } from "#lib/model/open-tokenizer.js";
import { ProgramSource } from "#lib/model/sources/program.js";
import type { ModelInputs } from "#lib/model/sources/source.js";
import type { NativeBinding } from "#lib/native/binding.js";
import { resolveOptions } from "#lib/options.js";
import { resolveColumns } from "#lib/rows/columns.js";
import type { RowInput } from "#lib/rows/types.js";
import { prepareWindow } from "#lib/scoring/prepare.js";
import { Scorer } from "#lib/scoring/scorer.js";
import type { OpenModel } from "#lib/scoring/scoring-model.js";
import { openBinding } from "../native/archives.js";
import type { ArchitectureFixture } from "../parity/fixtures.js";
import { writeCheckpoint } from "../parity/tiny-checkpoint.js";
import { tinyWeights } from "../parity/tiny-weights.js";
import { stagesOn } from "../native/stages-on.js";

// A trunk that has nothing of a decoder: learned positions, types of tokens, and layers in which every token reads the
// mean of its row.

const EMBEDDINGS = `def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
    places = lookup(self.positions, batch["positions"].long()) + lookup(self.types, batch["token_types"])
    return (lookup(self.words, batch["ids"]) + places).to(x.dtype)
`;
const LAYER = `def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
    lengths = batch["segments"][:, 1].long()
    rows = torch.arange(lengths.size(0)).repeat_interleave(lengths)
    sums = torch.zeros([lengths.size(0), x.size(1)]).index_add_(0, rows, x.float())
    means = (sums / lengths.unsqueeze(1)).to(x.dtype)
    x = linear_add(means.index_select(0, rows), self.dense, x)
    if self.last:
        x = x.index_select(0, batch["keep"])
    return x
`;
const HEAD = `def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
    return linear(x.float(), self.weight)
`;

const toyKeys = v.object({
  vocab: count(2 ** 16),
  width: count(1024),
  positions: count(4096),
  depth: count(64),
});

const toy: Family = {
  classNames: ["Toy"],
  modelTypes: ["toy"],
  padTokenId: 0,
  classifier: {
    module: "classifier",
    head(tensors, hidden) {
      const weight = {
        ...tensors.linear([{ module: "classifier", rows: 1 }], hidden, true),
        dtype: "float32",
      };
      const stage = { name: "classifier", block: false, source: HEAD, attributes: {}, weights: { weight } };
      return { stage: stage as Stage, labels: 1 };
    },
    pooling: { rule: "last" },
    inputFormat: "pair",
  },
  build(config, tensors) {
    const { vocab, width, positions, depth } = parseKeys(toyKeys, config);
    const layers = Array.from({ length: depth }, (_, i): Stage => {
      const name = `encoder.layer.${i}`;
      const dense = tensors.linear([{ module: `${name}.dense`, rows: width }], width, true);
      return {
        name,
        block: true,
        source: LAYER,
        attributes: { last: { bool: i === depth - 1 } },
        weights: { dense },
      };
    });
    const embedding = "embeddings.words.weight";
    const weights = {
      words: tensors.table(embedding, [vocab, width]),
      positions: tensors.table("embeddings.positions.weight", [positions, width]),
      types: tensors.table("embeddings.types.weight", [2, width]),
    };
    const embeddings = { name: "embeddings", block: false, source: EMBEDDINGS, attributes: {}, weights };
    return {
      stages: [embeddings, ...layers],
      embedding,
      hidden: width,
      maxPositions: positions,
      causal: false,
      tokenFields: { token_types: 2 },
      ropes: [],
    };
  },
};

const width = 8;
/** As many tokens as the tokenizer of the tests has. */
const vocab = 206;
const fixture: ArchitectureFixture = {
  name: "toy",
  rows: [],
  float32: { scores: [] },
  bfloat16: { scores: [] },
  config: { model_type: "toy", vocab, width, positions: 128, depth: 2 },
  tensors: {
    "embeddings.words.weight": [[vocab, width], 0, 5],
    "embeddings.positions.weight": [[128, width], 0, 5],
    "embeddings.types.weight": [[2, width], 0, 5],
    "encoder.layer.0.dense.weight": [[width, width], 0, 6],
    "encoder.layer.0.dense.bias": [[width], 0, 6],
    "encoder.layer.1.dense.weight": [[width, width], 0, 6],
    "encoder.layer.1.dense.bias": [[width], 0, 6],
    "classifier.weight": [[1, width], 0, 5],
    "classifier.bias": [[1], 0, 5],
  },
};

function tensor(name: string): number[][] {
  const [shape, offset, exponent] = fixture.tensors[name]!;
  const [columns, rows] = [shape.at(-1)!, shape.length > 1 ? shape[0]! : 1];
  const numbers = [...tinyWeights(name, rows * columns, offset, exponent)];
  return Array.from({ length: rows }, (_, row) => numbers.slice(row * columns, (row + 1) * columns));
}

const add = (a: number[], b: number[]) => a.map((value, i) => value + b[i]!);

function linear(module: string, input: number[]): number[] {
  const products = tensor(`${module}.weight`).map((row) =>
    row.reduce((sum, weight, i) => sum + weight * input[i]!, 0),
  );
  return add(products, tensor(`${module}.bias`)[0]!);
}

/** What the toy's sources say, in double precision. */
function scoreOf(ids: number[], types: number[]): number {
  const [words, positions, typed] = ["words", "positions", "types"].map((table) =>
    tensor(`embeddings.${table}.weight`),
  );
  const states = ids.map((id, at) => add(words![id]!, add(positions![at]!, typed![types[at]!]!)));
  const mixed = [0, 1].reduce((current, layer) => {
    const mean = current.reduce(add).map((sum) => sum / ids.length);
    const added = linear(`encoder.layer.${layer}.dense`, mean);
    return current.map((state) => add(state, added));
  }, states);
  return linear("classifier", mixed.at(-1)!)[0]!;
}

let binding: NativeBinding;
beforeAll(async () => {
  binding = await openBinding();
});

it("a family of another kind needs nothing of decoders, from config.json to scores", async () => {
  const { files } = writeCheckpoint(fixture);
  const checkpoint = await binding.openCheckpoint(files);
  const { config, tensors } = { config: fixture.config, tensors: checkpoint.tensors };
  const architecture = describeArchitecture({ config, tensors, files }, [...families, toy]);
  expect(architecture).toMatchObject({
    name: "ToyForSequenceClassification",
    vocabularySize: vocab,
    maxPositions: 128,
    inputFormat: "pair",
    tokenFields: { token_types: 2 },
    unusedTensors: [],
  });

  const map = { "": 0, "encoder.layer.1.dense.bias": 1 };
  expect(() => placeStages(architecture.spec.stages, map, (device) => `cuda:${device}`)).toThrow(
    expect.objectContaining({
      code: "ERR_NOT_SUPPORTED",
      message: expect.stringContaining("encoder.layer.1") as string,
    }),
  );

  const model = await binding.loadProgram(architecture.spec, {
    checkpoint,
    dtype: "float32",
    threads: 1,
    ...stagesOn(architecture.spec, "cpu"),
  });
  checkpoint.close();
  try {
    const beginning = Array.from({ length: 80 }, (_, i) => (i * 7) % 32);
    const rows = [[...beginning, 1], [...beginning, 2, 3], [4]];
    const types = rows.map((ids) => ids.map((id) => id % 2));
    const encoded = rows.map((ids, row) => ({
      fields: { ids: Int32Array.from(ids), token_types: Int32Array.from(types[row]!) },
      pooled: [ids.length - 1],
      gates: [],
    }));
    const { causal, ropeClass } = architecture;
    const packs = planPacks(encoded, { budget: 4096, sharePrefixes: true, causal, ropeClass });
    expect(packs).toHaveLength(1);
    const { scores } = await model.forward(packs[0]!.batch);
    for (const [i, row] of packs[0]!.rows.entries())
      expect(scores[i]).toBeCloseTo(scoreOf(rows[row]!, types[row]!), 4);
  } finally {
    await model.dispose();
  }
});

it("reads of a pair of texts which token is whose", async () => {
  const { files } = writeCheckpoint(fixture);
  const checkpoint = await binding.openCheckpoint(files);
  const { tensors } = checkpoint;
  const architecture = describeArchitecture({ config: fixture.config, tensors, files }, [toy]);
  const options = resolveOptions({ model: "toy" });
  const directory = fileURLToPath(new URL("../fixtures/tokenizer/wordpiece", import.meta.url));
  const parts = { architecture, config: "", tensors, spec: architecture.spec, checkpoint, bytes: 0 };
  const source = new ProgramSource(binding, { ...parts, adapter: undefined });
  const tokenizer = await openTokenizer(options, directory, source.inputs, undefined);
  const { stageDevices: stages, executionDevice } = stagesOn(architecture.spec, "cpu");
  const replicas = [{ stages, executionDevice, devices: ["cpu"] }];
  const assignment: Assignment = { map: { "": "cpu" }, dtype: "float32", replicas, warnings: [] };
  const program = await source.open(assignment, options, tokenizer, { onProgress: () => {} });
  const scorer = new Scorer({
    ...program,
    inputFormat: inputFormatOf(options, source.inputs),
    encode: (inputs, signal) => tokenizer.encode(inputs, signal),
    hurry: () => tokenizer.hurry(),
    close: () => Promise.all([program.native.dispose(), tokenizer.close()]).then(() => {}),
  });
  try {
    const rows = [
      { instruction: "How much is two and two?", response: "The answer is four." },
      { instruction: "four", response: "" },
      { instruction: "", response: "two" },
    ];
    const third = { ids: Int32Array.of(1, 2), token_types: Int32Array.of(0, 2) };
    expect(() => program.toRow(third)).toThrow(
      expect.objectContaining({
        code: "ERR_INVALID_ROWS",
        message: expect.stringContaining("2 among its token_types") as string,
      }),
    );
    const { signal } = new AbortController();
    const prepared = await prepareWindow(scorer.model, rows, 0, resolveColumns(), signal);
    const outcomes = await Promise.all(scorer.run(prepared.rows, signal, () => {}));
    for (const [i, { instruction, response }] of rows.entries()) {
      // [CLS] question [SEP] answer [SEP]
      const first = [2, ...(await tokenizer.idsOf(instruction)), 3];
      const ids = [...first, ...(await tokenizer.idsOf(response)), 3];
      const types = ids.map((_, at) => (at < first.length ? 0 : 1));
      const { score } = outcomes[i] as { score: number };
      expect(score).toBeCloseTo(scoreOf(ids, types), 4);
      const without = types.map(() => 0);
      expect(score).not.toBeCloseTo(scoreOf(ids, without), 2);
    }
  } finally {
    source.close();
    await scorer.close();
  }
});

const tensors = Object.entries(fixture.tensors).map(([name, [shape]]) => ({
  name,
  shape,
  dtype: "F32",
  file: 0,
}));

it("is not known to others", () => {
  expect(() => describeArchitecture({ config: fixture.config, tensors })).toThrow(/no built-in program/);
});

it("decides what rows are read as, unless an option does", async () => {
  const architecture = describeArchitecture({ config: fixture.config, tensors }, [toy]);
  const readAs = async (option: { inputFormat?: "chat" | "pair" }, of: ModelInputs) => {
    const inputs: RowInput[] = [];
    const model: Partial<OpenModel> = {
      inputFormat: inputFormatOf(resolveOptions({ model: "toy", ...option }), of),
      encode: (all) => {
        inputs.push(...all);
        return Promise.resolve([]);
      },
    };
    const rows = [{ instruction: "q", response: "a" }];
    await prepareWindow(model as OpenModel, rows, 0, resolveColumns(), new AbortController().signal);
    return inputs[0];
  };
  const pair = { question: "q", answer: "a" };
  const chat = [
    { role: "user", content: "q" },
    { role: "assistant", content: "a" },
  ];
  expect(await readAs({}, architecture)).toEqual(pair);
  expect(await readAs({ inputFormat: "chat" }, architecture)).toEqual(chat);
  // An archive says nothing.
  expect(await readAs({}, {})).toEqual(chat);
  expect(await readAs({ inputFormat: "pair" }, {})).toEqual(pair);
});
