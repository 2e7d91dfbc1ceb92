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
      written: ["score", "error"],
    });
    expect(resolveColumns({}, {}, true).written).toEqual(["score", "error", "attributes"]);
  });

  it("name the row's columns on the right, as in distilabel", () => {
    const columns = resolveColumns({ instruction: "prompt" }, { score: "reward" });
    expect(columns).toMatchObject({ instruction: "prompt", response: "response", score: "reward" });
  });

  it.each([
    [{ prompt: "instruction" }, {}, /"prompt", which is not one of instruction, response, conversation/],
    [{ instruction: "" }, {}, /inputMappings\.instruction/],
    [{ instruction: "text", response: "text" }, {}, /both instruction and response from the column "text"/],
    [{ instruction: "response" }, {}, /both/],
    [null, {}, /object/],
    [{}, { score: "error" }, /writes score to "error"/],
    [{}, { score: "attributes" }, /writes score to "attributes"/],
    [{}, { score: "instruction" }, /"instruction", which is the column that instruction is read from/],
    [{}, { score: "conversation" }, /"conversation"/],
    [{ response: "answer" }, { score: "answer" }, /"answer"/],
    [{ response: "score" }, {}, /"score", which is the column that response is read from/],
    [{ instruction: "error" }, {}, /reads instruction from "error"/],
    [{ conversation: "attributes" }, {}, /reads conversation from "attributes"/],
  ])("refuse %j with %j", (inputs, outputs, message) => {
    try {
      resolveColumns(inputs as never, outputs);
    } catch (error) {
      expect(RewardModelScoreError.is(error, "ERR_INVALID_OPTION")).toBe(true);
      expect((error as Error).message).toMatch(message);
      return;
    }
    throw new Error("accepted");
  });

  it("may exchange columns, and write to a name that nothing is read from", () => {
    const swapped = { instruction: "response", response: "instruction" };
    expect(resolveColumns(swapped)).toMatchObject(swapped);
    expect(resolveColumns({ instruction: "prompt" }, { score: "instruction" }).score).toBe("instruction");
  });
});
