// What the comparisons share: rows, a run of a contender, the middle of several runs.
import { execFileSync } from "node:child_process";

/** Token ids from a fixed seed: lengths spread evenly, or responses to one prompt. */
export function makeRows({ count, min, max, prompt, responses, response }, vocabulary) {
  let state = 12345;
  const next = (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const text = (length) => Array.from({ length }, () => 1 + next(vocabulary - 1));
  if (prompt) {
    const shared = text(prompt);
    return Array.from({ length: responses }, () => [...shared, ...text(response)]);
  }
  const lengths = Array.from({ length: count }, (_, i) =>
    Math.round(min + ((max - min) * i) / Math.max(1, count - 1)),
  );
  for (let i = count - 1; i > 0; i--) {
    const j = next(i + 1);
    [lengths[i], lengths[j]] = [lengths[j], lengths[i]];
  }
  return lengths.map(text);
}

/** Runs a contender in a process of its own: what its last line says, which is JSON. */
export function measure([command, ...rest]) {
  const output = execFileSync(command, rest, {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    stdio: ["ignore", "pipe", "inherit"],
  });
  return JSON.parse(output.trim().split("\n").at(-1));
}

export function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
