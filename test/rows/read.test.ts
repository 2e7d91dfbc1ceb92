import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RewardModelScoreError } from "#lib/errors.js";
import { resolveColumns } from "#lib/rows/columns.js";
import { invalidRows, readRow, type ReadOptions } from "#lib/rows/read.js";
import { anyValue, membersOf } from "../arbitrary-values.js";

const chat: ReadOptions = { columns: resolveColumns(), inputFormat: "chat" };
const pair: ReadOptions = { columns: resolveColumns(), inputFormat: "pair" };

function problems(row: unknown, options = chat): [path: string, message: string][] {
  const reading = readRow(row, 0, options);
  if (!("problems" in reading)) throw new Error("the row was accepted");
  return reading.problems.map(({ path, message }) => [path, message]);
}

function paths(row: unknown, options = chat): string[] {
  return problems(row, options).map(([path]) => path);
}

function input(row: unknown, options = chat): unknown {
  const reading = readRow(row, 0, options);
  if (!("input" in reading)) throw new Error(JSON.stringify(reading.problems));
  return reading.input;
}

const turn = (role: string, content: unknown) => ({ role, content });

describe("what a row asks for", () => {
  it("is its pair as two messages", () => {
    expect(input({ instruction: "2+2?", response: "4" })).toEqual([
      turn("user", "2+2?"),
      turn("assistant", "4"),
    ]);
  });

  it("is its conversation when it has no pair", () => {
    const conversation = [turn("system", "be brief"), turn("user", "2+2?"), turn("assistant", "4")];
    expect(input({ conversation })).toEqual(conversation);
  });

  it("is the pair when it has both", () => {
    const conversation = [turn("user", "other")];
    expect(input({ instruction: "a", response: "b", conversation })).toEqual([
      turn("user", "a"),
      turn("assistant", "b"),
    ]);
  });

  it("treats null columns as absent, as tables with all columns in every row have them", () => {
    const conversation = [turn("user", "hi")];
    expect(input({ instruction: null, response: null, conversation })).toEqual(conversation);
    expect(input({ instruction: "a", response: "b", conversation: null })).toHaveLength(2);
    expect(input({ instruction: "half", conversation })).toEqual(conversation);
  });

  it("is a question and an answer for pair encoding", () => {
    expect(input({ instruction: "q", response: "a" }, pair)).toEqual({ question: "q", answer: "a" });
    expect(input({ conversation: [turn("user", "q"), turn("assistant", "a")] }, pair)).toEqual({
      question: "q",
      answer: "a",
    });
  });

  it("takes empty texts, parts, further keys and tool calls without content", () => {
    expect(input({ instruction: "", response: "" })).toHaveLength(2);
    const conversation = [
      { role: "user", content: [{ type: "text", text: "hi" }], name: "ann" },
      {
        role: "assistant",
        content: null,
        tool_calls: [{ function: { name: "f", arguments: { x: [1, null, true] } } }],
      },
    ];
    expect(input({ conversation })).toEqual(conversation);
  });

  it("takes a text of 2 MB", () => {
    const text = "a long text ".repeat(175_000);
    expect(text.length).toBeGreaterThan(2_000_000);
    expect(input({ instruction: text, response: text })).toEqual([
      turn("user", text),
      turn("assistant", text),
    ]);
  });

  it("is a copy: neither reading nor changing the result touches the row", () => {
    const row = deepFreeze({ conversation: [{ role: "user", content: "hi", extra: { a: [1] } }] });
    const messages = input(row) as { extra: { a: number[] } }[];
    messages[0]!.extra.a.push(2);
    expect(row.conversation[0]!.extra.a).toEqual([1]);
  });
});

describe("problems", () => {
  it.each([
    ["nothing", {}, [""]],
    ["not an object", "text", [""]],
    ["null", null, [""]],
    ["an array", [], [""]],
    ["half a pair", { instruction: "a" }, ["response"]],
    ["the other half", { response: "a", instruction: null }, ["instruction"]],
    ["wrong types in a pair", { instruction: 1, response: ["x"] }, ["instruction", "response"]],
    ["a conversation that is text", { conversation: "hi" }, ["conversation"]],
    ["an empty conversation", { conversation: [] }, ["conversation"]],
    ["a null message", { conversation: [null] }, ["conversation[0]"]],
    ["a hole in the conversation", { conversation: Array(1) }, ["conversation[0]"]],
    ["no content", { conversation: [{ role: "user" }] }, ["conversation[0].content"]],
    ["no role", { conversation: [{ content: "x" }] }, ["conversation[0].role"]],
    ["numeric content", { conversation: [turn("user", "x"), turn("user", 7)] }, ["conversation[1].content"]],
    ["null content without calls", { conversation: [turn("user", null)] }, ["conversation[0].content"]],
    [
      "null content beside no calls",
      { conversation: [{ ...turn("assistant", null), tool_calls: [] }] },
      ["conversation[0].content"],
    ],
    [
      "a part without type",
      { conversation: [turn("user", [{ text: "x" }])] },
      ["conversation[0].content[0]"],
    ],
    [
      "a text part without text",
      { conversation: [turn("user", [{ type: "text" }])] },
      ["conversation[0].content[0].text"],
    ],
    [
      "a function among the keys",
      { conversation: [{ ...turn("user", "x"), f: () => 1 }] },
      ["conversation[0].f"],
    ],
    [
      "a date among the keys",
      { conversation: [{ ...turn("user", "x"), at: new Date() }] },
      ["conversation[0].at"],
    ],
    ["NaN among the keys", { conversation: [{ ...turn("user", "x"), n: [NaN] }] }, ["conversation[0].n[0]"]],
    ["a bigint among the keys", { conversation: [{ ...turn("user", "x"), n: 1n }] }, ["conversation[0].n"]],
  ])("%s", (_name, row, expected) => {
    expect(paths(row)).toEqual(expected);
  });

  it("name the type and what is expected", () => {
    expect(problems({ conversation: [turn("user", 7)] })).toEqual([
      ["conversation[0].content", "is a number; expected a string"],
    ]);
  });

  it("lists everything that is wrong with a row", () => {
    const conversation = [turn("user", 1), { content: "x" }, "text"];
    expect(paths({ conversation })).toEqual([
      "conversation[0].content",
      "conversation[1].role",
      "conversation[2]",
    ]);
  });

  it("reports lone surrogates with their place, wherever they hide", () => {
    expect(problems({ instruction: "ok 😀", response: "bad \ud83d!" })).toEqual([
      ["response", expect.stringMatching(/U\+D83D.*offset 4/)],
    ]);
    expect(paths({ conversation: [turn("user", "\ude00")] })).toEqual(["conversation[0].content"]);
    expect(paths({ conversation: [{ ...turn("user", "x"), meta: { name: ["\udc00"] } }] })).toEqual([
      "conversation[0].meta.name[0]",
    ]);
  });

  it("refuses an object that holds itself instead of recursing for ever", () => {
    const loop: Record<string, unknown> = {};
    loop["self"] = loop;
    expect(paths({ conversation: [{ ...turn("user", "x"), loop }] })).toHaveLength(1);
  });

  it("refuses for pair encoding what is not one question and one answer", () => {
    const three = [turn("system", "s"), turn("user", "q"), turn("assistant", "a")];
    expect(paths({ conversation: three }, pair)).toEqual(["conversation"]);
    expect(paths({ conversation: [turn("assistant", "a"), turn("user", "q")] }, pair)).toEqual([
      "conversation",
    ]);
  });

  it("uses the names of the mapped columns", () => {
    const columns = resolveColumns({ instruction: "prompt", response: "completion", conversation: "chat" });
    const options: ReadOptions = { columns, inputFormat: "chat" };
    expect(input({ prompt: "q", completion: "a" }, options)).toEqual([
      turn("user", "q"),
      turn("assistant", "a"),
    ]);
    expect(paths({ prompt: "q" }, options)).toEqual(["completion"]);
    expect(paths({ chat: [turn("user", 3)] }, options)).toEqual(["chat[0].content"]);
    expect(paths({ instruction: "q", response: "a" }, options)).toEqual([""]);
  });
});

/** The error of all rows together. */
function errorOf(rows: unknown[]): RewardModelScoreError<"ERR_INVALID_ROWS"> {
  return invalidRows(
    rows.flatMap((row, index) => {
      const reading = readRow(row, index, chat);
      return "problems" in reading ? reading.problems : [];
    }),
  );
}

describe("the error of all rows", () => {
  it("lists every bad row by index", () => {
    const rows = [{ instruction: "q", response: "a" }, {}, { conversation: [turn("user", 1)] }];
    const error = errorOf(rows);
    expect(RewardModelScoreError.is(error, "ERR_INVALID_ROWS")).toBe(true);
    expect(error.details.problems.map((problem) => [problem.index, problem.path])).toEqual([
      [1, ""],
      [2, "conversation[0].content"],
    ]);
    expect(error.message).toMatch(/^2 rows /);
    expect(error.message).toContain("row 2: conversation[0].content is a number");
  });

  it("keeps the message short and the details complete", () => {
    const error = errorOf(Array(1000).fill({}));
    expect(error.details.problems).toHaveLength(1000);
    expect(error.message.split("\n")).toHaveLength(12);
  });

  it("accepts or reports any value, and never throws anything else", () => {
    const text = fc.string().map((value) => () => value);
    const message = fc.record(
      { role: fc.oneof(text, anyValue), content: fc.oneof(text, anyValue), extra: anyValue },
      { requiredKeys: [] },
    );
    const made = (makes: Record<string, () => unknown>) =>
      Object.fromEntries(Object.entries(makes).map(([name, make]) => [name, make()]));
    const row = fc.oneof(
      anyValue,
      membersOf(["instruction", "response", "conversation"]),
      membersOf(["id", "conversation"], { instruction: "2+2?", response: "4" }),
      fc.array(message).map((messages) => () => ({ conversation: messages.map(made) })),
    );
    fc.assert(
      fc.property(row, (make) => {
        const reading = readRow(make(), 0, chat);
        if ("problems" in reading) expect(reading.problems.length).toBeGreaterThan(0);
        else expect(structuredClone(reading.input)).toEqual(reading.input);
      }),
      { numRuns: 1000 },
    );
  });

  it("asks each getter once, and keeps the columns beside one that throws", () => {
    let asked = 0;
    const row = {
      get instruction() {
        return ++asked === 1 ? "2+2?" : 5;
      },
      response: "4",
    };
    expect(input(row)).toHaveLength(2);
    expect(asked).toBe(1);

    const broken = {
      id: 7,
      instruction: "2+2?",
      response: "4",
      get image() {
        throw new Error("no such file");
      },
    };
    expect(problems(broken)).toEqual([["image", "cannot be read: no such file"]]);
    expect(readRow(broken, 0, chat).columns).toEqual({ id: 7, instruction: "2+2?", response: "4" });
  });

  it("reads what a class offers", () => {
    class Answer {
      readonly response = "4";
      get instruction() {
        return "2+2?";
      }
    }
    expect(input(new Answer())).toHaveLength(2);
    expect(readRow(new Answer(), 0, chat).columns).toEqual({ response: "4" });
  });

  it("names a row that is a promise as one", () => {
    expect(problems(Promise.resolve({ instruction: "a", response: "b" }))).toEqual([
      ["", "is a promise; is an await missing?"],
    ]);
  });

  it("ends on a conversation that doubles with each level", () => {
    let doubling: unknown = "x";
    for (let level = 0; level < 60; level++) doubling = [doubling, doubling];
    const message = { ...turn("user", "a"), tool: doubling };
    expect(problems({ conversation: [message] })).toEqual([
      ["conversation", "holds more than 1,000,000 values"],
    ]);
    expect(problems({ conversation: new Array(4_000_000_000) })).toEqual([
      ["conversation", "holds more than 1,000,000 values"],
    ]);
  });

  it("sees the holes of arrays", () => {
    const content = new Array<unknown>(2);
    content[1] = { type: "text", text: "b" };
    expect(paths({ conversation: [{ role: "user", content }] })[0]).toBe("conversation[0].content[0]");
  });
});

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    Object.values(value).forEach(deepFreeze);
    Object.freeze(value);
  }
  return value;
}

describe("a row of another shape", () => {
  const user = turn("user", "a");
  const assistant = turn("assistant", "b");

  it.each<[Record<string, unknown>, string]>([
    [
      { id: 1, messages: [user, assistant] },
      'its columns are id, messages: inputMappings { conversation: "messages" } reads them ' +
        "(--input-mappings conversation=messages)",
    ],
    [
      { prompt: "a", completion: "b" },
      'inputMappings { instruction: "prompt", response: "completion" } reads them ' +
        "(--input-mappings instruction=prompt,response=completion)",
    ],
    [{ instruction: "a", output: "b" }, 'inputMappings { response: "output" } reads them'],
    [{ Question: "a", Answer: "b" }, 'inputMappings { instruction: "Question", response: "Answer" }'],
    [
      { prompt: "a", chosen: "b", rejected: "c" },
      "(--input-mappings instruction=prompt,response=chosen), and once more for rejected",
    ],
    [
      { prompt: "a", chosen: [user, assistant], rejected: [user, assistant] },
      "(--input-mappings conversation=chosen), and once more for rejected",
    ],
    [{ prompt: [user], chosen: [assistant] }, "jq -c '.conversation = .prompt + .chosen'"],
    [{ instruction: "a", responses: ["b", "c"] }, "jq -c '.response = .responses[]'"],
    [{ prompt: "a", generations: ["b"] }, 'then inputMappings { instruction: "prompt" } reads them'],
    [{ text: "a" }, "its columns are text"],
    [{}, "it has no columns"],
  ])("%j is told what it has and what would read it", (row, hint) => {
    const [[, message] = []] = problems(row);
    expect(message).toContain(hint);
  });

  it("is read with the mappings that its message gives", () => {
    const name = fc.constantFrom("prompt", "question", "answer", "output", "messages", "chosen", "id");
    const value = fc.constantFrom<unknown>("text", null, 5, [user, assistant], ["text"]);
    fc.assert(
      fc.property(fc.dictionary(name, value), (row) => {
        const [[, message] = []] = problems(row);
        const flag = /\(--input-mappings ([^)]*)\)/.exec(message!)?.[1];
        fc.pre(flag !== undefined && !message!.includes("jq"));
        const mappings: unknown = Object.fromEntries(flag.split(",").map((pair) => pair.split("=")));
        expect(readRow(row, 0, { ...chat, columns: resolveColumns(mappings as never) })).toHaveProperty(
          "input",
        );
      }),
    );
  });

  it("lists no more columns than fit, and none that could harm a terminal", () => {
    const row = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`${"x".repeat(100)}${i}`, 1]));
    const [[, message] = []] = problems({ "\u009b2J": 1, "a, b": 1, ...row });
    expect(message!.length).toBeLessThan(1000);
    expect(message).toContain('"\\u009b2J", "a, b", ');
    expect(message).toMatch(/ and 990 more$/);
  });

  it("is not taken for one with columns that every object has", () => {
    const columns = resolveColumns({ instruction: "toString", response: "valueOf" });
    expect(problems({ conversation: "text" }, { columns, inputFormat: "chat" })[0]).toEqual([
      "conversation",
      "is a string; expected an array of { role, content } messages",
    ]);
  });

  it("of ShareGPT is told what its messages are called here", () => {
    const conversation = [{ from: "human", value: "a" }];
    expect(problems({ conversation })).toEqual([
      ["conversation[0]", "has from and value; expected role (human is user, gpt is assistant) and content"],
    ]);
  });
});
