import { describe, expect, it } from "vitest";
import { readStatedActivation } from "#lib/architectures/stated-activation.js";
import { activationOf } from "#lib/model/activation.js";
import type { LoadProgress } from "#lib/model/load-progress.js";
import { RewardModelScore } from "#lib/reward-model-score.js";

const options = (activation: "none" | "sigmoid" | "softmax" | "model") => ({ activation, model: "o/m" });
const source = (statedActivation?: string, labels = 2) => ({ statedActivation, labels });

describe("what is applied to the logits", () => {
  it.each([
    ["none", "torch.nn.modules.activation.Sigmoid", undefined],
    ["sigmoid", undefined, "sigmoid"],
    ["softmax", undefined, "softmax"],
    ["model", "torch.nn.modules.activation.Sigmoid", "sigmoid"],
    ["model", "torch.nn.modules.activation.Softmax", "softmax"],
    ["model", "torch.nn.modules.linear.Identity", undefined],
  ] as const)("%s, where the model states %s: %s", (asked, stated, expected) => {
    expect(activationOf(options(asked), source(stated))).toBe(expected);
  });

  it.each([
    ["model", source(), "ERR_INVALID_OPTION", /states none/],
    ["softmax", source(undefined, 1), "ERR_INVALID_OPTION", /one label/],
    ["model", source("torch.nn.Softmax", 1), "ERR_INVALID_OPTION", /one label/],
    ["model", source("my.module.Scale"), "ERR_NOT_SUPPORTED", /my\.module\.Scale/],
  ] as const)("%s is refused where it cannot be honoured: %j", (asked, from, code, message) => {
    expect(() => activationOf(options(asked), from)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) as string }),
    );
  });

  it.each([
    [{ sentence_transformers: { activation_fn: "torch.nn.Sigmoid" } }, "torch.nn.Sigmoid"],
    [{ sbert_ce_default_activation_function: "torch.nn.Identity" }, "torch.nn.Identity"],
    [{ sentence_transformers: { version: "5" } }, undefined],
    [{ sentence_transformers: null, sbert_ce_default_activation_function: 3 }, undefined],
    [null, undefined],
  ])("a config states it: %j", (config, expected) => {
    expect(readStatedActivation(config)).toBe(expected);
  });

  it("is applied to every score, told, and kept", async () => {
    const rows = [{ instruction: "How much is 2+2?", response: "4" }];
    await using raw = new RewardModelScore({ model: "demo" });
    await raw.load();
    await using step = new RewardModelScore({ model: "demo", activation: "sigmoid" });
    const news: LoadProgress[] = [];
    await step.load({ onProgress: (progress) => void news.push(progress) });
    const [logit] = await raw.score(rows);
    expect(await step.score(rows)).toEqual([Math.fround(1 / (1 + Math.exp(-logit!)))]);
    expect([raw.activation, step.activation]).toEqual([undefined, "sigmoid"]);
    expect(news).toContainEqual({ phase: "activation", activation: "sigmoid" });
  });
});
