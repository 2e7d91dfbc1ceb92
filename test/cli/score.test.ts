import { execFileSync, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { MAIN, runCli } from "./run-cli.js";
import { temporaryFolder } from "../temporary-folder.js";
import { until } from "../wait.js";

const MODEL = "test/fixtures/classifiers/llama";

interface Expected {
  row: { instruction: string; response: string };
  scores: [number];
}

/** Rows and scores from Python's transformers. */
const EXPECTED = (JSON.parse(readFileSync(`${MODEL}/expected.json`, "utf8")) as Expected[]).filter(
  ({ row }) => "instruction" in row,
);

let directory: string;

beforeEach(() => {
  directory = temporaryFolder("cli-score");
});

function jsonl(rows: unknown[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}

function parse(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

function file(name: string, content: string | Buffer): string {
  writeFileSync(join(directory, name), content);
  return join(directory, name);
}

function score(args: string[], input?: string) {
  return runCli(["score", "--model", MODEL, ...args], input === undefined ? {} : { input });
}

const [FIRST, SECOND] = EXPECTED.map(({ row }) => row);

describe("score", () => {
  it("gives the rows of a file the scores that transformers gives them", async () => {
    const rows = file("rows.jsonl", jsonl(EXPECTED.map(({ row }) => row)));
    const output = join(directory, "scored.jsonl");
    const { status, stdout, stderr } = await score([rows, "--output", output]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
    expect(stderr).toMatch(new RegExp(`Scored ${EXPECTED.length} rows in .* rows/s, .* tokens/s`));
    const scored = parse(readFileSync(output, "utf8"));
    for (const [i, { row, scores }] of EXPECTED.entries()) {
      expect(scored[i]).toEqual({ ...row, score: expect.closeTo(scores[0], 4) as number });
    }
    expect(readdirSync(directory).sort()).toEqual(["rows.jsonl", "scored.jsonl"]);
  });

  it("passes other columns through as they are written", async () => {
    const input =
      '{ "id": 12345678901234567890, "x": 1.50, "instruction": "a\\u0062", "response": "c" , "tags":[ 1,2 ]}\n';
    const { status, stdout } = await score(["-"], input);
    expect(status).toBe(0);
    expect(stdout).toMatch(/,"score":-?\d[^,]*}\n$/);
    expect(stdout.replace(/,"score":[^,]*}\n$/, "}\n")).toBe(input.replace("] }", "]}"));
  });

  it("replaces a score of an earlier run in its place", async () => {
    const { stdout } = await score(["-"], jsonl([{ score: "old", ...FIRST }]));
    const [row] = parse(stdout);
    expect(Object.keys(row!)).toEqual(["score", "instruction", "response"]);
    expect(row!.score).toBeCloseTo(EXPECTED[0]!.scores[0], 4);
  });

  it("takes away what an earlier run left, and keeps what Python writes", async () => {
    const { instruction, response } = FIRST!;
    const [i, r] = [JSON.stringify(instruction), JSON.stringify(response)];
    const input = [
      `{"error":"ERR_X: old","instruction":${i},"response":${r},"attributes":1,"x":[NaN, -Infinity],"s":"\\ud800"}`,
      `{"instruction":NaN,"response":${r},"x": Infinity}`,
    ];
    const { status, stdout } = await score(["-"], input.join("\n"));
    expect(status).toBe(1);
    const [first, second] = stdout.split("\n");
    expect(first).toMatch(/,"score":-?\d[^,]*}$/);
    expect(first!.replace(/,"score":[^,]*}$/, "}")).toBe(input[0]!.replace('"error":"ERR_X: old",', ""));
    expect(second).toBe(
      `${input[1]!.slice(0, -1)},"score":null,"error":"ERR_INVALID_ROWS: instruction: is a number; expected a string"}`,
    );
  });

  it("reads and writes compressed files", async () => {
    const rows = file("rows.jsonl.gz", gzipSync(jsonl([FIRST, SECOND])));
    const output = join(directory, "scored.jsonl.gz");
    expect(await score([rows, "--output", output])).toMatchObject({ status: 0 });
    expect(parse(gunzipSync(readFileSync(output)).toString())).toHaveLength(2);
  });

  it("gives bad rows an error, in their place, and harms no other", async () => {
    const bad = ["{broken", "[1]", "null", '"text"', '{"instruction":"no response","id":7}'];
    const input = `\n${JSON.stringify(FIRST)}\r\n${bad.join("\n")}\n\n${JSON.stringify(SECOND)}`;
    const { status, stdout, stderr } = await score(["-"], input);
    expect(status).toBe(1);
    const rows = parse(stdout);
    expect(rows.map(({ score }) => score)).toEqual([
      expect.closeTo(EXPECTED[0]!.scores[0], 4),
      ...bad.map(() => null),
      expect.closeTo(EXPECTED[1]!.scores[0], 4),
    ]);
    for (const [i, line] of [3, 4, 5, 6].entries()) {
      const error = expect.stringMatching(`^ERR_INVALID_ROWS: line ${line} is not a JSON object`) as string;
      expect(rows[i + 1]).toEqual({ line, score: null, error });
      expect(stderr).toContain(`line ${line}: ERR_INVALID_ROWS`);
    }
    expect(rows[5]).toEqual({
      instruction: "no response",
      id: 7,
      score: null,
      error: expect.stringContaining("response") as string,
    });
    expect(rows[1]).not.toHaveProperty("instruction");
    expect(rows[6]).not.toHaveProperty("error");
    expect(stderr).toContain("Scored 2 rows");
    expect(stderr).toContain("with an error instead: 5 rows");
  });

  it("maps columns", async () => {
    const { instruction, response } = FIRST!;
    const args = ["-", "--input-mappings", "instruction=prompt,response=answer"];
    const { stdout } = await score(
      [...args, "--output-mappings", "score=reward"],
      jsonl([{ prompt: instruction, answer: response }]),
    );
    expect(parse(stdout)).toEqual([
      {
        prompt: instruction,
        answer: response,
        reward: expect.closeTo(EXPECTED[0]!.scores[0], 4) as number,
      },
    ]);
  });

  it("takes a chat template from a file", async () => {
    const template = file("template.jinja", "{{ messages[-1].content }}");
    const input = jsonl([
      { instruction: "one", response: "same" },
      { instruction: "two", response: "same" },
    ]);
    const { stdout } = await score(["-", "--chat-template", template], input);
    const [one, two] = parse(stdout);
    expect(one!.score).toBe(two!.score);
    expect(await score(["-", "--chat-template", join(directory, "none")], input)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("ERR_NOT_FOUND") as string,
    });
  });

  it("writes nothing for no rows", async () => {
    expect(await score(["-"], "\n\n")).toMatchObject({ status: 0, stdout: "" });
  });

  it("finds out what is wrong with files before the model is loaded", async () => {
    const rows = file("rows.jsonl", jsonl([FIRST]));
    const none = join(directory, "none");
    const run = (...args: string[]) => runCli(["score", "--model", none, ...args]);
    expect(await run(none)).toMatchObject({
      status: 2,
      stderr: `reward-model-score: ERR_NOT_FOUND: ${none} does not exist.\n`,
    });
    const array = file("rows.json", JSON.stringify([FIRST]));
    expect(await run(array)).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/ERR_NOT_SUPPORTED: .*rows\.json is a JSON array, .* jq -c/) as string,
    });
    const unwritable = await run(rows, "--output", join(none, "scored.jsonl"));
    expect(unwritable.status).toBe(2);
    expect(unwritable.stderr).toContain(`ERR_IO: ${join(none, "scored.jsonl")} cannot be written`);
  });

  it("names another kind of file on standard input, once", async () => {
    const { status, stdout, stderr } = await score(["-"], "instruction,response\nHow much is 2+2?,4\n");
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^reward-model-score: ERR_NOT_SUPPORTED: standard input is a CSV table, .*\n$/);
  });

  it("tells a compressed file that is not whole, and keeps the rows before that", async () => {
    const rows = gzipSync(jsonl(Array.from({ length: 600 }, (_, i) => ({ ...FIRST, i }))), { level: 0 });
    const output = join(directory, "scored.jsonl");
    const broken: [string, Buffer, RegExp][] = [
      ["cut.gz", rows.subarray(0, -100), /is cut off/],
      ["followed.gz", Buffer.concat([rows, Buffer.from("garbage")]), /something that is not gzip follows/],
      ["empty.gz", Buffer.alloc(0), /is empty/],
      ["plain.gz", Buffer.from(jsonl([FIRST])), /is not a gzip file/],
    ];
    for (const [name, bytes, message] of broken) {
      const path = file(name, bytes);
      const { status, stderr } = await score([path, "--output", output]);
      expect(status, name).toBe(2);
      expect(stderr, name).toMatch(new RegExp(`ERR_IO: .*${name} cannot be read: .*${message.source}`));
      expect(stderr, name).not.toMatch(/^ +at /m);
      expect(existsSync(output), name).toBe(false);
      const told = Number(/The ([\d,]+) rows that were finished/.exec(stderr)?.[1] ?? 0);
      const kept = existsSync(`${output}.partial`) ? parse(readFileSync(`${output}.partial`, "utf8")) : [];
      expect(told, name).toBe(kept.length);
      if (kept.length > 0) rmSync(`${output}.partial`);
    }
    const padded = file(
      "padded.gz",
      Buffer.concat([gzipSync(jsonl([FIRST])), Buffer.alloc(512), gzipSync(jsonl([SECOND]))]),
    );
    expect(parse((await score([padded])).stdout)).toHaveLength(2);
  });

  it("never writes to what it reads, nor over what an interrupted run left", async () => {
    const rows = file("rows.jsonl", jsonl([FIRST]));
    const output = join(directory, "scored.jsonl");
    const taken = file("scored.jsonl.partial", jsonl([FIRST]));
    const content = readFileSync(taken, "utf8");
    for (const args of [
      [taken, "--output", output],
      [rows, "--output", output],
      [rows, "--output", output, "--model", join(directory, "typo")],
    ]) {
      const { status, stderr } = await score(args);
      expect(status).toBe(2);
      expect(stderr).toMatch(/scored\.jsonl\.partial (and cannot be written there|is there already)/);
      expect(readFileSync(taken, "utf8")).toBe(content);
    }
    const shell = (command: string, place: string) => {
      const { status, stderr } = spawnSync(
        "bash",
        ["-c", `${command.replace("RUN", `"${process.execPath}" "${MAIN}" score --model ${MODEL}`)}`],
        {
          stdio: ["ignore", "pipe", "pipe"],
          encoding: "utf8",
        },
      );
      expect({ status, stderr }).toEqual({
        status: 2,
        stderr: expect.stringContaining(
          `The rows are read from ${place} and cannot be written there too. Name another output`,
        ) as string,
      });
    };
    shell(`RUN "${rows}" >> "${rows}"`, "the file behind standard output");
    shell(`RUN - --output "${rows}" < "${rows}"`, rows);
    shell(`RUN /dev/stdin --output "${rows}" < "${rows}"`, rows);
    expect(readFileSync(rows, "utf8")).toBe(jsonl([FIRST]));
  });

  it.skipIf(process.platform === "win32")("writes to pipes and devices directly", () => {
    const rows = file("rows.jsonl", jsonl([FIRST, SECOND]));
    const run = (end: string) =>
      execFileSync(
        "bash",
        ["-c", `"${process.execPath}" "${MAIN}" score "${rows}" --model ${MODEL} ${end}`],
        {
          stdio: ["ignore", "pipe", "ignore"],
          encoding: "utf8",
        },
      );
    const plain = run("");
    expect(parse(plain)).toHaveLength(2);
    for (const end of [
      "--output -",
      "--output /dev/stdout",
      "--output /dev/stdout | cat",
      "--output /dev/fd/3 3>&1 | cat",
    ])
      expect(run(end), end).toBe(plain);
    expect(run("--output >(cat) | cat")).toBe(plain);
    expect(run("--output /dev/null")).toBe("");
    const appended = file("appended.jsonl", "first\n");
    run(`--output /dev/stdout >> "${appended}"`);
    expect(readFileSync(appended, "utf8")).toBe(`first\n${plain}`);
    execFileSync("mkfifo", [join(directory, "pipe")]);
    expect(
      run(`--output "${join(directory, "pipe")}" & head -n 1 "${join(directory, "pipe")}"; wait $!`),
    ).toBe(`${plain.split("\n")[0]}\n`);
  });

  it.skipIf(!existsSync("/dev/full"))("tells a full disk behind standard output without a stack", () => {
    const rows = file("rows.jsonl", jsonl([FIRST]));
    for (const command of [`score "${rows}" --model ${MODEL}`, "--help"]) {
      const full = spawnSync("bash", ["-c", `"${process.execPath}" "${MAIN}" ${command} > /dev/full`], {
        stdio: ["ignore", "pipe", "pipe"],
        encoding: "utf8",
      });
      expect(full.status).toBe(2);
      expect(full.stderr).toBe(
        "reward-model-score: ERR_DISK_FULL: The disk is full: standard output cannot be written. Free some.\n",
      );
    }
  });

  it.skipIf(!existsSync("/dev/full"))("does its work where nothing can be told", () => {
    const rows = file("rows.jsonl", jsonl([FIRST]));
    const command = `"${process.execPath}" "${MAIN}" score "${rows}" --model ${MODEL} 2> /dev/full`;
    expect(
      parse(execFileSync("bash", ["-c", command], { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" })),
    ).toHaveLength(1);
  });

  it.skipIf(process.platform === "win32").each(["scored.jsonl", "scored.jsonl.gz"])(
    "counts the rows that are whole when no more fits: %s",
    (name) => {
      // What does not compress fills a file soon.
      const noise = () => randomBytes(1500).toString("base64");
      const rows = file(
        "rows.jsonl",
        jsonl(Array.from({ length: 400 }, () => ({ ...FIRST, noise: noise() }))),
      );
      const output = join(directory, name);
      const command = `ulimit -f 256; exec "${process.execPath}" "${MAIN}" score "${rows}" --model ${MODEL} --output "${output}"`;
      const { status, stderr } = spawnSync("bash", ["-c", command], {
        stdio: ["ignore", "pipe", "pipe"],
        encoding: "utf8",
      });
      expect(status).toBe(2);
      expect(stderr).toMatch(/^reward-model-score: ERR_IO: .*\.partial cannot be written: EFBIG/m);
      const bytes = readFileSync(`${output}.partial`);
      const kept = (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString();
      expect(kept.endsWith("}\n")).toBe(true);
      const lines = parse(kept);
      expect(lines.length).toBeGreaterThan(0);
      expect(stderr).toContain(`The ${lines.length} rows that were finished are in ${output}.partial`);
    },
  );

  it("lets a second run with the same output go no further", async () => {
    const rows = file("rows.jsonl", jsonl([FIRST]));
    const output = join(directory, "scored.jsonl");
    const first = spawn(process.execPath, [MAIN, "score", "-", "--model", MODEL, "--output", output]);
    await until(() => existsSync(`${output}.partial`));
    const second = await score([rows, "--output", output]);
    expect(second.status).toBe(2);
    expect(second.stderr).toMatch(new RegExp(`ERR_IO: .* another run \\(process ${first.pid}\\)`));
    first.stdin.end(jsonl([SECOND]));
    expect(await new Promise((resolve) => first.on("close", resolve))).toBe(0);
    expect(parse(readFileSync(output, "utf8"))).toMatchObject([SECOND!]);
    expect(readdirSync(directory).sort()).toEqual(["rows.jsonl", "scored.jsonl"]);
  });

  it("leaves no output behind when the model cannot be loaded", async () => {
    const rows = file("rows.jsonl", jsonl([FIRST]));
    const args = ["score", rows, "--model", join(directory, "none"), "--output", join(directory, "out")];
    const { status, stderr } = await runCli(args);
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: expect.stringContaining("ERR_NOT_FOUND") as string,
    });
    expect(readdirSync(directory)).toEqual(["rows.jsonl"]);
  });

  it.each([
    ["rows.jsonl"],
    ["--model", MODEL],
    ["rows.jsonl", "--model", MODEL, "--threads", "0"],
    ["rows.jsonl", "--model", MODEL, "--max-length", "1.5"],
    ["rows.jsonl", "--model", MODEL, "--torch-dtype", "float8"],
    ["rows.jsonl", "--model", MODEL, "--input-mappings", "prompt"],
    ["rows.jsonl", "--model", MODEL, "--device-map", "{broken"],
    ["rows.jsonl", "--model", MODEL, "--device-map", "-1"],
    ["rows.jsonl", "--model", MODEL, "--max-memory", "cpu"],
    ["rows.jsonl", "--model", MODEL, "--max-memory", "cpu=many"],
    ["rows.jsonl", "--model", MODEL, "--replicas", "0"],
    ["rows.jsonl", "--model", MODEL, "--cuda-devices", "first"],
    ["rows.jsonl", "--model", MODEL, "--input-mappings", "question=prompt"],
    ["rows.jsonl", "--model", MODEL, "--input-mappings", "instruction=a,instruction=b"],
    ["rows.jsonl", "--model", MODEL, "--output-mappings", "score=error"],
    ["rows.jsonl", "--model", MODEL, "--output-mappings", "score=response"],
    ["rows.jsonl", "--model", MODEL, "--max-length", "8"],
  ])("refuses %j %j %j %j %j", async (...args) => {
    const { status, stdout, stderr } = await runCli(["score", ...args.filter((arg) => arg !== undefined)]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).not.toMatch(/^ +at /m);
  });

  it("applies an adapter, and refuses other kinds by name with status 2", async () => {
    const rows = file("rows.jsonl", jsonl([FIRST]));
    const fixture = "test/fixtures/adapters/lora";
    const run = (adapter: string) => runCli(["score", rows, "--model", "models/demo", "--adapter", adapter]);
    // It is of another model.
    const misfit = await run(fixture);
    expect(misfit).toMatchObject({ status: 2, stdout: "" });
    expect(misfit.stderr).toMatch(/ERR_WEIGHTS: The adapter's tensor/);
    for (const kind of ["IA3", "LOHA", "PROMPT_TUNING"]) {
      const folder = join(directory, kind);
      cpSync(fixture, folder, { recursive: true });
      writeFileSync(join(folder, "adapter_config.json"), JSON.stringify({ peft_type: kind }));
      for (const args of [
        ["--model", folder],
        ["--model", "models/demo", "--adapter", folder],
      ]) {
        const refused = await runCli(["score", rows, ...args]);
        expect(refused).toMatchObject({ status: 2, stdout: "" });
        expect(refused.stderr).toContain(`an adapter of type ${kind}`);
      }
    }
  });

  it("normalises with the model's statistics, and says with which", async () => {
    const rows = file("rows.jsonl", jsonl([FIRST]));
    cpSync("models/demo", join(directory, "model"), { recursive: true });
    const config = join(directory, "model", "config.json");
    const json = JSON.parse(readFileSync(config, "utf8")) as object;
    writeFileSync(config, JSON.stringify({ ...json, mean: 0.5, std: 2 }));
    const run = (...args: string[]) => runCli(["score", rows, "--model", join(directory, "model"), ...args]);
    const raw = await run();
    const normalised = await run("--normalize", "model");
    const [one, other] = [raw, normalised].map(({ stdout }) => parse(stdout)[0]!.score as number);
    expect(other).toBe(Math.fround((one! - 0.5) / 2));
    expect(normalised.stderr).toContain("with the model's mean 0.5 and std 2\n");
    const refused = await runCli(["score", rows, "--model", "models/demo", "--normalize", "model"]);
    expect(refused).toMatchObject({ status: 2, stdout: "" });
    expect(refused.stderr).toMatch(/ERR_INVALID_OPTION: .*no mean and std/);
  });

  it("takes the options of devices, and tells warnings", async () => {
    const rows = file("rows.jsonl", jsonl([FIRST]));
    const demo = ["score", rows, "--model", "models/demo"];
    const warned = await runCli([...demo, "--device-map", '{"": "cpu", "model.nrom": "cpu"}']);
    expect(warned.status).toBe(0);
    expect(warned.stderr).toMatch(/^Warning: deviceMap names modules .*: model\.nrom\.$/m);
    const limited = await runCli([...demo, "--max-memory", "cpu=1GiB", "--max-memory", "disk=1GB"]);
    expect({ status: limited.status, stdout: limited.stdout }).toEqual({ status: 0, stdout: warned.stdout });
    const replicas = await runCli([...demo, "--replicas", "cpu,cuda:7", "--cuda-devices", "0,1"]);
    expect(replicas).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("ERR_DEVICE_UNAVAILABLE: cudaDevices [0,1]") as string,
    });
  });

  it("ends quietly when the reader has seen enough", async () => {
    const rows = file("rows.jsonl", jsonl(Array.from({ length: 5000 }, (_, i) => ({ ...FIRST, i }))));
    const command = `"${process.execPath}" "${MAIN}" score "${rows}" --model ${MODEL} | head -n 1`;
    const child = spawn("bash", ["-o", "pipefail", "-c", command], {
      // A bash whose input is a socket, as Node's pipes are, may take itself for a remote one and read its start-up files.
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const status = await new Promise((resolve) => child.on("close", resolve));
    // A slow machine may have told its progress.
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: expect.not.stringMatching(/reward-model-score:|EPIPE/) as string,
    });
  });

  it("keeps the rows that are finished when it is interrupted", async () => {
    const rows = file("rows.jsonl", jsonl(Array.from({ length: 200_000 }, (_, i) => ({ ...FIRST, i }))));
    const output = join(directory, "scored.jsonl");
    const partial = `${output}.partial`;
    const { status, signal, stderr } = await runCli(["score", rows, "--model", MODEL, "--output", output], {
      started: async (child) => {
        await until(() => existsSync(partial) && statSync(partial).size > 0);
        child.kill("SIGINT");
      },
    });
    expect({ status, signal }).toEqual({ status: 130, signal: null });
    const kept = readFileSync(partial, "utf8");
    expect(kept.endsWith("}\n")).toBe(true);
    const finished = parse(kept);
    expect(finished.map(({ i }) => i)).toEqual(finished.map((_, i) => i));
    expect(stderr).toContain(`The ${finished.length} rows that were finished are in ${partial}`);
    expect(existsSync(output)).toBe(false);
  });

  it("ends when it is interrupted while it waits for standard input", async () => {
    const output = join(directory, "scored.jsonl");
    const child = spawn(process.execPath, [MAIN, "score", "-", "--model", MODEL, "--output", output]);
    onTestFinished(() => void child.kill("SIGKILL"));
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    // More than the system keeps for a reader, and fewer rows than are scored together: who has taken it wants more.
    const long = { ...FIRST, column: "x".repeat(4 << 20) };
    await new Promise((taken) => child.stdin.write(jsonl([long]), taken));
    child.kill("SIGTERM");
    const status = await new Promise((resolve) => child.on("close", resolve));
    expect(status).toBe(143);
    expect(stderr).toMatch(/^reward-model-score: Interrupted by SIGTERM\.$/m);
    expect(readdirSync(directory)).toEqual([]);
  });
});
