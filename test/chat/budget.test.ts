import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { Template } from "@reward-model-score/jinja";

const folder = new URL("../fixtures/chat/templates/", import.meta.url);

const words = "The quick brown fox\njumps over the lazy dog. ".repeat(25);
const messages = Array.from({ length: 100 }, (_item, index) => ({
  role: index % 2 === 0 ? "user" : "assistant",
  content: index % 2 === 0 ? words : `<think>${words}</think>\n\n${words}`,
}));

it.each(readdirSync(folder))("the budget is far above what a long conversation needs: %s", (name) => {
  const source = readFileSync(new URL(name, folder), "utf8");
  const variables = { messages, bos_token: "<s>", eos_token: "</s>", tools: null };
  const once = new Template(source).render(variables);
  const many = new Template(`{% for _ in range(30) %}${source}{% endfor %}`).render(variables);
  expect(many.length).toBeGreaterThan(29 * once.length);
});
