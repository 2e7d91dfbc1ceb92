"""The machine's own matrix-product rate: oneDNN's packed linear on large shapes, in GFLOP/s; one JSON line on stdout.

Without bf16 instructions bfloat16 products are emulated, slower than float32: then float32's rate is the ceiling of both.
"""

import argparse
import json
import time

import torch


def rate(dtype, rows=2048, inner=2048, columns=4096, repeats=6):
    x = torch.randn(rows, inner, dtype=dtype)
    weight = torch.ops.mkldnn._reorder_linear_weight(torch.randn(columns, inner, dtype=dtype), rows)
    run = lambda: torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")
    run()
    best = 0.0
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        best = max(best, 2 * rows * inner * columns / (time.perf_counter() - start) / 1e9)
    return best


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("dtype", choices=["float32", "bfloat16"])
    with torch.inference_mode():
        dtypes = {torch.float32, getattr(torch, parser.parse_args().dtype)}
        print(json.dumps({"gflops": max(map(rate, dtypes)), "threads": torch.get_num_threads()}))
