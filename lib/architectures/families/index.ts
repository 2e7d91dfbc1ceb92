import type { Family } from "../family.js";
import { albert, bert, distilbert, electra, roberta } from "./bert.js";
import { deberta } from "./deberta.js";
import { falcon } from "./falcon.js";
import { gemma, gemma2, gemma3 } from "./gemma.js";
import { glm, glm4 } from "./glm.js";
import { gptNeoX } from "./gpt-neox.js";
import { gpt2 } from "./gpt2.js";
import { gptJ } from "./gptj.js";
import { internlm2 } from "./internlm2.js";
import { llama, ministral, mistral, qwen2, qwen3 } from "./llama.js";
import { mixtral } from "./mixtral.js";
import { modernbert } from "./modernbert.js";
import { mpnet } from "./mpnet.js";
import { nemotron } from "./nemotron.js";
import { olmo } from "./olmo.js";
import { exaone4, olmo2, olmo3 } from "./olmo2.js";
import { opt } from "./opt.js";
import { phi } from "./phi.js";
import { phi3 } from "./phi3.js";
import { qwen2Moe, qwen3Moe } from "./qwen-moe.js";
import { smolLm3 } from "./smollm3.js";
import { stableLm } from "./stablelm.js";

export const families: readonly Family[] = [
  llama,
  mistral,
  ministral,
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
  olmo3,
  exaone4,
  gpt2,
  gptNeoX,
  opt,
  gptJ,
  phi,
  stableLm,
  olmo,
  nemotron,
  falcon,
  smolLm3,
  glm,
  glm4,
  bert,
  roberta,
  electra,
  distilbert,
  albert,
  modernbert,
  deberta,
  mpnet,
];
