// Imported before everything else: this process may not make symbolic links, as on Windows without developer mode.
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";

fs.symlink = () => Promise.reject(Object.assign(new Error("EPERM"), { code: "EPERM", syscall: "symlink" }));
syncBuiltinESMExports();
