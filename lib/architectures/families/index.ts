import type { Family } from "../family.js";
import { albert, bert, distilbert, electra, roberta } from "./bert.js";
import { deberta } from "./deberta.js";
import { gemma, gemma2, gemma3 } from "./gemma.js";
import { gptNeoX } from "./gpt-neox.js";
import { gpt2 } from "./gpt2.js";
import { internlm2 } from "./internlm2.js";
import { llama, mistral, qwen2, qwen3 } from "./llama.js";
import { mixtral } from "./mixtral.js";
import { modernbert } from "./modernbert.js";
import { mpnet } from "./mpnet.js";
import { olmo2 } from "./olmo2.js";
import { opt } from "./opt.js";
import { phi3 } from "./phi3.js";
import { qwen2Moe, qwen3Moe } from "./qwen-moe.js";

export const families: readonly Family[] = [
  llama,
  mistral,
  qwen2,
  qwen3,
  gemma,
  gemma2,
  gemma3,
  phi3,
  mixtral,
  qwen2Moe,
  qwen3Moe,
  internlm2,
  olmo2,
  gpt2,
  gptNeoX,
  opt,
  bert,
  roberta,
  electra,
  distilbert,
  albert,
  modernbert,
  deberta,
  mpnet,
];
