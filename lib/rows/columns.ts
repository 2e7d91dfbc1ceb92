import { RewardModelScoreError } from "../errors.js";

/** The step's own names for the columns it reads, and the one it writes. */
const INPUTS = ["instruction", "response", "conversation"] as const;
const OUTPUTS = ["score"] as const;

export type InputMappings = Partial<Record<(typeof INPUTS)[number], string>>;
export type OutputMappings = Partial<Record<(typeof OUTPUTS)[number], string>>;

/** Where each of the step's names is found in a row. */
export type Columns = Record<(typeof INPUTS)[number] | (typeof OUTPUTS)[number], string>;

/**
 * Resolves mappings written as in distilabel: the step's name on the left, the row's column on the right, so that
 * `{ instruction: "prompt" }` reads the step's `instruction` from the column `prompt`.
 */
export function resolveColumns(inputs: InputMappings = {}, outputs: OutputMappings = {}): Columns {
  const columns = {
    ...resolve("inputMappings", INPUTS, inputs),
    ...resolve("outputMappings", OUTPUTS, outputs),
  };
  const seen = new Map<string, string>();
  for (const name of INPUTS) {
    const other = seen.get(columns[name]);
    if (other !== undefined) {
      throw invalid(
        "inputMappings",
        `inputMappings reads both ${other} and ${name} from the column "${columns[name]}"; give each its own column`,
      );
    }
    seen.set(columns[name], name);
  }
  return columns;
}

function resolve<Name extends string>(
  option: string,
  names: readonly Name[],
  mappings: Partial<Record<Name, string>>,
): Record<Name, string> {
  if (typeof mappings !== "object" || mappings === null || Array.isArray(mappings)) {
    throw invalid(option, `${option} must be an object like { ${names[0]}: "my_column" }`);
  }
  for (const [name, column] of Object.entries(mappings)) {
    if (!(names as readonly string[]).includes(name)) {
      throw invalid(
        option,
        `${option} maps "${name}", which is not one of ${names.join(", ")}; the step's name goes on the left, the row's column on the right`,
      );
    }
    if (column !== undefined && (typeof column !== "string" || column === "")) {
      throw invalid(option, `${option}.${name} must be the name of a column`);
    }
  }
  return Object.fromEntries(names.map((name) => [name, mappings[name] ?? name])) as Record<Name, string>;
}

function invalid(option: string, message: string): RewardModelScoreError<"ERR_INVALID_OPTION"> {
  return new RewardModelScoreError("ERR_INVALID_OPTION", message, { option });
}
