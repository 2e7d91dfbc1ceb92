import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RewardModelScoreError } from "#lib/errors.js";
import type { Message } from "#lib/rows/types.js";
import { RowEncoder } from "#lib/tokenizer/row-encoder.js";
import { TokenizerPool } from "#lib/tokenizer/tokenizer.js";

const directory = fileURLToPath(new URL("../fixtures/tokenizer/bpe", import.meta.url));
const options = {
  directory,
  inputFormat: "chat",
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
          const { ids, truncated } = inline.encode(messages);
          return { ids: Int32Array.from(ids), truncated };
        });
        expect(await pool.encode(rows)).toEqual(expected);
      }),
      { numRuns: 20 },
    );
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
        expect(encoding).toHaveProperty("ids", Int32Array.from(inline.encode(rows[index]!).ids));
      }
    });
  });

  it("encodes nothing, a text of 2 MB, and rows beside it", async () => {
    expect(await pool.encode([])).toEqual([]);
    const [first, large] = await pool.encode([say("a"), say("The quick brown fox. ".repeat(100_000))]);
    expect(first).toHaveProperty("ids", Int32Array.from(inline.encode(say("a")).ids));
    expect((large as { ids: Int32Array }).ids.length).toBeGreaterThan(500_000);
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
    const work = pool.encode(rows, controller.signal);
    setTimeout(() => controller.abort(reason), 5);
    await expect(work).rejects.toBe(reason);
    expect(await pool.encode([say("a")], new AbortController().signal)).toHaveLength(1);
  });

  it("leaves the event loop free", async () => {
    const rows = Array.from({ length: 300 }, () => say("two and two make four ".repeat(200)));
    let turns = 0;
    const ticker = setInterval(() => turns++, 1);
    await pool.encode(rows);
    clearInterval(ticker);
    expect(turns).toBeGreaterThan(3);
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
      `${open} pool.encode(rows); setTimeout(() => { console.log("done"); process.exit(0); }, 5);`,
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
});
