import { expect, it } from "vitest";
import { activate } from "#lib/scoring/activation.js";

it.each([
  ["sigmoid", [0, Math.log(3), -1000, 1000], [0.5, 0.75, 0, 1]],
  ["softmax", [Math.log(1), Math.log(2), Math.log(5)], [0.125, 0.25, 0.625]],
  // Numbers of which no power is finite
  ["softmax", [1000, 1000, -1000], [0.5, 0.5, 0]],
] as const)("%s of %j", (activation, logits, expected) => {
  const found = activate(logits, activation);
  expect(found).toHaveLength(expected.length);
  found.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i]!, 6);
    expect(Math.fround(value)).toBe(value);
  });
});
