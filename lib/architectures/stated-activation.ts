/**
 * What sentence-transformers applies to the logits of a CrossEncoder, as its config.json says: a name like
 * "torch.nn.modules.activation.Sigmoid", in files of before version 4 under a key of its own.
 */
export function readStatedActivation(config: unknown): string | undefined {
  const { sentence_transformers: section, sbert_ce_default_activation_function: old } = (config ??
    {}) as Record<string, unknown>;
  const { activation_fn: own } = (section ?? {}) as Record<string, unknown>;
  return [own, old].find((name) => typeof name === "string");
}
