// How often the event loop turns while libtorch is opened.
import { clearImmediate, setImmediate } from "node:timers";

let turns = 0;
const turn = () => {
  turns += 1;
  next = setImmediate(turn);
};
let next = setImmediate(turn);
await import("./setup.mjs");
clearImmediate(next);
console.log(turns);
