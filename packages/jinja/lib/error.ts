/**
 * What keeps a template from a text: its source does not parse, it raises (`raise_exception`, or what Python would raise
 * at that place), or it does more than its budget allows. The message is the reason; a template that raises wrote it, so
 * it may be of any length.
 *
 * ```ts
 * import { Template, TemplateError } from "@reward-model-score/jinja";
 *
 * try {
 *   new Template("{{ raise_exception('Roles must alternate') }}").render();
 * } catch (error) {
 *   if (!(error instanceof TemplateError)) throw error;
 *   console.log(error.message); // Roles must alternate
 * }
 * ```
 */
export class TemplateError extends Error {
  /** Always `"TemplateError"`. */
  override readonly name = "TemplateError";
}
