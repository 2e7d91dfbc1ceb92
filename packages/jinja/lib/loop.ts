import { TemplateError } from "./error.js";
import { Host, Undefined, type Value, orElse } from "./values.js";
import { equal } from "./operators.js";

/** Makes the `loop` variable of each round. */
export function loopObject(items: Value[]): { at(index: number): Host } {
  let seen: Value[] | undefined;
  const changed = (args: Value[]): boolean => {
    const same = seen !== undefined && equal(seen, args);
    seen = args;
    return !same;
  };
  return {
    at: (index) =>
      new Host(
        new Map<string, Value>([
          ["index", index + 1],
          ["index0", index],
          ["revindex", items.length - index],
          ["revindex0", items.length - index - 1],
          ["first", index === 0],
          ["last", index === items.length - 1],
          ["length", items.length],
          ["depth", 1],
          ["depth0", 0],
          ["previtem", orElse(items[index - 1], new Undefined("there is no previous item"))],
          ["nextitem", orElse(items[index + 1], new Undefined("there is no next item"))],
          [
            "cycle",
            (args: Value[]) => {
              if (args.length === 0) throw new TemplateError("no items for cycling given");
              return args[index % args.length]!;
            },
          ],
          ["changed", changed],
        ]),
      ),
  };
}
