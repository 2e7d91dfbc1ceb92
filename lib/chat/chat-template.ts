import { Template, TemplateError } from "@reward-model-score/jinja";
import { RewardModelScoreError } from "../errors.js";
import type { Message } from "../rows/types.js";
import type { FoundTemplate } from "../tokenizer/find-template.js";

const LONGEST_REASON = 1000;

/** Renders conversations as transformers' apply_chat_template does with add_generation_prompt false and no tools. */
export class ChatTemplate {
  readonly #template: Template;
  readonly #path: string | undefined;

  /** `now` is what the template's strftime_now gives; pin it where scores must not change from day to day. */
  constructor(
    { source, path }: FoundTemplate,
    private readonly specialTokens: Record<string, string>,
    private readonly now: () => Date = () => new Date(),
  ) {
    this.#path = path;
    try {
      this.#template = new Template(source);
    } catch (cause) {
      throw this.#error("does not parse", cause);
    }
  }

  /** Throws ERR_CHAT_TEMPLATE when the template refuses the conversation or fails on it. */
  render(messages: Message[]): string {
    try {
      return this.#template.render(
        {
          ...this.specialTokens,
          messages,
          tools: null,
          documents: null,
          add_generation_prompt: false,
        },
        { now: this.now },
      );
    } catch (cause) {
      throw this.#error("refused the conversation", cause);
    }
  }

  #error(what: string, cause: unknown): Error {
    if (!(cause instanceof TemplateError)) return cause as Error;
    const subject = this.#path === undefined ? "the chat template" : `the chat template in ${this.#path}`;
    // The template writes the message, of any length, and every row keeps one.
    const { message } = cause;
    const reason = message.length > LONGEST_REASON ? `${message.slice(0, LONGEST_REASON)}…` : message;
    return new RewardModelScoreError(
      "ERR_CHAT_TEMPLATE",
      `${subject} ${what}: ${reason}`,
      this.#path === undefined ? {} : { path: this.#path },
      { cause },
    );
  }
}
