import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { MODES } from "#lib/device-map/forms.js";
import { readLimits } from "#lib/device-map/limits.js";
import { planDeviceMap } from "#lib/device-map/plan.js";
import { unpackTree, type RecordedFamily, type RecordedTree } from "./recorded-tree.js";

// Recorded from transformers by scripts/fixtures/device_map.py.
const FIXTURES = new URL("../fixtures/device-map/", import.meta.url);

function read<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(name, FIXTURES), "utf8")) as T;
}

const families = readdirSync(FIXTURES).filter((name) => !["fuzz.json", "trees.json"].includes(name));

describe("planDeviceMap", () => {
  it.each(families)("plans %s as transformers does", (name) => {
    const { tree, cases } = read<RecordedFamily>(name);
    const root = unpackTree(tree);
    for (const { mode, maxMemory, limits, map } of cases) {
      const plan = planDeviceMap(root, mode, readLimits(maxMemory), false);
      expect({ mode, maxMemory, limits: Object.fromEntries(plan.limits), map: plan.map }).toEqual({
        mode,
        maxMemory,
        limits,
        map,
      });
    }
  });

  it("plans thousands of random trees as transformers does", () => {
    const { trees } = read<{
      trees: { tree: RecordedTree; tied: string[][]; cases: [number, Record<string, number>, string][] }[];
    }>("fuzz.json");
    let compared = 0;
    for (const { tree, tied, cases } of trees) {
      const root = unpackTree(tree);
      for (const [mode, maxMemory, digest] of cases) {
        const plan = planDeviceMap(root, MODES[mode]!, readLimits(maxMemory), false, tied);
        const text = JSON.stringify({
          limits: sorted([...plan.limits]),
          map: sorted(Object.entries(plan.map)),
        });
        const own = createHash("sha256").update(text).digest("hex").slice(0, 12);
        expect({ digest: own, text, tree, maxMemory, mode: MODES[mode] }).toMatchObject({ digest });
        compared++;
      }
    }
    expect(compared).toBeGreaterThanOrEqual(5000);
  });

  it("says why the map goes on to the next device", () => {
    const { tree } = read<RecordedFamily>("qwen3.json");
    const limits = readLimits({ 0: "700MiB", cpu: "8GiB" });
    const { boundaries } = planDeviceMap(unpackTree(tree), "auto", limits, false);
    expect(boundaries).toEqual([
      expect.objectContaining({ unit: "model.layers.12", bytes: 31_461_888, from: 0, to: "cpu" }),
    ]);
    const [{ used, bytes, reserved, limit }] = boundaries as [(typeof boundaries)[number]];
    expect(used + bytes + reserved).toBeGreaterThan(limit);
  });
});

/** Keys in the order of their text, as the script writes them. */
function sorted(entries: [unknown, unknown][]): object {
  const ordered = entries
    .map(([key, value]) => [String(key), value] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(ordered);
}
