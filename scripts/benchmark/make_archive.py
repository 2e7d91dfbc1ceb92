"""Traces a checkpoint as scripts/export_torchscript.py does, for benchmarks.

    python scripts/benchmark/make_checkpoint.py qwen3-0.6b /tmp/qwen3
    python scripts/benchmark/make_archive.py /tmp/qwen3 /tmp/qwen3/model.pt
"""

import torch
from checkpoint_trace import checkpoint_from_arguments
from export_torchscript import save_without_sources

if __name__ == "__main__":
    with checkpoint_from_arguments(__doc__) as (scores, batch, out):
        save_without_sources(torch.jit.trace(scores, batch, check_trace=False), out)
