import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readModelProto } from "#lib/tokenizer/conversion/model-proto.js";
import { field, modelProto } from "./model-proto-writer.js";

const piece = fc.tuple(
  fc.string({ unit: "binary", minLength: 1 }),
  fc.float({ noNaN: true }),
  fc.integer({ min: 1, max: 6 }),
);

describe("a model of SentencePiece", () => {
  it("has the pieces and the settings that were written", () => {
    const settings = fc.record({
      modelType: fc.constantFrom(1, 2, 3, 4),
      byteFallback: fc.boolean(),
      unknownId: fc.integer({ min: -1, max: 1000 }),
      unknownPiece: fc.string(),
      spaceIsSuffix: fc.boolean(),
      charsmap: fc.uint8Array(),
      addDummyPrefix: fc.boolean(),
      removeExtraWhitespaces: fc.boolean(),
      escapeWhitespaces: fc.boolean(),
    });
    const property = fc.property(fc.array(piece, { minLength: 1 }), settings, (pieces, written) => {
      const bytes = modelProto(
        pieces,
        {
          3: written.modelType,
          24: Number(written.spaceIsSuffix),
          35: Number(written.byteFallback),
          40: written.unknownId,
          45: written.unknownPiece,
        },
        {
          2: written.charsmap,
          3: Number(written.addDummyPrefix),
          4: Number(written.removeExtraWhitespaces),
          5: Number(written.escapeWhitespaces),
        },
      );
      expect(readModelProto(bytes)).toEqual({
        ...written,
        charsmap: Buffer.from(written.charsmap),
        pieces: pieces.map(([text, score, type]) => ({ text, score, type })),
      });
    });
    fc.assert(property);
  });

  it("has the defaults of its format where it says nothing, whatever else it says", () => {
    const others = [
      field(4, "self-test"),
      field(9, 7),
      field(2, field(46, "<s>")),
      field(3, field(1, "nmt")),
    ];
    expect(readModelProto(Buffer.concat([field(1, field(1, "a")), ...others]))).toEqual({
      pieces: [{ text: "a", score: 0, type: 1 }],
      modelType: 1,
      unknownId: 0,
      unknownPiece: "<unk>",
      byteFallback: false,
      spaceIsSuffix: false,
      charsmap: Buffer.alloc(0),
      addDummyPrefix: true,
      removeExtraWhitespaces: true,
      escapeWhitespaces: true,
    });
  });

  it("is put together of parts, as the format has it", () => {
    const first = modelProto([["a", -1]], { 3: 2, 35: 1 });
    const second = modelProto([["b", -2]], { 40: 5 }, { 3: 0 });
    const { pieces, modelType, byteFallback, unknownId, addDummyPrefix } = readModelProto(
      Buffer.concat([first, second]),
    );
    expect(pieces.map(({ text }) => text)).toEqual(["a", "b"]);
    expect({ modelType, byteFallback, unknownId, addDummyPrefix }).toEqual({
      modelType: 2,
      byteFallback: true,
      unknownId: 5,
      addDummyPrefix: false,
    });
  });

  it.each<[string, Buffer, RegExp]>([
    ["nothing", Buffer.alloc(0), /has no pieces/],
    ["a text", Buffer.from("hello world, this is text"), /at byte/],
    ["a length beyond the end", Buffer.from([0x0a, 0x7f, 0x0a]), /in the middle of a field, at byte 2/],
    [
      "a length of 2 ** 62",
      Buffer.concat([Buffer.from([0x0a]), Buffer.alloc(8, 0xff), Buffer.from([0x3f])]),
      /greater than the file/,
    ],
    ["a number without end", Buffer.alloc(30, 0xff), /more than 64 bits/],
    ["a number at the end of the file", Buffer.from([0x8a]), /in the middle of a field/],
    ["the field 0", Buffer.from([0x02, 0x00]), /the number 0/],
    ["a group", Buffer.from([0x0b]), /field 1 is of wire type 3/],
    ["a piece that is a number", field(1, 5), /field 1 is of wire type 0/],
    ["a piece that is not UTF-8", field(1, field(1, Buffer.from([0xc3, 0x28]))), /not UTF-8/],
    ["a piece that goes over its end", field(1, Buffer.from([0x0a, 0x05, 0x61])), /in the middle of a field/],
  ])("is refused where it is %s", (_what, bytes, message) => {
    expect(() => readModelProto(bytes)).toThrow(message);
  });

  it("is read or refused with an Error of its reader, whatever is in it", () => {
    const whole = modelProto(
      [
        ["<unk>", 0, 2],
        ["▁a", -1],
        ["bé", -2],
      ],
      { 3: 1, 45: "<unk>" },
      { 2: Buffer.alloc(9, 3) },
    );
    const changed = fc
      .array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 })), {
        minLength: 1,
        maxLength: 4,
      })
      .map((changes) => {
        const bytes = Buffer.from(whole);
        for (const [at, byte] of changes) bytes[at] = byte;
        return bytes;
      });
    const cut = fc.nat(whole.length - 1).map((length) => whole.subarray(0, length));
    const any = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.oneof(changed, cut, any), (bytes) => {
        try {
          expect(readModelProto(bytes).pieces.length).toBeGreaterThan(0);
        } catch (error) {
          expect((error as Error).message).toMatch(/at byte \d+$|^it has no pieces$/);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
