"""Traces a checkpoint as scripts/export_torchscript.py does, for benchmarks.

    python scripts/benchmark/make_checkpoint.py qwen3-0.6b /tmp/qwen3
    python scripts/benchmark/make_archive.py /tmp/qwen3 /tmp/qwen3/model.pt
"""

import argparse
import sys
import warnings
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification

sys.path.insert(0, str(Path(__file__).parents[1]))
from export_torchscript import Scores, example_batch, save_without_sources


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("archive", type=Path)
    args = parser.parse_args()

    model = AutoModelForSequenceClassification.from_pretrained(
        args.checkpoint, dtype="auto", attn_implementation="eager"
    ).eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batch = example_batch(model, [11, 8], model.config.pad_token_id, 99)
        save_without_sources(torch.jit.trace(Scores(model, None), batch, check_trace=False), args.archive)


if __name__ == "__main__":
    main()
