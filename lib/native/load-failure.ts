/** What helps when the system refuses to load a library, from the words in which it refuses. */
const REMEDIES: [pattern: RegExp, remedy: (match: RegExpExecArray) => string][] = [
  [
    // glibc keeps little room for thread-local data of libraries that are opened late; libgomp and libtorch may not fit
    // when other addons came first.
    /static TLS/i,
    () =>
      "Load reward-model-score before other native packages, or start Node with " +
      "GLIBC_TUNABLES=glibc.rtld.optional_static_tls=16384 in the environment.",
  ],
  [
    /^the process already uses/,
    () => "Name that libtorch's folder with the libtorch option or LIBTORCH: a process has room for one.",
  ],
  [
    /version [`']GLIBC_([\d.]+)' not found/,
    ([, version]) => `It needs glibc ${version} or newer: use a newer system or container image.`,
  ],
  [
    /version [`'](?:GLIBCXX|CXXABI)_[\d.]+' not found|libstdc\+\+[^:]*: cannot open/,
    () =>
      "It needs a newer C++ library: install libstdc++6 (Debian, Ubuntu) or libstdc++ (Red Hat), or use a newer system.",
  ],
  [
    /(lib[^\s:/]+): cannot open shared object file: No such file/,
    ([, library]) =>
      `The library ${library} is missing: install it, or libtorch again if it is part of libtorch.`,
  ],
  [
    /permission denied|operation not permitted|failed to map segment/i,
    () =>
      "This user may not read the file, or its disk is mounted with noexec: change that or move the folder.",
  ],
  [
    /invalid ELF header|file too short|ELF file|wrong architecture|incompatible architecture|not a valid Win32/i,
    () => "The file is damaged or was made for another platform: install it again.",
  ],
];

export function loadRemedy(reason: string): string | undefined {
  for (const [pattern, remedy] of REMEDIES) {
    const match = pattern.exec(reason);
    if (match) return remedy(match);
  }
  return undefined;
}
