/** What is made of the logits of a row. */
export type Activation = "sigmoid" | "softmax";

/** Of the numbers of one row: by labels, or of the steps of a process reward model. Rounded to float32, as they are. */
export function activate(logits: readonly number[], activation: Activation): number[] {
  if (activation === "sigmoid") return logits.map((logit) => Math.fround(1 / (1 + Math.exp(-logit))));
  const largest = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp(logit - largest));
  const sum = weights.reduce((all, weight) => all + weight, 0);
  return weights.map((weight) => Math.fround(weight / sum));
}
