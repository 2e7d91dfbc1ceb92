import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gunzip, GzipError } from "#lib/io/gunzip.js";

/** The text of a file, or undefined where it is no sound one. */
async function read(bytes: Buffer, size = bytes.length): Promise<string | undefined> {
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += size)
      yield await Promise.resolve(bytes.subarray(at, at + size));
  }
  const parts: Buffer[] = [];
  try {
    for await (const chunk of gunzip(chunks())) parts.push(chunk);
  } catch (error) {
    if (error instanceof GzipError) return undefined;
    throw error;
  }
  return Buffer.concat(parts).toString("latin1");
}

/** A member with all that RFC 1952 allows in its header. */
function memberWithEverything(text: string, headerCrc: number): Buffer {
  const plain = gzipSync(text);
  const header = Buffer.from(plain.subarray(0, 10));
  header[3] = 0x02 | 0x04 | 0x08 | 0x10;
  const extra = Buffer.from([3, 0, 0x1f, 0x8b, 0]);
  const crc = Buffer.alloc(2);
  crc.writeUInt16LE(headerCrc);
  return Buffer.concat([header, extra, Buffer.from("name\0comment\0"), crc, plain.subarray(10)]);
}

const text = fc
  .oneof(
    fc.string({ maxLength: 40 }),
    fc.nat(5000).map((length) => "ab c".repeat(length)),
  )
  .map((text) => Buffer.from(text).toString("latin1"));
const level = fc.constantFrom(0, 1, 6, 9);
const member = fc.record({ text, level, zeros: fc.oneof(fc.constant(0), fc.nat(600)) });
const chunkSize = fc.constantFrom(1, 2, 7, 100, 100_000);

function build(members: { text: string; level: number; zeros: number }[]): Buffer {
  return Buffer.concat(
    members.flatMap(({ text, level, zeros }) => [
      gzipSync(Buffer.from(text, "latin1"), { level }),
      Buffer.alloc(zeros),
    ]),
  );
}

describe("gunzip", () => {
  it("reads all members, with zeros behind each, however the bytes are cut", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(member, { minLength: 1, maxLength: 5 }), chunkSize, async (members, size) => {
        const bytes = build(members);
        // Single bytes of a long file take long.
        const chunk = bytes.length > 3000 ? Math.max(size, 100) : size;
        expect(await read(bytes, chunk)).toBe(members.map(({ text }) => text).join(""));
      }),
    );
  });

  it("knows every field of a header, and its checksum", async () => {
    const fits = (crc: number) => {
      try {
        return gunzipSync(memberWithEverything("text", crc)).length > 0;
      } catch {
        return false;
      }
    };
    const crc = Array.from({ length: 65536 }, (_, i) => i).find(fits)!;
    for (const size of [1, 4, 1000]) {
      expect(await read(memberWithEverything("text", crc), size)).toBe("text");
      expect(await read(memberWithEverything("text", crc ^ 1), size)).toBeUndefined();
    }
  });

  it("refuses every file that is cut inside a member", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(member, { minLength: 1, maxLength: 3 }),
        fc.nat(),
        chunkSize,
        async (members, at, size) => {
          const bytes = build(members);
          const cut = at % bytes.length;
          const whole = members.filter((_, i) => build(members.slice(0, i + 1)).length <= cut);
          const begun = build(members.slice(0, whole.length + 1)).length - members[whole.length]!.zeros;
          const start = build(members.slice(0, whole.length)).length;
          const inside = cut === 0 || (cut > start && cut < begun);
          const texts = members.slice(0, cut >= begun ? whole.length + 1 : whole.length);
          expect(await read(bytes.subarray(0, cut), Math.max(size, 100))).toBe(
            inside ? undefined : texts.map(({ text }) => text).join(""),
          );
        },
      ),
    );
  });

  it("agrees with Node on members that are damaged", async () => {
    const flips = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), {
      minLength: 1,
      maxLength: 3,
    });
    await fc.assert(
      fc.asyncProperty(text, level, flips, chunkSize, async (text, level, flips, size) => {
        const bytes = gzipSync(Buffer.from(text, "latin1"), { level });
        for (const [at, bits] of flips) bytes[at % bytes.length]! ^= bits;
        let expected: string | undefined;
        try {
          expected = gunzipSync(bytes).toString("latin1");
        } catch {
          expected = undefined;
        }
        expect(await read(bytes, Math.max(size, 7))).toBe(expected);
      }),
      { numRuns: 300 },
    );
  });

  it("refuses whatever else follows", async () => {
    const follower = fc
      .uint8Array({ minLength: 1, maxLength: 50 })
      .filter((bytes) => bytes.some((byte) => byte !== 0));
    await fc.assert(
      fc.asyncProperty(member, follower, chunkSize, async (member, follower, size) => {
        expect(await read(Buffer.concat([build([member]), follower]), Math.max(size, 7))).toBeUndefined();
      }),
    );
  });

  it("refuses what is empty or something else", async () => {
    for (const bytes of [
      "",
      "\0\0\0",
      '{"instruction":"a"}',
      "\x1f",
      "\x1f\x8b",
      "\x1f\x8b\x07\0\0\0\0\0\0\0\0\0",
    ])
      expect(await read(Buffer.from(bytes, "latin1"))).toBeUndefined();
    const reserved = gzipSync("text");
    reserved[3] = 0x20;
    expect(await read(reserved)).toBeUndefined();
  });

  it("hands on what goes wrong in its source", async () => {
    const reason = new Error("broken disk");
    async function* chunks() {
      yield gzipSync("text".repeat(1000)).subarray(0, 20);
      await Promise.reject(reason);
    }
    const readAll = async () => {
      for await (const chunk of gunzip(chunks())) void chunk;
    };
    await expect(readAll()).rejects.toBe(reason);
  });

  it("may be left in the middle", async () => {
    async function* chunks() {
      for (;;) yield await Promise.resolve(gzipSync("text".repeat(100_000)));
    }
    for await (const chunk of gunzip(chunks())) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
  });
});

it("a header whose name never ends is not kept in memory", async () => {
  let given = 0;
  async function* endless() {
    yield await Promise.resolve(Buffer.from([0x1f, 0x8b, 8, 0x08, 0, 0, 0, 0, 0, 3]));
    for (; given < 1 << 26; given += 1 << 16) yield Buffer.alloc(1 << 16, "a");
  }
  await expect(gunzip(endless()).next()).rejects.toThrow(GzipError);
  expect(given).toBeLessThan(1 << 20);
});
