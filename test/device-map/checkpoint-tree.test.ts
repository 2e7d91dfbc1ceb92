import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { describeArchitecture } from "#lib/architectures/describe.js";
import { checkpointTree } from "#lib/device-map/checkpoint-tree.js";
import { readLimits } from "#lib/device-map/limits.js";
import { sizeOf, type ModuleNode } from "#lib/device-map/module-tree.js";
import { planDeviceMap } from "#lib/device-map/plan.js";
import { fixtureNames, readFixture, tensorInfos } from "../parity/fixtures.js";
import { same } from "./machines.js";
import { unpackTree, type RecordedFamily } from "./recorded-tree.js";

// Recorded from transformers' meta models in bfloat16 by scripts/fixtures/device_map.py.
const recorded = JSON.parse(
  readFileSync(new URL("../fixtures/device-map/trees.json", import.meta.url), "utf8"),
) as Record<string, RecordedFamily>;

function treeOf(name: string) {
  const fixture = readFixture(name);
  const tensors = tensorInfos(fixture);
  const { spec } = describeArchitecture({ config: fixture.config, tensors });
  return checkpointTree(spec.stages, tensors, same("bfloat16"));
}

/** Modules with what they own, in order; the insides of a block are never apart, so their order means nothing. */
function rowsOf(node: ModuleNode, path = "", inBlock = false): unknown[] {
  const bytes = (tensors: ModuleNode["buffers"]) => tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
  const parameters = Object.fromEntries(node.parameters.map((tensor) => [tensor.name, tensor.bytes]));
  const own = { path, block: node.noSplit, parameters, buffers: bytes(node.buffers) };
  const children = node.children.filter((child) => sizeOf(child) > 0);
  const inside = inBlock || node.noSplit;
  const ordered = inside ? children.toSorted((a, b) => (a.name < b.name ? -1 : 1)) : children;
  return [
    own,
    ...ordered.flatMap((child) => rowsOf(child, path === "" ? child.name : `${path}.${child.name}`, inside)),
  ];
}

describe("checkpointTree", () => {
  it.each(Object.keys(recorded))("%s: the modules of transformers' model, from headers alone", (name) => {
    expect(rowsOf(treeOf(name))).toEqual(rowsOf(unpackTree(recorded[name]!.tree)));
  });

  it("has no modules for the prefixes that a trainer left", () => {
    const fixture = readFixture("mixtral");
    const tensors = tensorInfos(fixture).map((tensor) => ({
      ...tensor,
      name: `module._orig_mod.${tensor.name}`,
    }));
    const { spec } = describeArchitecture({ config: fixture.config, tensors });
    expect(rowsOf(checkpointTree(spec.stages, tensors, same("bfloat16")))).toEqual(rowsOf(treeOf("mixtral")));
  });

  it("goes by what stages say of themselves, not by their names", () => {
    const fixture = readFixture("gemma3-two-bases");
    const { spec } = describeArchitecture({ config: fixture.config, tensors: tensorInfos(fixture) });
    const others = { "model.layers": "model.blocks", rotary_emb: "positions", embed_tokens: "words" };
    const renamed = <T>(value: T): T => {
      const text = Object.entries(others).reduce(
        (all, [name, other]) => all.replaceAll(name, other),
        JSON.stringify(value),
      );
      return JSON.parse(text) as T;
    };
    const tree = checkpointTree(renamed(spec.stages), renamed(tensorInfos(fixture)), same("bfloat16"));
    expect(rowsOf(tree)).toEqual(renamed(rowsOf(treeOf("gemma3-two-bases"))));
  });

  it.each(Object.keys(recorded))("%s: the maps of transformers", (name) => {
    const tree = treeOf(name);
    for (const { mode, maxMemory, limits, map } of recorded[name]!.cases) {
      const plan = planDeviceMap(tree, mode, readLimits(maxMemory), false);
      expect({ mode, maxMemory, limits: Object.fromEntries(plan.limits), map: plan.map }).toEqual({
        mode,
        maxMemory,
        limits,
        map,
      });
    }
  });

  it.each(fixtureNames)("%s: holds every tensor that the program reads once", (name) => {
    const fixture = readFixture(name);
    const { unusedTensors } = describeArchitecture({ config: fixture.config, tensors: tensorInfos(fixture) });
    const read = tensorInfos(fixture).filter(
      (tensor) =>
        !unusedTensors.includes(tensor.name) &&
        !/num_batches_tracked$|inv_freq$|normalizer\.count$/.test(tensor.name),
    );
    const bytes = read.reduce(
      (sum, { shape }) => sum + 2 * shape.reduce((product, size) => product * size, 1),
      0,
    );
    const parameters = (node: ModuleNode): number =>
      node.parameters.reduce((sum, tensor) => sum + tensor.bytes, 0) +
      node.children.reduce((sum, child) => sum + parameters(child), 0);
    expect(parameters(treeOf(name))).toBe(bytes);
  });
});
