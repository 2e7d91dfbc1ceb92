// Nothing but the pending batch keeps the process alive: it must not end before the result is there.
import { batchOf, load } from "./setup.mjs";

const model = await load("slow");
model.forward(batchOf([3])).then(({ scores }) => console.log(scores.length));
