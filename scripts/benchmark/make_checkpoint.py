"""Writes a sequence classifier with random weights, for benchmarks: config.json and model.safetensors.

    python scripts/benchmark/make_checkpoint.py qwen3-0.6b /tmp/qwen3 --dtype bfloat16
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForSequenceClassification

SHAPES = {
    "qwen3-0.6b": dict(model_type="qwen3", hidden_size=1024, intermediate_size=3072, num_hidden_layers=28,
                       num_attention_heads=16, num_key_value_heads=8, head_dim=128, vocab_size=151936,
                       max_position_embeddings=40960, num_labels=1, pad_token_id=0,
                       rope_parameters={"rope_type": "default", "rope_theta": 1e6}),
    # Not for figures: to try the scripts quickly.
    "qwen3-tiny": dict(model_type="qwen3", hidden_size=256, intermediate_size=512, num_hidden_layers=2,
                       num_attention_heads=4, num_key_value_heads=2, head_dim=64, vocab_size=1024,
                       max_position_embeddings=40960, num_labels=1, pad_token_id=0,
                       rope_parameters={"rope_type": "default", "rope_theta": 1e6}),
    "bert-base": dict(model_type="bert", num_labels=1, pad_token_id=0),
    "modernbert-base": dict(model_type="modernbert", num_labels=1, pad_token_id=0),
    "deberta-v3-base": dict(model_type="deberta-v2", hidden_size=768, intermediate_size=3072, num_hidden_layers=12,
                            num_attention_heads=12, relative_attention=True, position_buckets=256,
                            norm_rel_ebd="layer_norm", share_att_key=True, pos_att_type=["p2c", "c2p"],
                            position_biased_input=False, type_vocab_size=0, max_position_embeddings=512,
                            num_labels=1, pad_token_id=0),
}
# 1.9 GB in float32, nearly all of it in the layers.
SHAPES["qwen3-0.6b-32k"] = SHAPES["qwen3-0.6b"] | dict(vocab_size=32768)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("out", type=Path)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    args = parser.parse_args()

    torch.manual_seed(0)
    settings = dict(SHAPES[args.shape])
    config = AutoConfig.for_model(settings.pop("model_type"), **settings)
    dtype = getattr(torch, args.dtype)
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config, dtype=dtype)
    tensors = {}
    for name, meta in model.state_dict().items():
        if name.endswith("norm.weight") or "LayerNorm.weight" in name:
            tensors[name] = torch.ones(meta.shape, dtype=dtype)
        elif meta.is_floating_point():
            tensors[name] = (torch.randn(meta.shape) * 0.02).to(dtype)
        else:
            tensors[name] = torch.zeros(meta.shape, dtype=meta.dtype)
    args.out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, args.out / "model.safetensors", metadata={"format": "pt"})
    text = json.loads(config.to_json_string(use_diff=False))
    text["architectures"] = [type(model).__name__]
    text["dtype"] = args.dtype
    (args.out / "config.json").write_text(json.dumps(text, indent=2) + "\n")


if __name__ == "__main__":
    main()
