"""Turns a Qwen3 checkpoint of make_checkpoint.py into a GGUF file for llama.cpp; needs the package gguf.

    python scripts/benchmark/make_gguf.py /tmp/qwen3 /tmp/qwen3/model.gguf

The vocabulary is made up: the benchmark hands over token ids.
"""

import argparse
import json
from pathlib import Path

import gguf
import torch
from safetensors import safe_open

LAYER = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}
OUTSIDE = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}


def gguf_name(name):
    if name in OUTSIDE:
        return OUTSIDE[name]
    if not name.startswith("model.layers."):
        return None  # the head: its product with one token counts for nothing
    index, module = name.removeprefix("model.layers.").removesuffix(".weight").split(".", 1)
    return f"blk.{index}.{LAYER[module]}.weight"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()

    config = json.loads((args.checkpoint / "config.json").read_text())
    writer = gguf.GGUFWriter(args.out, "qwen3")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_pooling_type(gguf.PoolingType.LAST)

    size = config["vocab_size"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([f"t{i}" for i in range(size)])
    writer.add_token_types([gguf.TokenType.NORMAL] * size)
    writer.add_token_merges(["t 0"])
    writer.add_eos_token_id(0)
    writer.add_add_bos_token(False)

    with safe_open(args.checkpoint / "model.safetensors", framework="pt") as tensors:
        for name in tensors.keys():
            target = gguf_name(name)
            if target is None:
                continue
            tensor = tensors.get_tensor(name)
            if tensor.dim() == 1:
                writer.add_tensor(target, tensor.float().numpy())
            elif tensor.dtype == torch.bfloat16:
                data = tensor.view(torch.uint8).numpy()
                writer.add_tensor(target, data, raw_dtype=gguf.GGMLQuantizationType.BF16)
            else:
                writer.add_tensor(target, tensor.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
