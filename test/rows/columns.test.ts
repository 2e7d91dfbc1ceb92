import { describe, expect, it } from "vitest";
import { RewardModelScoreError } from "#lib/errors.js";
import { resolveColumns } from "#lib/rows/columns.js";

describe("mappings", () => {
  it("default to the step's own names", () => {
    expect(resolveColumns()).toEqual({
      instruction: "instruction",
      response: "response",
      conversation: "conversation",
      score: "score",
    });
  });

  it("name the row's columns on the right, as in distilabel", () => {
    const columns = resolveColumns({ instruction: "prompt" }, { score: "reward" });
    expect(columns).toMatchObject({ instruction: "prompt", response: "response", score: "reward" });
  });

  it.each([
    [{ prompt: "instruction" }, /"prompt", which is not one of instruction, response, conversation/],
    [{ instruction: "" }, /inputMappings\.instruction/],
    [{ instruction: "text", response: "text" }, /both instruction and response from the column "text"/],
    [{ instruction: "response" }, /both/],
    [null, /object/],
  ])("refuse %j", (mappings, message) => {
    try {
      resolveColumns(mappings as never);
    } catch (error) {
      expect(RewardModelScoreError.is(error, "ERR_INVALID_OPTION")).toBe(true);
      expect((error as Error).message).toMatch(message);
      return;
    }
    throw new Error("accepted");
  });
});
