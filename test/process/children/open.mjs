// A library that libtorch needs is a pipe (the argument says where): opening libtorch ends only after this thread, which
// has the event loop, has written to it.
import { open } from "node:fs/promises";

const loading = import("./setup.mjs").catch(
  ({ code, message }) => `${code} ${/file too short/.test(message)}`,
);
const pipe = await open(process.argv[2], "w");
await pipe.write("no library");
await pipe.close();
console.log(await loading);
