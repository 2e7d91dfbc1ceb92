/** What takes the place of an option that another tool has. */
export interface Counterpart {
  /** Ours; undefined where there is nothing to choose. */
  option?: string;
  /** What differs, as a clause. */
  note?: string;
}

/** Options of transformers, sentence-transformers, vLLM, TEI, Accelerate and trainers' scripts, in the form of `plain`. */
const OTHER_NAMES: [names: string, counterpart: Counterpart][] = [
  [
    "device deviceid deviceids gpu gpuid gpus",
    { option: "deviceMap", note: "a device like cuda:0 is one too" },
  ],
  ["dtype precision computetype modeldtype fp16 bf16 fp32 half", { option: "torchDtype" }],
  [
    "loadin8bit loadin4bit quantize quantization quantizationconfig bnbconfig",
    { option: "torchDtype", note: "weights are not quantized; bfloat16 takes the least memory" },
  ],
  [
    "batchsize maxbatchsize evalbatchsize microbatchsize perdevicebatchsize perdeviceevalbatchsize maxnumseqs " +
      "maxbatchedtokens maxnumbatchedtokens",
    { option: "maxBatchTokens", note: "it counts tokens, not rows, and scores do not depend on it" },
  ],
  [
    "modelname modelnameorpath pretrainedmodelnameorpath pretrained modelid modelpath repo repoid checkpoint " +
      "rewardmodel rewardmodelname rewardmodelnameorpath rewardmodelpath",
    { option: "model" },
  ],
  ["tokenizername tokenizernameorpath tokenizerid tokenizerpath", { option: "tokenizer" }],
  [
    "maxseqlength maxseqlen maxsequencelength maxmodellen maxlen maxtokens maxinputlength modelmaxlength",
    { option: "maxLength", note: "it needs truncation beside it" },
  ],
  ["truncate autotruncate", { option: "truncation" }],
  ["hftoken hfapitoken useauthtoken authtoken accesstoken apikey", { option: "token" }],
  ["numthreads nthreads cputhreads numproc nproc numworkers", { option: "threads" }],
  ["cachefolder cachepath downloaddir", { option: "cacheDir" }],
  ["offline localonly", { option: "localFilesOnly" }],
  [
    "tensorparallelsize dataparallelsize numgpus ngpus numdevices",
    { option: "replicas", note: "the whole model on each device; a device map divides it" },
  ],
  ["gpumemoryutilization maxgpumemory", { option: "maxMemory", note: "in bytes or GiB by device" }],
  ["template chattemplatepath chattemplatefile customchattemplate", { option: "chatTemplate" }],
  [
    "columns columnmapping columnmappings inputcolumn inputcolumns promptcolumn textcolumn responsecolumn",
    { option: "inputMappings" },
  ],
  ["outputcolumn outputcolumns scorecolumn", { option: "outputMappings" }],
  ["out outfile outputfile outputpath savepath", { option: "output" }],
  [
    "input inputfile inputpath file data datafile datapath dataset datasetname rows",
    { note: "rows are an argument, not an option" },
  ],
  ["prefixcaching enableprefixcaching", { note: "common beginnings of rows are computed once by default" }],
  [
    "attnimplementation flashattention useflashattention useflashattention2",
    { note: "how attention is computed follows from the device" },
  ],
  [
    "adaptername adapternameorpath adapterid adapterpath loraadapter lorapath loranameorpath peftmodel peftmodelid",
    { option: "adapter" },
  ],
  ["normalizereward normalizerewards", { option: "normalize", note: "with the value model" }],
  [
    "functiontoapply activationfunction sigmoid",
    { option: "activation", note: "scores are raw logits by default" },
  ],
];

const COUNTERPARTS = new Map(
  OTHER_NAMES.flatMap(([names, counterpart]) => names.split(" ").map((name) => [name, counterpart] as const)),
);

/**
 * What was meant by a name that is no option: one of ours in another spelling, or another tool's word for one.
 *
 * @param options the options that there are
 */
export function counterpartOf(name: string, options: readonly string[]): Counterpart | undefined {
  const wanted = plain(name);
  const option = options.find((own) => plain(own) === wanted);
  if (option !== undefined) return { option };
  const counterpart = COUNTERPARTS.get(wanted);
  return counterpart?.option === undefined || options.includes(counterpart.option) ? counterpart : undefined;
}

/** The counterpart as a sentence; `spell` writes an option as the user would. */
export function describeCounterpart(
  { option, note }: Counterpart,
  spell: (option: string) => string = (option) => option,
): string {
  const clauses = [option && `${spell(option)} takes its place`, note].filter(
    (clause) => clause !== undefined,
  );
  return `Here, ${clauses.join(": ")}.`;
}

/** "--torch_dtype", "torchDtype" and "torch-dtype" are one name. */
function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
}
