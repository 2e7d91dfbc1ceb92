import { createHash } from "node:crypto";

/**
 * What one file of a test repository holds, with the two hashes that the Hub announces for it. Large contents are made
 * on the fly from one block, so that a repository of gigabytes costs no memory.
 */
export class Content {
  /** @type {string} */ sha256;
  /** @type {string} */ gitOid;

  /**
   * @param {Buffer} block repeated as often as needed
   * @param {number} size
   */
  constructor(block, size) {
    this.block = block;
    this.size = size;
    const sha256 = createHash("sha256");
    const git = createHash("sha1").update(`blob ${size}\0`);
    for (const part of this.slices(0, size)) {
      sha256.update(part);
      git.update(part);
    }
    this.sha256 = sha256.digest("hex");
    this.gitOid = git.digest("hex");
  }

  /** @param {string | Buffer} data */
  static of(data) {
    const block = Buffer.from(data);
    return new Content(block, block.length);
  }

  /**
   * `size` bytes that depend on `seed`. The block's length is prime: a range put at a wrong offset never looks right.
   *
   * @param {number} size
   * @param {number} seed
   */
  static generated(size, seed) {
    const block = Buffer.alloc(1_048_573);
    let state = (seed + 1) * 0x9e3779b1;
    for (let i = 0; i + 4 <= block.length; i += 4) {
      state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5;
      block.writeInt32LE(state | 0, i);
    }
    return new Content(block, size);
  }

  /**
   * @param {number} start
   * @param {number} end exclusive
   * @returns {Generator<Buffer>}
   */
  *slices(start, end) {
    for (let at = start; at < end;) {
      const from = at % this.block.length;
      const part = this.block.subarray(from, Math.min(this.block.length, from + end - at));
      yield part;
      at += part.length;
    }
  }

  bytes() {
    return Buffer.concat([...this.slices(0, this.size)]);
  }
}
