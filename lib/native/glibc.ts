import { RewardModelScoreError } from "../errors.js";

/** The oldest glibc that libtorch's own builds run on. */
const NEEDED = [2, 28] as const;

/** undefined where the C library is another one. */
export function glibcVersion(): string | undefined {
  if (process.platform !== "linux" || process.report === undefined) return undefined;
  // Network interfaces would be looked up by name, which can take seconds.
  Object.assign(process.report, { excludeNetwork: true });
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime;
}

/** ERR_NOT_SUPPORTED on a Linux whose C library libtorch does not run on. */
export function requireGlibc(): void {
  if (process.platform !== "linux") return;
  const version = glibcVersion();
  const found = version?.split(".").map(Number);
  const [major, minor] = NEEDED;
  if (found && (found[0]! > major || (found[0] === major && found[1]! >= minor))) return;
  throw new RewardModelScoreError(
    "ERR_NOT_SUPPORTED",
    `linux-${process.arch} with ${version ? `glibc ${version}` : "another C library than glibc (musl?)"}: libtorch ` +
      `needs glibc ${NEEDED.join(".")} or newer. Use a newer system, or a Debian or Ubuntu image instead of Alpine.`,
    { feature: "C library" },
  );
}
