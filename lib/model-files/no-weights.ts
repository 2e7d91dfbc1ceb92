import { RewardModelScoreError } from "../errors.js";
import { LOOKED_FOR } from "./checkpoint.js";

/** A form in which others keep models, known by the names of its files. */
interface OtherForm {
  name: string;
  file: RegExp;
  remedy: string;
}

const ORIGINAL = "Use the model that it was converted from; the page of the repository names it mostly.";
const inTransformers4 = (flag: string) =>
  `transformers 4 converts it: AutoModelForSequenceClassification.from_pretrained(…, ${flag}=True).save_pretrained(…).`;

/** What is easiest to mend comes first. */
const OTHER_FORMS: readonly OtherForm[] = [
  {
    name: "DeepSpeed's checkpoint of a training",
    file: /(?:^|\/)(?:zero_to_fp32\.py|(?:zero_|bf16_|mp_rank_)\w*(?:model|optim)_states\.pt)$/,
    remedy: "Its own script makes weights of it: python zero_to_fp32.py <its folder> <folder of the model>",
  },
  {
    name: "FSDP's checkpoint of a training",
    file: /\.distcp$/,
    remedy: "accelerate makes weights of it: accelerate merge-weights <its folder> <folder of the model>",
  },
  {
    name: "consolidated weights in Meta's or Mistral's own layout",
    file: /(?:^|\/)consolidated(?:[.-]\d+(?:-of-\d+)?)?\.(?:pth|safetensors)$/,
    remedy:
      "Use the repository of the same model in transformers' layout, or convert it with transformers' scripts.",
  },
  { name: "TensorFlow", file: /(?:^|\/)tf_model(?:-\d+-of-\d+)?\.h5$/, remedy: inTransformers4("from_tf") },
  {
    name: "Flax",
    file: /(?:^|\/)flax_model(?:-\d+-of-\d+)?\.msgpack$/,
    remedy: inTransformers4("from_flax"),
  },
  { name: "rust-bert", file: /(?:^|\/)rust_model\.ot$/, remedy: ORIGINAL },
  { name: "GGUF", file: /\.gguf$/i, remedy: ORIGINAL },
  { name: "MLX", file: /(?:^|\/)weights(?:\.\d+)?\.npz$/, remedy: ORIGINAL },
  { name: "ONNX", file: /\.onnx$/, remedy: ORIGINAL },
  { name: "OpenVINO", file: /(?:^|\/)openvino_model\.(?:xml|bin)$/, remedy: ORIGINAL },
  { name: "Core ML", file: /\.(?:mlpackage\/.+|mlmodel)$/, remedy: ORIGINAL },
];

/** Of other names, what could be weights. */
const LIKE_WEIGHTS = /\.(?:safetensors|bin|pth|pt|ckpt|h5|msgpack|npz)$/;

/**
 * What a model is told to lack, by the paths of its files.
 *
 * @returns ERR_NOT_SUPPORTED with the form that it has, else ERR_NOT_FOUND with what was looked for
 */
export function noWeights(model: string, files: Iterable<string>): RewardModelScoreError {
  const paths = [...files].sort();
  const forms = OTHER_FORMS.flatMap((form) => {
    const file = paths.find((path) => form.file.test(path));
    return file === undefined ? [] : [{ ...form, file }];
  });
  const [form] = forms;
  if (form) {
    const named = forms.map(({ name, file }) => `${name} (${file})`).join(" and ");
    return new RewardModelScoreError(
      "ERR_NOT_SUPPORTED",
      `${model} holds its weights only as ${named}, which is not read. ${form.remedy}`,
      { feature: form.name },
    );
  }
  const others = paths.filter((path) => LIKE_WEIGHTS.test(path)).slice(0, 5);
  return new RewardModelScoreError(
    "ERR_NOT_FOUND",
    `${model} has no weights that can be loaded: none of ${LOOKED_FOR.join(", ")}.` +
      (others.length > 0 ? ` It has ${others.join(", ")}.` : ""),
    { path: model },
  );
}

/** Whether a single file is a model of another form; one that nobody knows may be an archive. */
export function isOtherForm(file: string): boolean {
  return OTHER_FORMS.some((form) => form.file.test(file));
}
