import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RewardModelScoreError } from "#lib/errors.js";
import type { Message } from "#lib/rows/types.js";
import { type EncodedInput, RowEncoder } from "#lib/tokenizer/row-encoder.js";
import { TokenizerPool } from "#lib/tokenizer/tokenizer.js";
import { temporaryFolder } from "../temporary-folder.js";
import { turns } from "../wait.js";

const directory = fileURLToPath(new URL("../fixtures/tokenizer/bpe", import.meta.url));
const options = {
  directory,
  inputFormat: "chat",
  positions: 131_072,
  chatTemplate:
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'nobody' %}{{ raise_exception('Who is nobody?') }}{% endif %}" +
    "<|{{ m.role }}|>{{ m.content }}{% endfor %}",
} as const;

const say = (content: string, role = "user"): Message[] => [{ role, content }];

describe("a pool of tokenizer threads", () => {
  let pool: TokenizerPool;
  let inline: RowEncoder;
  beforeAll(async () => {
    pool = await TokenizerPool.open({ ...options, threads: 2 });
    inline = await RowEncoder.open(options);
  });
  afterAll(() => pool.close());

  it("gives every row the ids that one thread gives, in order", async () => {
    const row = fc.array(
      fc.record({
        role: fc.constantFrom("user", "assistant", "<|eos|>"),
        content: fc.string({ unit: "grapheme" }),
      }),
      { minLength: 1, maxLength: 4 },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 120 }), async (rows) => {
        const expected = rows.map((messages) => {
          return inline.encode(messages);
        });
        expect(await pool.encode(rows)).toEqual(expected);
      }),
      { numRuns: 20 },
    );
  });

  it("carries all that is known of each token, past a row that has none", async () => {
    const wordpiece = {
      directory: fileURLToPath(new URL("../fixtures/tokenizer/wordpiece", import.meta.url)),
      inputFormat: "pair",
      tokenFields: ["token_types"],
    } as const;
    const rows = Array.from({ length: 70 }, (_row, index) => ({
      question: "two and ".repeat(index % 7),
      // So many tokens are refused.
      answer: "four ".repeat(index % 10 === 3 ? 1000 : index % 5),
    }));
    const one = await RowEncoder.open(wordpiece);
    const several = await TokenizerPool.open({ ...wordpiece, threads: 2 });
    const encoded = await several.encode(rows).finally(() => several.close());
    encoded.forEach((encoding, index) => {
      if (index % 10 === 3) expect(encoding.problem?.index).toBe(index);
      else expect(encoding).toEqual(one.encode(rows[index]!));
    });
    expect((encoded[1] as EncodedInput).fields["token_types"]).toContain(1);
  });

  it("makes a row that the template refuses that row's problem", async () => {
    const rows = Array.from({ length: 100 }, (_row, index) =>
      say(`row ${index}`, index % 33 === 5 ? "nobody" : "user"),
    );
    const encoded = await pool.encode(rows);
    encoded.forEach((encoding, index) => {
      if (index % 33 === 5) {
        expect(encoding.problem?.index).toBe(index);
        expect(encoding.problem?.message).toContain("Who is nobody?");
      } else {
        expect(encoding).toEqual(inline.encode(rows[index]!));
      }
    });
  });

  it("encodes nothing, a text of 2 MB, and rows beside it", async () => {
    expect(await pool.encode([])).toEqual([]);
    const [first, large] = await pool.encode([say("a"), say("The quick brown fox. ".repeat(100_000))]);
    expect(first).toEqual(inline.encode(say("a")));
    expect((large as EncodedInput).fields.ids.length).toBeGreaterThan(500_000);
  });

  it("tells ids of special tokens and of a text", async () => {
    expect(pool.specialTokenId("pad_token")).toBe(2);
    expect(pool.specialTokenId("cls_token")).toBeUndefined();
    expect(await pool.idsOf("<|bos|>")).toEqual(Int32Array.of(0));
    expect(pool.maxLength).toBe(null);
  });

  it("rejects with the signal's reason, before and while it works, and goes on afterwards", async () => {
    const reason = new Error("enough");
    await expect(pool.encode([say("a")], AbortSignal.abort(reason))).rejects.toBe(reason);
    const controller = new AbortController();
    const rows = Array.from({ length: 2000 }, () => say("two and two ".repeat(50)));
    const [first, work] = [pool.encode([say("a")]), pool.encode(rows, controller.signal)];
    await first;
    controller.abort(reason);
    await expect(work).rejects.toBe(reason);
    expect(await pool.encode([say("a")], new AbortController().signal)).toHaveLength(1);
  });
});

describe("rows that never end", () => {
  /** The tokenizer of the tests with a rule that takes exponential time for a run of "a" that no "!" ends. */
  function backtracking(changes: (pattern: object) => object): string {
    const folder = temporaryFolder("tokenizer");
    cpSync(directory, folder, { recursive: true });
    const path = join(folder, "tokenizer.json");
    const definition = JSON.parse(readFileSync(path, "utf8")) as object;
    writeFileSync(path, JSON.stringify({ ...definition, ...changes({ pattern: { Regex: "(a+)+!" } }) }));
    return folder;
  }
  const splitting = () =>
    backtracking((pattern) => ({
      pre_tokenizer: { type: "Split", ...pattern, behavior: "Isolated", invert: false },
    }));
  const endless = say("a".repeat(60));

  /** A row as long as this one has a budget of many seconds, which this template spends: sorting takes long for what it costs. */
  const looping = {
    ...options,
    chatTemplate:
      "{% for m in messages %}{% if m.role == 'loop' %}{% for i in range(99999) %}{% set sorted = m.content|sort %}{% endfor %}{% endif %}{{ m.content }}{% endfor %}",
  };
  const loop = say("b".repeat(4_000_000), "loop");

  it.each([
    [
      "in the tokenizer",
      () => ({ ...options, directory: splitting() }),
      endless,
      "ERR_TOKENIZER",
      /tokenizer.json has not ended after 1 s/,
    ],
    ["in the template", () => looping, loop, "ERR_CHAT_TEMPLATE", /chat template has not ended after 1 s/],
  ] as const)("%s fail alone, and the pool goes on", async (_where, describeOpening, bad, code, message) => {
    const opening = describeOpening();
    const inline = await RowEncoder.open(opening);
    const pool = await TokenizerPool.open({ ...opening, threads: 1, rowTimeout: 1000 });
    try {
      const rows = [say("b"), say("cc"), bad, say("dd ee"), say("f")];
      const encoded = await pool.encode(rows);
      encoded.forEach((encoding, index) => {
        if (index === 2)
          expect(encoding.problem).toMatchObject({
            index,
            path: "",
            code,
            message: expect.stringMatching(message) as string,
          });
        else expect(encoding).toEqual(inline.encode(rows[index]!));
      });
      expect(await pool.encode([say("g")])).toEqual([inline.encode(say("g"))]);
    } finally {
      await pool.close();
    }
  });

  it("leave the event loop free, as all rows do", async () => {
    const pool = await TokenizerPool.open({ ...options, directory: splitting(), threads: 1 });
    const controller = new AbortController();
    // This one would end after some seconds: were it this thread that splits it, the turns would come too late.
    const work = pool.encode([say("a".repeat(30))], controller.signal).then(() => "encoded");
    expect(await Promise.race([work, turns(10).then(() => "turned")])).toBe("turned");
    controller.abort(new Error("enough"));
    await expect(work).rejects.toThrow("enough");
    await pool.close();
  });

  it("are left at once when the signal aborts, and their thread is free again soon", async () => {
    const pool = await TokenizerPool.open({
      ...options,
      directory: splitting(),
      threads: 1,
      rowTimeout: 3_600_000,
    });
    const controller = new AbortController();
    const work = pool.encode([endless], controller.signal);
    await turns(10);
    controller.abort(new Error("enough"));
    await expect(work).rejects.toThrow("enough");
    // Without an end to the row before it, this one would get its turn only after the limit.
    expect(await pool.encode([say("b")])).toHaveLength(1);
    await pool.close();
  });

  it("are not waited for when the pool is closed, nor when it is told to hurry", async () => {
    for (const end of ["close", "hurry"] as const) {
      const pool = await TokenizerPool.open({
        ...options,
        directory: splitting(),
        threads: 1,
        rowTimeout: 3_600_000,
      });
      const work = pool.encode([endless, say("b")]).catch((error: unknown) => error);
      await turns(10);
      await pool[end]();
      expect(RewardModelScoreError.is(await work, "ERR_NOT_LOADED")).toBe(true);
      await pool.close();
    }
  });

  it("and a text that never ends is an error of its own", async () => {
    const pool = await TokenizerPool.open({ ...options, directory: splitting(), rowTimeout: 1000 });
    await expect(pool.idsOf("a".repeat(60))).rejects.toMatchObject({ code: "ERR_TOKENIZER" });
    expect(await pool.idsOf("b")).toHaveLength(1);
    await pool.close();
  });

  it("a tokenizer whose reading never ends is given up with the signal, or by itself", async () => {
    // Such a token is normalized when the tokenizer is built.
    const added_tokens = [{ id: 0, content: "a".repeat(60), special: false, normalized: true }];
    const bad = backtracking((pattern) => ({
      normalizer: { type: "Replace", ...pattern, content: "" },
      added_tokens,
    }));
    const controller = new AbortController();
    const opening = TokenizerPool.open({ ...options, directory: bad, signal: controller.signal });
    controller.abort(new Error("enough"));
    await expect(opening).rejects.toThrow("enough");
    await expect(TokenizerPool.open({ ...options, directory: bad, rowTimeout: 200 })).rejects.toMatchObject({
      code: "ERR_TOKENIZER",
      message: expect.stringContaining(bad) as string,
    });
  });
});

describe("opening", () => {
  it("rejects with the error of the thread, code and details included", async () => {
    const error: unknown = await TokenizerPool.open({ ...options, directory: "/no/such" }).catch(
      (e: unknown) => e,
    );
    expect(RewardModelScoreError.is(error, "ERR_NOT_FOUND")).toBe(true);
    expect((error as RewardModelScoreError<"ERR_NOT_FOUND">).details).toEqual({ path: "/no/such" });
  });
});

describe("closing", () => {
  it("ends waiting work with ERR_NOT_LOADED, and can be done twice", async () => {
    const pool = await TokenizerPool.open({ ...options, threads: 1 });
    const work = pool.encode(Array.from({ length: 3000 }, () => say("two and two ".repeat(100))));
    const failed = work.catch((error: unknown) => error);
    await Promise.all([pool.close(), pool.close()]);
    expect(RewardModelScoreError.is(await failed, "ERR_NOT_LOADED")).toBe(true);
    await expect(pool.encode([say("a")])).rejects.toThrow(RewardModelScoreError);
  });
});

describe("in a process of its own", () => {
  const module = new URL("../../dist/tokenizer/tokenizer.js", import.meta.url).href;
  const open = `const { TokenizerPool } = await import(${JSON.stringify(module)});
    const pool = await TokenizerPool.open(${JSON.stringify({ ...options, threads: 2 })});
    const rows = Array.from({ length: 400 }, () => [{ role: "user", content: "two and two ".repeat(100) }]);`;

  function run(script: string): {
    status: number | null;
    signal: string | null;
    stdout: string;
    stderr: string;
  } {
    const { status, signal, stdout, stderr } = spawnSync(
      process.execPath,
      ["--input-type=module", "-e", script],
      {
        encoding: "utf8",
        timeout: 50_000,
      },
    );
    return { status, signal, stdout, stderr };
  }

  it.each([
    [
      "an idle pool does not keep the process alive",
      `${open} await pool.encode(rows.slice(0, 80)); console.log("done");`,
    ],
    [
      "work does",
      `${open} pool.encode(rows).then((all) => console.log(all.length === 400 ? "done" : "lost"));`,
    ],
    [
      "exit in the middle of work",
      `${open} const first = pool.encode(rows.slice(0, 1)); pool.encode(rows); await first; console.log("done"); process.exit(0);`,
    ],
    [
      "inside a worker thread",
      `import { Worker } from "node:worker_threads";
       const worker = new Worker(${JSON.stringify(`(async () => { ${open} const all = await pool.encode(rows); console.log(all.length === 400 ? "done" : "lost"); })()`)}, { eval: true });
       await new Promise((resolve) => worker.on("exit", resolve));`,
    ],
    [
      "inside a worker thread that is terminated",
      `import { Worker } from "node:worker_threads";
       const worker = new Worker(${JSON.stringify(`(async () => { ${open} (await import("node:worker_threads")).parentPort.postMessage(1); await pool.encode(rows); })()`)}, { eval: true });
       await new Promise((resolve) => worker.on("message", resolve));
       await worker.terminate(); console.log("done");`,
    ],
  ])("%s", (_name, script) => {
    expect(run(script)).toEqual({ status: 0, signal: null, stdout: "done\n", stderr: "" });
  });

  it.skipIf(spawnSync("prlimit", ["--version"]).status !== 0)(
    "a thread that the system does not allow is an error with a remedy",
    () => {
      const limited = `const { TokenizerPool } = await import(${JSON.stringify(module)});
        const { execFileSync } = await import("node:child_process");
        execFileSync("prlimit", ["--pid", String(process.pid), "--nproc=1"]);
        // The limit is not for root.
        if (process.getuid() === 0) process.setuid(65534);
        await TokenizerPool.open(${JSON.stringify(options)}).catch((error) => console.log(error.name, error.code, error.message));`;
      const { status, stdout } = run(limited);
      expect(stdout).toMatch(/^RewardModelScoreError ERR_OUT_OF_MEMORY .*ulimit -u/);
      expect(status).toBe(0);
    },
  );
});
