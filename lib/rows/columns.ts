import { RewardModelScoreError } from "../errors.js";

/** The step's own names for the columns it reads, and the one it writes. */
const INPUTS = ["instruction", "response", "conversation"] as const;
const OUTPUTS = ["score"] as const;

/** What scoring writes beside the score, under these names alone. */
const ERROR = "error";
const ATTRIBUTES = "attributes";

export type InputMappings = Partial<Record<(typeof INPUTS)[number], string>>;
export type OutputMappings = Partial<Record<(typeof OUTPUTS)[number], string>>;

/** Where each of the step's names is found in a row. */
export type Columns = Record<(typeof INPUTS)[number] | (typeof OUTPUTS)[number], string> & {
  /** All columns that scoring owns: what a row brings in them is from an earlier run, and does not stay. */
  written: readonly string[];
};

/**
 * Resolves mappings written as in distilabel: the step's name on the left, the row's column on the right, so that
 * `{ instruction: "prompt" }` reads the step's `instruction` from the column `prompt`.
 */
export function resolveColumns(
  inputs: InputMappings = {},
  outputs: OutputMappings = {},
  attributes = false,
): Columns {
  const names = {
    ...resolve("inputMappings", INPUTS, inputs),
    ...resolve("outputMappings", OUTPUTS, outputs),
  };
  requireDistinct(names, outputs);
  return { ...names, written: [names.score, ERROR, ...(attributes ? [ATTRIBUTES] : [])] };
}

/** No two names share a column, and none is one of those that scoring writes. */
function requireDistinct(columns: Omit<Columns, "written">, outputs: OutputMappings): void {
  for (const name of OUTPUTS) {
    if (columns[name] !== ERROR && columns[name] !== ATTRIBUTES) continue;
    throw invalid(
      "outputMappings",
      `outputMappings writes ${name} to "${columns[name]}", a column that scoring writes itself; choose another one`,
    );
  }
  const seen = new Map<string, string>();
  for (const name of INPUTS) {
    if (columns[name] === ERROR || columns[name] === ATTRIBUTES) {
      throw invalid(
        "inputMappings",
        `inputMappings reads ${name} from "${columns[name]}", a column that scoring writes; rename it`,
      );
    }
    if (columns[name] === columns.score) {
      throw invalid(
        outputs.score === undefined ? "inputMappings" : "outputMappings",
        `The score would be written to "${columns.score}", which is the column that ${name} is read from; ` +
          `choose another one with outputMappings`,
      );
    }
    const other = seen.get(columns[name]);
    if (other !== undefined) {
      throw invalid(
        "inputMappings",
        `inputMappings reads both ${other} and ${name} from the column "${columns[name]}"; give each its own column`,
      );
    }
    seen.set(columns[name], name);
  }
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
