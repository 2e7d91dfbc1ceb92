import { createHash } from "node:crypto";
import { Content } from "./content.mjs";

/**
 * A model repository with its commits and references.
 *
 * Files that end in one of the LFS suffixes are served from the second host under their sha256, others by the Hub
 * itself under their git oid, as on the real Hub.
 */
export class Repository {
  /** @type {Map<string, Map<string, Content>>} */ commits = new Map();
  /** @type {Map<string, string>} */ refs = new Map();
  /** Wants access to be granted: the tokens here have it. @type {Set<string> | undefined} */ gatedFor;
  /** Only these tokens see the repository. @type {Set<string> | undefined} */ privateTo;
  /** Names that the tree lists as they are, without a file behind them. @type {{ path: string, size: number, oid: string }[]} */ forged =
    [];

  /**
   * @param {string} name
   * @param {Record<string, string | Buffer | Content>} files
   */
  constructor(name, files) {
    this.name = name;
    this.commit(files);
  }

  /**
   * @param {Record<string, string | Buffer | Content>} files
   * @param {string} ref
   * @returns {string} the commit
   */
  commit(files, ref = "main") {
    const tree = new Map(
      Object.entries(files).map(([path, data]) => [path, data instanceof Content ? data : Content.of(data)]),
    );
    const hash = createHash("sha1").update(`${this.name} ${this.commits.size}`);
    for (const [path, content] of tree) hash.update(`${path} ${content.sha256}\n`);
    const id = hash.digest("hex");
    this.commits.set(id, tree);
    this.refs.set(ref, id);
    return id;
  }

  /** @param {string} revision */
  resolve(revision) {
    return this.refs.get(revision) ?? (this.commits.has(revision) ? revision : undefined);
  }

  /** @param {string} path */
  static isLfs(path) {
    return /\.(safetensors|bin|pt|pth|gguf|onnx|h5|msgpack|model|zip)$/.test(path);
  }

  /** @param {string} path @param {Content} content */
  static entry(path, content) {
    const pointer = Content.of(
      `version https://git-lfs.github.com/spec/v1\noid sha256:${content.sha256}\nsize ${content.size}\n`,
    );
    return Repository.isLfs(path)
      ? {
          type: "file",
          path,
          size: content.size,
          oid: pointer.gitOid,
          lfs: { oid: content.sha256, size: content.size, pointerSize: pointer.size },
        }
      : { type: "file", path, size: content.size, oid: content.gitOid };
  }
}
