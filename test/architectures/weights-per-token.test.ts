import { expect, it } from "vitest";
import { describeArchitecture } from "#lib/architectures/describe.js";
import { weightsPerToken } from "#lib/architectures/weights-per-token.js";
import { fixtureNames, readFixture, tensorInfos } from "../parity/fixtures.js";

it.each(fixtureNames)("%s: every token meets the matrices of the layers, and of experts its own", (name) => {
  const fixture = readFixture(name);
  const { config } = fixture;
  const { num_hidden_layers: layers, num_hidden_groups: groups = 1 } = config as Record<string, number>;
  // What a token meets: of experts its own, and ALBERT's groups of layers as often as they are repeated.
  const times = (tensor: string) => {
    // DeBERTa's embeddings of distances meet these, and no token.
    if (/pos_(key|query)_proj/.test(tensor)) return 0;
    if (tensor.includes(".experts."))
      return (
        Number(config["num_experts_per_tok"]) / Number(config["num_experts"] ?? config["num_local_experts"])
      );
    const [, group] = /albert_layer_groups\.(\d)/.exec(tensor) ?? [];
    return group === undefined
      ? 1
      : Array.from({ length: layers! }, (_, i) => Math.floor((i * groups) / layers!)).filter(
          (of) => of === Number(group),
        ).length;
  };
  const ofLayers =
    /^(?!gating|.*vision).*\b(layers?|h|albert_layer_groups)\.\d|embeddings_project|embed_proj|encoder\.conv\.conv|embedding_hidden_mapping_in|project_(in|out)/;
  const expected = Object.entries(fixture.tensors)
    .filter(([tensor, [shape]]) => ofLayers.test(tensor) && shape.length >= 2)
    .reduce((sum, [tensor, [shape]]) => sum + shape.reduce((a, b) => a * b) * times(tensor), 0);
  const { spec } = describeArchitecture({ config, tensors: tensorInfos(fixture) });
  expect(weightsPerToken(spec)).toBe(expected);
});
