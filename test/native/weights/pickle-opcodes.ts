/** Opcodes of pickles, for files that no pickler writes. */

export const text = (value: string) => {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([Buffer.from("X"), length, bytes]);
};
export const concat = (...parts: (string | Buffer)[]) =>
  Buffer.concat(parts.map((part) => Buffer.from(part as string)));
export const int = (value: number) => {
  if (value < 256) return Buffer.from([0x4b, value]);
  const bytes = Buffer.alloc(5, "J");
  bytes.writeInt32LE(value, 1);
  return bytes;
};
export const global = (module: string, name: string) => `c${module}\n${name}\n`;
export const remember = (key: number) => Buffer.from([0x71, key]);
export const recall = (key: number) => Buffer.from([0x68, key]);
export const list = (...items: Buffer[]) => concat("](", ...items, "e");
export const tuple = (...items: (string | Buffer)[]) => concat("(", ...items, "t");
export const dict = (entries: Record<string, Buffer>) =>
  concat("}(", ...Object.entries(entries).flatMap(([key, value]) => [text(key), value]), "u");
