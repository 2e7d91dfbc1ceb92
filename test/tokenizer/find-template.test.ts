import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { findChatTemplate } from "#lib/tokenizer/find-template.js";
import { RewardModelScoreError } from "#lib/errors.js";
import type { TokenizerConfig } from "#lib/tokenizer/config.js";
import { temporaryFolder } from "../temporary-folder.js";

let directory: string;
beforeEach(() => {
  directory = temporaryFolder("templates");
});

function write(path: string, content: string): void {
  mkdirSync(dirname(join(directory, path)), { recursive: true });
  writeFileSync(join(directory, path), content);
}

async function source(config: Partial<TokenizerConfig> = {}, override?: string): Promise<string> {
  return (await findChatTemplate(directory, config, override)).source;
}

async function refusal(config: Partial<TokenizerConfig> = {}, override?: string): Promise<string> {
  const error: unknown = await source(config, override).catch((reason: unknown) => reason);
  expect(RewardModelScoreError.is(error, "ERR_CHAT_TEMPLATE")).toBe(true);
  return (error as Error).message;
}

const named = [
  { name: "default", template: "config default" },
  { name: "rag", template: "config rag" },
];

describe("where the template comes from", () => {
  it("is chat_template.jinja before the config, and the config before chat_template.json", async () => {
    write("chat_template.json", JSON.stringify({ chat_template: "legacy" }));
    expect(await source()).toBe("legacy");
    expect(await source({ chat_template: "config" })).toBe("config");
    write("chat_template.jinja", "file\r\n");
    expect(await source({ chat_template: "config" })).toBe("file\r\n");
  });

  it("is the default of a named list", async () => {
    expect(await source({ chat_template: named })).toBe("config default");
    expect(await source({ chat_template: named }, "rag")).toBe("config rag");
  });

  it("is a file of additional_chat_templates by its name", async () => {
    write("chat_template.jinja", "file");
    write("additional_chat_templates/tool_use.jinja", "tools");
    write("additional_chat_templates/notes.txt", "no template");
    expect(await source()).toBe("file");
    expect(await source({}, "tool_use")).toBe("tools");
    await expect(source({}, "notes")).rejects.toThrow(/"default", "tool_use"/);
  });

  it("is what the caller gives", async () => {
    expect(await source({ chat_template: "config" }, "{{ messages[0].content }}")).toBe(
      "{{ messages[0].content }}",
    );
  });

  it("tells its file", async () => {
    write("chat_template.jinja", "file");
    expect(await findChatTemplate(directory, {})).toEqual({
      source: "file",
      path: join(directory, "chat_template.jinja"),
    });
  });
});

describe("refusals", () => {
  it("name both remedies when there is no template", async () => {
    const message = await refusal();
    expect(message).toContain('inputFormat: "pair"');
    expect(message).toContain("chatTemplate");
    expect(message).toContain(directory);
  });

  it("list the names when none is the default", async () => {
    expect(await refusal({ chat_template: named.slice(1) })).toMatch(/"rag"/);
  });

  it("take a name that is not known for what it is", async () => {
    expect(await refusal({ chat_template: named }, "rga")).toMatch(/"rga".*"default", "rag"/);
  });

  it("name a file that is not JSON", async () => {
    write("chat_template.json", "{");
    expect(await refusal()).toContain(join(directory, "chat_template.json"));
  });

  it("name a file that cannot be read", async () => {
    const path = join(directory, "chat_template.jinja");
    mkdirSync(path);
    await expect(source({})).rejects.toMatchObject({ code: "ERR_IO", details: { path } });
  });
});
