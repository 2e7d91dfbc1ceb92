import { expect, it } from "vitest";
import { describeArchitecture } from "#lib/architectures/describe.js";
import { weightsPerToken } from "#lib/architectures/weights-per-token.js";
import { fixtureNames, readFixture, tensorInfos } from "../parity/fixtures.js";

it.each(fixtureNames)("%s: every token meets the matrices of the layers, and of experts its own", (name) => {
  const fixture = readFixture(name);
  const { config } = fixture;
  const share = (tensor: string) =>
    tensor.includes(".experts.")
      ? Number(config["num_experts_per_tok"]) / Number(config["num_local_experts"])
      : 1;
  const expected = Object.entries(fixture.tensors)
    .filter(([tensor, [shape]]) => /^((language_)?model\.)*layers\.\d/.test(tensor) && shape.length >= 2)
    .reduce((sum, [tensor, [shape]]) => sum + shape.reduce((a, b) => a * b) * share(tensor), 0);
  const { spec } = describeArchitecture({ config, tensors: tensorInfos(fixture) });
  expect(weightsPerToken(spec)).toBe(expected);
});
