import { crc32 } from "node:zlib";

export interface ZipEntry {
  name: string;
  data: string | Buffer;
  /** What the directory claims, if it lies. */
  crc?: number;
}

/** A zip file of stored entries, written here byte by byte so that it can also be wrong. */
export function makeZip(entries: ZipEntry[]): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, data: content, crc } of entries) {
    const data = Buffer.from(content as string);
    const file = Buffer.from(name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt32LE(crc ?? crc32(data), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(data.length, 18);
    common.writeUInt16LE(file.length, 22);
    const central = Buffer.alloc(14);
    central.writeUInt32LE(offset, 10);
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), common, file, data]);
    locals.push(local);
    directory.push(Buffer.from("PK\x01\x02"), Buffer.from([20, 0]), common, central, file);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, central, end]);
}
