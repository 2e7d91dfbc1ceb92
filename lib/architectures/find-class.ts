import { fileURLToPath } from "node:url";
import { RewardModelScoreError } from "../errors.js";
import type { CheckpointTensors } from "./checkpoint-tensors.js";
import type { Family } from "./family.js";
import { findValueHead, hintOfPrefix } from "./heads.js";
import { classifier, customClasses, trainedHead, type Registration } from "./registry.js";

// Part of the package, whose user knows no other path of it than where it is installed.
const exporter = fileURLToPath(new URL("../../scripts/export_torchscript.py", import.meta.url));
const exportIt = `Export the model with 'python ${exporter} <model> <folder>' and pass that folder.`;

/** Of transformers' own classifiers: "LlamaForSequenceClassification". */
const CLASSIFIER = "ForSequenceClassification";

export interface FoundClass {
  /** "LlamaForSequenceClassification" */
  name: string;
  registration: Registration;
  /** What it was concluded from, where the config names no class. */
  conclusion?: string;
}

/** Names of architectures that have a built-in program. */
export function supportedArchitectures(families: readonly Family[]): string[] {
  const classes = families.flatMap(({ classNames }) => classNames);
  return [...new Set(classes.map((name) => name + CLASSIFIER)), ...customClasses.keys()];
}

/**
 * The class that scores. One that computes a score in a way of its own is taken at its word. Everything else is what
 * AutoModelForSequenceClassification makes of it, which asks config.model_type and no list of architectures: a `score`
 * is read as the classifier of that family reads it. Only a head that transformers does not know is read as trainers do.
 *
 * @param json config.json
 * @throws ERR_UNSUPPORTED_ARCHITECTURE
 */
export function findClass(
  json: unknown,
  tensors: CheckpointTensors,
  families: readonly Family[],
): FoundClass {
  const config = (typeof json === "object" ? json : null) ?? {};
  const { architectures, model_type, auto_map, value_head_prefix } = config as Record<string, unknown>;
  const listed = Array.isArray(architectures) ? architectures.filter((name) => typeof name === "string") : [];
  for (const name of listed) {
    const registration = customClasses.get(name);
    if (registration) return { name, registration };
  }
  const found =
    typeof model_type === "string" ? ofModelType(families, model_type) : ofClassNames(families, listed);
  const isClassifier = listed.some((name) => name.endsWith(CLASSIFIER));
  const own = found && ownClass(auto_map, listed, found.className);
  if (found && own === undefined) {
    const { family, className } = found;
    const name = className + CLASSIFIER;
    // A trunk's own class is saved with whatever head its owner put on it.
    const nameless = listed.every((listedName) => listedName === `${className}Model`);
    const concluded = (head: string, as: string) =>
      nameless && { conclusion: conclusion(architectures, model_type, head, as) };
    const { module } = family.classifier;
    if (tensors.has(`${module}.weight`))
      return { name, registration: classifier(family), ...concluded(module, name) };
    const head = findValueHead(tensors, value_head_prefix);
    if (isClassifier || head !== undefined) {
      const registration = trainedHead(family, isClassifier);
      return {
        name: listed[0] ?? name,
        registration,
        ...concluded(head ?? module, `a value head on ${className}, which reads the last token`),
      };
    }
  }
  const architecture = listed.join(", ") || "none named in config.json";
  const supported = supportedArchitectures(families);
  const ofType = typeof model_type === "string" ? ` (model_type ${JSON.stringify(model_type)})` : "";
  const reason =
    found && own === undefined
      ? `${architecture} is a language model, and the checkpoint has no value head beside it.`
      : `There is no built-in program for the architecture ${own ?? architecture}${ofType}.`;
  throw new RewardModelScoreError(
    "ERR_UNSUPPORTED_ARCHITECTURE",
    `${reason} ${hintOfPrefix(tensors) ?? exportIt} ` + `Built in are: ${supported.join(", ")}.`,
    { architecture, supported },
  );
}

function conclusion(architectures: unknown, type: unknown, head: string, as: string): string {
  return (
    `config.json names no class that scores (architectures: ${JSON.stringify(architectures ?? null)}). By its model_type ` +
    `${JSON.stringify(type ?? null)} and the checkpoint's tensors "${head}" it is scored as ${as}.`
  );
}

interface FoundFamily {
  family: Family;
  className: string;
}

function ofModelType(families: readonly Family[], type: string): FoundFamily | undefined {
  for (const family of families) {
    const at = family.modelTypes.indexOf(type);
    if (at >= 0) return { family, className: family.classNames[at]! };
  }
  return undefined;
}

/** Configs of old have no model_type. */
function ofClassNames(families: readonly Family[], names: readonly string[]): FoundFamily | undefined {
  for (const family of families) {
    const className = family.classNames.find((own) =>
      names.some((name) => name.startsWith(own) && /^(For[A-Z]|Model$)/.test(name.slice(own.length))),
    );
    if (className !== undefined) return { family, className };
  }
  return undefined;
}

/**
 * The class that the repository brings its own code for (auto_map), if its score need not be that of transformers' class:
 * one for sequence classification, or the one that was saved.
 */
function ownClass(autoMap: unknown, listed: readonly string[], className: string): string | undefined {
  const isOwn = (name: string) =>
    !name.startsWith(className) ||
    !/^(For(CausalLM|SequenceClassification)|Model)$/.test(name.slice(className.length));
  if (listed.includes(className + CLASSIFIER)) return undefined;
  const map = Object.entries(autoMap ?? {}).flatMap(([key, reference]: [string, unknown]) =>
    typeof reference === "string" ? [{ key, name: reference.slice(reference.lastIndexOf(".") + 1) }] : [],
  );
  const scoring = map.filter(
    ({ key, name }) => key === "AutoModelForSequenceClassification" || listed.includes(name),
  );
  return scoring.map(({ name }) => name).find(isOwn);
}
