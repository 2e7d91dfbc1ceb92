/** The file name of a shared library on this platform: "torch_cpu" → "libtorch_cpu.so". */
export function libraryFileName(name: string): string {
  if (process.platform === "win32") return `${name}.dll`;
  return `lib${name}.${process.platform === "darwin" ? "dylib" : "so"}`;
}
