"""python load_transformers.py CHECKPOINT: prints seconds, and MiB of resident memory before the load and at its peak."""

import json
import resource
import sys
import time
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification


def resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


before = resident()
start = time.perf_counter()
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1], dtype=torch.float32)
# The parameters are mapped lazily: only a touched page has been loaded.
for parameter in model.parameters():
    parameter.data.flatten()[::1024].sum().item()
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "before": before, "peak": peak}))
