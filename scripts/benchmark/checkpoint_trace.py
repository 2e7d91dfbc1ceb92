"""What make_archive.py and make_onnx.py begin with: a checkpoint as a module with the signature of an archive."""

import argparse
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification

sys.path.insert(0, str(Path(__file__).parents[1]))
from export_torchscript import Scores, example_batch


@contextmanager
def checkpoint_from_arguments(description):
    """Reads `checkpoint out` from the command line and gives the scores' module, an example batch and `out`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("checkpoint")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()

    model = AutoModelForSequenceClassification.from_pretrained(
        args.checkpoint, dtype="auto", attn_implementation="eager"
    ).eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield Scores(model, None), example_batch(model, [11, 8], model.config.pad_token_id, 99), args.out
