/** Changes to ELF files that only a linker on another system could make. */

const VERSION_NEEDS = 0x6ffffffe;

/** Lets a library ask for another version of symbols: "GLIBC_2.34" → "GLIBC_9.99", of the same length. */
export function renameVersion(library: Buffer, from: string, to: string): Buffer {
  const file = Buffer.from(library);
  const sections = Array.from({ length: file.readUInt16LE(0x3c) }, (_, index) => {
    const at = Number(file.readBigUInt64LE(0x28)) + index * file.readUInt16LE(0x3a);
    const word = (offset: number) => Number(file.readBigUInt64LE(at + offset));
    return { type: file.readUInt32LE(at + 4), offset: word(0x18), link: file.readUInt32LE(at + 0x28) };
  });
  const needs = sections.find(({ type }) => type === VERSION_NEEDS)!;
  const strings = sections[needs.link]!.offset;
  let renamed = 0;
  for (let need = needs.offset, next = 1; next > 0; need += next) {
    next = file.readUInt32LE(need + 12);
    let version = need + file.readUInt32LE(need + 8);
    for (let count = file.readUInt16LE(need + 2); count > 0; count--) {
      const name = strings + file.readUInt32LE(version + 8);
      if (file.toString("latin1", name, name + from.length + 1) === `${from}\0`) {
        file.write(to, name, "latin1");
      }
      if (file.toString("latin1", name, name + to.length + 1) === `${to}\0`) {
        file.writeUInt32LE(hash(to), version);
        renamed++;
      }
      version += file.readUInt32LE(version + 12);
    }
  }
  if (renamed === 0) throw new Error(`The library does not need ${from}.`);
  return file;
}

/** Lets a library ask for a symbol of another name, which is no longer. */
export function renameSymbol(library: Buffer, from: string, to: string): Buffer {
  const file = Buffer.from(library);
  const at = file.indexOf(`\0${from}\0`, 0, "latin1") + 1;
  if (at === 0) throw new Error(`The library does not need ${from}.`);
  file.write(`${to}\0`, at, "latin1");
  return file;
}

/** The hash of the ELF specification. */
function hash(name: string): number {
  let value = 0;
  for (const byte of Buffer.from(name)) {
    value = (value << 4) + byte;
    const high = value & 0xf0000000;
    if (high !== 0) value ^= high >>> 24;
    value &= ~high;
  }
  return value >>> 0;
}
