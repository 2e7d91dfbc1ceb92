"""Exports a float32 checkpoint to ONNX for onnxruntime; needs the packages onnx and onnxscript.

    python scripts/benchmark/make_onnx.py /tmp/qwen3 /tmp/qwen3/model.onnx
"""

import argparse
import sys
import warnings
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification

sys.path.insert(0, str(Path(__file__).parents[1]))
from export_torchscript import Scores, example_batch


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()

    model = AutoModelForSequenceClassification.from_pretrained(
        args.checkpoint, dtype="auto", attn_implementation="eager"
    ).eval()
    sizes = {0: "batch", 1: "length"}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batch = example_batch(model, [11, 8], model.config.pad_token_id, 99)
        torch.onnx.export(Scores(model, None), batch, str(args.out), dynamo=False, opset_version=17,
                          input_names=["input_ids", "attention_mask"], output_names=["scores"],
                          dynamic_axes={"input_ids": sizes, "attention_mask": sizes, "scores": {0: "batch"}})


if __name__ == "__main__":
    main()
