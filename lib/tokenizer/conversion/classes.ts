import * as byteLevel from "./classes/byte-level-bpe.js";
import * as sentencePiece from "./classes/sentence-piece.js";
import * as wordPiece from "./classes/word-piece.js";
import type { TokenizerClass } from "./tokenizer-class.js";

/** The classes of transformers whose tokenizers can be made of their own files. */
export const CLASSES: ReadonlyMap<string, TokenizerClass> = new Map([
  ["AlbertTokenizer", sentencePiece.albert],
  ["BartTokenizer", byteLevel.roberta],
  ["BertTokenizer", wordPiece.bert],
  ["CamembertTokenizer", sentencePiece.camembert],
  ["CodeGenTokenizer", byteLevel.gpt2],
  ["ConvBertTokenizer", wordPiece.bert],
  ["DebertaTokenizer", byteLevel.deberta],
  ["DebertaV2Tokenizer", sentencePiece.debertaV2],
  ["DistilBertTokenizer", wordPiece.bert],
  ["ElectraTokenizer", wordPiece.bert],
  ["GemmaTokenizer", sentencePiece.gemma],
  ["GPT2Tokenizer", byteLevel.gpt2],
  ["GPTNeoXTokenizer", byteLevel.gptNeoX],
  ["InternLM2Tokenizer", sentencePiece.llama],
  ["LlamaTokenizer", sentencePiece.llama],
  ["LongformerTokenizer", byteLevel.roberta],
  ["MobileBertTokenizer", wordPiece.bert],
  ["MPNetTokenizer", wordPiece.mpnet],
  ["Qwen2Tokenizer", byteLevel.qwen2],
  ["RobertaTokenizer", byteLevel.roberta],
  ["SqueezeBertTokenizer", wordPiece.bert],
  ["T5Tokenizer", sentencePiece.t5],
  ["XLMRobertaTokenizer", sentencePiece.xlmRoberta],
]);

/** By a model's `model_type`, where no class is named. */
export const CLASS_OF_MODEL: ReadonlyMap<string, string> = new Map(
  Object.entries({
    AlbertTokenizer: ["albert"],
    BartTokenizer: ["bart"],
    BertTokenizer: ["bert", "ernie", "nezha"],
    CamembertTokenizer: ["camembert"],
    CodeGenTokenizer: ["codegen", "phi"],
    ConvBertTokenizer: ["convbert"],
    DebertaTokenizer: ["deberta"],
    DebertaV2Tokenizer: ["deberta-v2"],
    DistilBertTokenizer: ["distilbert"],
    ElectraTokenizer: ["electra"],
    GemmaTokenizer: ["gemma", "gemma2", "gemma3", "gemma3_text"],
    GPT2Tokenizer: ["gpt2", "gpt_bigcode", "gpt_neo", "gptj", "opt", "starcoder2"],
    GPTNeoXTokenizer: ["gpt_neox", "olmo", "olmoe"],
    InternLM2Tokenizer: ["internlm2"],
    LlamaTokenizer: ["llama", "ministral", "mistral", "mixtral", "persimmon", "phi3"],
    LongformerTokenizer: ["longformer"],
    MobileBertTokenizer: ["mobilebert"],
    MPNetTokenizer: ["mpnet"],
    Qwen2Tokenizer: ["qwen2", "qwen2_moe", "qwen3", "qwen3_moe"],
    RobertaTokenizer: ["roberta", "roberta-prelayernorm"],
    SqueezeBertTokenizer: ["squeezebert"],
    T5Tokenizer: ["mt5", "switch_transformers", "t5", "umt5"],
    XLMRobertaTokenizer: ["xlm-roberta", "xlm-roberta-xl"],
  }).flatMap(([name, types]) => types.map((type) => [type, name] as const)),
);
