/** Libraries of a Python wheel or of PyTorch's own tests that nothing here loads. */
const UNUSED =
  /^(lib)?(torch_python|torch_global_deps|torchbind_test|jitbackend_test|backend_with_compiler|aoti_custom_ops|shm)\./;

/**
 * Whether a file of a libtorch distribution is wanted: the shared libraries, and for building the addon the headers,
 * which are most of the files. CUDA builds keep everything that their libraries may open at run time.
 */
export function isNeeded(path: string, headers: boolean): boolean {
  const [folder, name, ...deeper] = path.split("/");
  if (folder === "include") return headers && /\.(h|hpp|cuh|inc)$/.test(path);
  if (folder !== "lib" || name === undefined || deeper.length > 0) return false;
  return /\.(so(\.\d+)*|dylib|dll|lib)$/.test(name) && !UNUSED.test(name);
}
