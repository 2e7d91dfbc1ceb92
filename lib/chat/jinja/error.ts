/** What a template raises: its own `raise_exception`, or what Python would raise at that place. */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
}
