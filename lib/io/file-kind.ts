import { parsePythonJson } from "./python-json.js";

/** A kind of file that is not JSON Lines. */
export interface FileKind {
  name: string;
  /** How its rows become JSON Lines, for a file of this name. */
  remedy: (file: string) => string;
}

const pipe = (command: string) => (file: string) => `${command} ${file} | reward-model-score score - …`;
const python = (code: string) => (file: string) => `python -c "import pandas, sys; ${code}" ${file}`;
const pandas = (reader: string) =>
  python(`pandas.${reader}.to_json('rows.jsonl', orient='records', lines=True)`);
const save = () => "save its rows as one JSON object a line";

const EXCEL: FileKind = { name: "an Excel workbook", remedy: pandas("read_excel(sys.argv[1])") };
const utf = (encoding: string): FileKind => ({
  name: `${encoding.slice(0, 6)} text`,
  remedy: pipe(`iconv -f ${encoding} -t UTF-8`),
});

/** Kinds by the bytes that they begin with, longer ones before those that they begin with. */
const MAGIC: [bytes: Buffer, kind: FileKind][] = [
  [hex("fffe0000"), utf("UTF-32")],
  [hex("0000feff"), utf("UTF-32")],
  [hex("fffe"), utf("UTF-16")],
  [hex("feff"), utf("UTF-16")],
  // Without a byte order mark: JSON begins with ASCII.
  [hex("7b00"), utf("UTF-16LE")],
  [hex("5b00"), utf("UTF-16LE")],
  [hex("007b"), utf("UTF-16BE")],
  [hex("005b"), utf("UTF-16BE")],
  [latin1("PAR1"), { name: "a Parquet file", remedy: pandas("read_parquet(sys.argv[1])") }],
  [latin1("ARROW1"), { name: "an Arrow file", remedy: pandas("read_feather(sys.argv[1])") }],
  [latin1("FEA1"), { name: "a Feather file", remedy: pandas("read_feather(sys.argv[1])") }],
  [
    hex("ffffffff"),
    {
      name: "an Arrow stream, as the datasets library saves it",
      remedy: python("from datasets import Dataset; Dataset.from_file(sys.argv[1]).to_json('rows.jsonl')"),
    },
  ],
  [latin1("ORC"), { name: "an ORC file", remedy: pandas("read_orc(sys.argv[1])") }],
  [latin1("Obj\x01"), { name: "an Avro file", remedy: save }],
  [
    hex("1f8b"),
    {
      name: "a gzip file",
      remedy: (file) => `give it a name that ends in .gz, or zcat ${file} | reward-model-score score - …`,
    },
  ],
  [hex("28b52ffd"), { name: "a zstd file", remedy: pipe("zstd -dc") }],
  [hex("fd377a585a00"), { name: "an xz file", remedy: pipe("xz -dc") }],
  [hex("04224d18"), { name: "an lz4 file", remedy: pipe("lz4 -dc") }],
  [latin1("BZh"), { name: "a bzip2 file", remedy: pipe("bzip2 -dc") }],
  [hex("377abcaf271c"), { name: "a 7z archive", remedy: pipe("7z x -so") }],
  [hex("504b0304"), { name: "a zip archive", remedy: pipe("unzip -p") }],
  [hex("d0cf11e0a1b11ae1"), EXCEL],
  [latin1("SQLite format 3\0"), { name: "an SQLite database", remedy: save }],
  [latin1("\x89HDF"), { name: "an HDF5 file", remedy: save }],
  [latin1("\x93NUMPY"), { name: "a NumPy file", remedy: save }],
  [latin1("%PDF"), { name: "a PDF file", remedy: save }],
  [
    latin1("version https://git-lfs."),
    {
      name: "a Git LFS pointer, which stands for a file that was not fetched",
      remedy: () => "git lfs pull",
    },
  ],
];

const ARRAY: FileKind = { name: "a JSON array", remedy: pipe("jq -c '.[]'") };
const SEVERAL_LINES: FileKind = { name: "JSON with several lines an object", remedy: pipe("jq -c .") };
const MARKUP: FileKind = { name: "HTML or XML", remedy: save };
const BINARY: FileKind = { name: "a binary file", remedy: save };
const TABLES: [separator: string, kind: FileKind][] = [
  ["\t", { name: "a TSV table", remedy: pandas("read_csv(sys.argv[1], sep='\\t')") }],
  [",", { name: "a CSV table", remedy: pandas("read_csv(sys.argv[1])") }],
  [";", { name: "a CSV table with semicolons", remedy: pandas("read_csv(sys.argv[1], sep=';')") }],
];

/**
 * What a file is that is no JSON Lines; undefined for JSON Lines, also where most of the lines are broken.
 *
 * @param head how the file begins: at least its first line that is not blank, unless that is very long
 */
export function recognizeKind(head: Buffer): FileKind | undefined {
  const [, kind] = MAGIC.find(([bytes]) => head.subarray(0, bytes.length).equals(bytes)) ?? [];
  // Workbooks are zip archives with these parts.
  if (kind?.name === "a zip archive" && /\[Content_Types\]\.xml|xl\//.test(head.toString("latin1")))
    return EXCEL;
  return kind ?? recognizeText(head.toString("utf8"));
}

function recognizeText(text: string): FileKind | undefined {
  const lines = text.split("\n").map((line) => line.trim());
  const [first, ...others] = lines.filter((line) => line !== "");
  if (first === undefined || isRow(first)) return undefined;
  const rows = others.filter(isRow).length;
  // Items of an array, or messages of a conversation, may happen to be alone on some lines.
  if (rows > others.length / 2) return undefined;
  const goesOn = others.length > 0 && /[[{,]$/.test(first) && parse(first) === undefined;
  if (first.startsWith("[") && (goesOn || others.length === 0)) return ARRAY;
  if (first.startsWith("{") && goesOn) return SEVERAL_LINES;
  if (rows > 0 || parse(first) !== undefined) return undefined;
  if (first.includes("\0")) return BINARY;
  if (/^<(!doctype|\?xml|[a-z]+[ >])/i.test(first)) return MARKUP;
  return TABLES.find(([separator]) => isHeader(first.split(separator)))?.[1];
}

/** Names of columns, or simple values. */
function isHeader(fields: string[]): boolean {
  return fields.length > 1 && fields.every((field) => /^\s*("[^"]*"|[\p{L}\p{N} _.\-/()]+)\s*$/u.test(field));
}

function isRow(line: string): boolean {
  const value = parse(line);
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parse(line: string): unknown {
  try {
    return parsePythonJson(line);
  } catch {
    return undefined;
  }
}

function hex(bytes: string): Buffer {
  return Buffer.from(bytes, "hex");
}

function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
