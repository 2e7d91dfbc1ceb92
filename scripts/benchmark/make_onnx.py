"""Exports a float32 checkpoint to ONNX for onnxruntime; needs the packages onnx and onnxscript.

    python scripts/benchmark/make_onnx.py /tmp/qwen3 /tmp/qwen3/model.onnx
"""

import torch
from checkpoint_trace import checkpoint_from_arguments

if __name__ == "__main__":
    sizes = {0: "batch", 1: "length"}
    with checkpoint_from_arguments(__doc__) as (scores, batch, out):
        torch.onnx.export(scores, batch, str(out), dynamo=False, opset_version=17,
                          input_names=["input_ids", "attention_mask"], output_names=["scores"],
                          dynamic_axes={"input_ids": sizes, "attention_mask": sizes, "scores": {0: "batch"}})
