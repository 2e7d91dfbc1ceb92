import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { setMembers } from "#lib/io/json-object.js";
import { parsePythonJson } from "#lib/io/python-json.js";

function set(text: string, members: Record<string, string | undefined>): string {
  return setMembers(text, parsePythonJson(text) as object, members);
}

describe("setMembers", () => {
  it("appends and leaves the rest as it was written", () => {
    const text = '{ "id": 12345678901234567890, "x": 1.0, "u": "\\u00e9\\/" }';
    expect(set(text, { score: "0.5" })).toBe(
      '{ "id": 12345678901234567890, "x": 1.0, "u": "\\u00e9\\/","score":0.5}',
    );
    expect(set("{}", { score: "1", error: '"e"' })).toBe('{"score":1,"error":"e"}');
    expect(set("{ }\t", { score: "1" })).toBe('{"score":1}');
  });

  it("replaces a value in its place", () => {
    expect(set('{"score": [1, {"a": "}"}] , "b":2}', { score: "null" })).toBe('{"score": null , "b":2}');
    expect(set('{"a":-1e5,"score":true}', { score: "7" })).toBe('{"a":-1e5,"score":7}');
  });

  it("knows a key by its value and only at the top level", () => {
    expect(set('{"a":{"score":1},"sc\\u006fre":2}', { score: "3" })).toBe(
      '{"a":{"score":1},"sc\\u006fre":3}',
    );
    expect(set('{"x":"\\",\\"score\\":1"}', { score: "3" })).toBe('{"x":"\\",\\"score\\":1","score":3}');
  });

  it("replaces all duplicates of a key", () => {
    expect(set('{"score":1,"a":0,"score":2}', { score: "3" })).toBe('{"score":3,"a":0,"score":3}');
  });

  it("removes a key with its comma", () => {
    const gone = { error: undefined };
    expect(set('{"error": "e", "a":1}', gone)).toBe('{"a":1}');
    expect(set('{"a":1 , "error":[{}] }', gone)).toBe('{"a":1 }');
    expect(set('{ "error":1 }', gone)).toBe("{  }");
    expect(set('{"a":1, "error":1, "b":2, "error":3}', gone)).toBe('{"a":1, "b":2}');
    expect(set('{"error":1,"error":2}', { error: undefined, score: "3" })).toBe('{"score":3}');
    expect(set('{"a":{"error":1}}', gone)).toBe('{"a":{"error":1}}');
    expect(set('{"error":NaN,"score":-Infinity,"a":Infinity}', { error: undefined, score: "1" })).toBe(
      '{"score":1,"a":Infinity}',
    );
  });

  it("removes and sets in a text what is removed and set in the object", () => {
    const key = fc.constantFrom("score", "error", "attributes", "a", 'b"\\}');
    const object = fc.dictionary(key, fc.jsonValue());
    const members = fc.dictionary(key, fc.option(fc.jsonValue(), { nil: undefined }));
    const indent = fc.constantFrom(0, 2);
    fc.assert(
      fc.property(object, members, indent, (object, members, indent) => {
        const text = JSON.stringify(object, null, indent);
        const edits = Object.entries(members).map(([name, value]) => [
          name,
          value === undefined ? undefined : JSON.stringify(value),
        ]);
        const expected = JSON.stringify({ ...object, ...members });
        expect(JSON.stringify(JSON.parse(set(text, Object.fromEntries(edits) as never)))).toBe(expected);
      }),
    );
  });

  it("does to the text what an assignment does to the object", () => {
    const key = fc.oneof(fc.constantFrom("score", "error", "a"), fc.string());
    const object = fc.dictionary(key, fc.jsonValue());
    const indent = fc.constantFrom(0, 2, "\t");
    fc.assert(
      fc.property(object, key, fc.jsonValue(), indent, (object, key, value, indent) => {
        fc.pre(key !== "__proto__");
        const text = JSON.stringify(object, null, indent);
        const result = set(text, { [key]: JSON.stringify(value) });
        expect(JSON.parse(result)).toEqual(JSON.parse(JSON.stringify({ ...object, [key]: value })));
        expect(Object.keys(JSON.parse(result) as object)).toEqual(Object.keys({ ...object, [key]: value }));
      }),
    );
  });

  it("takes a string of megabytes", () => {
    const text = JSON.stringify({ a: '\\"'.repeat(2_000_000), score: 1 });
    expect(JSON.parse(set(text, { score: "2" }))).toMatchObject({ score: 2 });
  });
});

describe("parsePythonJson", () => {
  it("knows the words of Python's json, and only where a number may stand", () => {
    expect(parsePythonJson('{"a":NaN,"b":[Infinity, -Infinity],"c":"NaN \\" Infinity","NaN":1}')).toEqual({
      a: NaN,
      b: [Infinity, -Infinity],
      c: 'NaN " Infinity',
      NaN: 1,
    });
    for (const text of ["-NaN", "[NaN1]", '{"a":nan}', "{NaN:1}", '{"a":NaN', '"NaN', "[Infinity Infinity]"])
      expect(() => parsePythonJson(text), text).toThrow(SyntaxError);
  });

  it("tells of a broken text what JSON.parse tells", () => {
    for (const text of ["{broken", '{"a":NaN,}', ""]) {
      let expected: unknown;
      try {
        JSON.parse(text);
      } catch (error) {
        expected = error;
      }
      expect(() => parsePythonJson(text)).toThrow(expected);
    }
  });
});
