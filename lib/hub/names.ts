import { RewardModelScoreError } from "../errors.js";
import { isRelativeName } from "../io/relative-name.js";

/**
 * Names that come from the caller or from a server and end up in paths of the cache. Whatever does not match is
 * refused: nothing here may leave the cache folder, on any operating system.
 */

const COMMIT = /^[0-9a-f]{40}$/;
const OBJECT_ID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

export function isCommit(text: string): boolean {
  return COMMIT.test(text);
}

/** A git object id or a sha256, both in lower case hex. */
export function isObjectId(text: string): boolean {
  return OBJECT_ID.test(text);
}

/** `owner/name` or a legacy `name`, by the rules of `huggingface_hub`. */
export function isModelId(text: string): boolean {
  return (
    text.length <= 96 &&
    /^(?:[\w.-]+\/)?[\w.-]+$/.test(text) &&
    !/--|\.\./.test(text) &&
    !/(?:^|\/)[.-]|[.-](?:$|\/)|\.git$/.test(text)
  );
}

export function requireModelId(model: string): void {
  if (isModelId(model)) return;
  throw new RewardModelScoreError(
    "ERR_INVALID_OPTION",
    `"${model}" is not the name of a Hub repository. Write it as owner/name, with letters, digits, "-", "_" and ".".`,
    { option: "model" },
  );
}

/** Which revision of which model a caller wants. */
export function requireNames(options: { model: string; revision?: string | undefined }): {
  model: string;
  revision: string;
} {
  const { model, revision = "main" } = options;
  requireModelId(model);
  requireRevision(revision);
  return { model, revision };
}

/** A branch, tag, commit or `refs/…`: it becomes a path under `refs/`. */
function requireRevision(revision: string): void {
  if (isRelativeName(revision)) return;
  throw new RewardModelScoreError("ERR_INVALID_OPTION", `"${revision}" is not a branch, tag or commit.`, {
    option: "revision",
  });
}
