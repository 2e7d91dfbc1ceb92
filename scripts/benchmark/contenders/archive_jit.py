"""Contender: the archive run by Python's torch.jit; one JSON line of figures on stdout.

Rows sorted by length, batches padded on the right: the same work as ours, so that only the runner differs.
"""

import argparse
import json
import resource
import time

import torch


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive")
    parser.add_argument("rows", help="JSON list of lists of token ids")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--freeze", action="store_true", help="torch.jit.freeze it, as a careful caller would")
    args = parser.parse_args()

    rows = sorted(json.load(open(args.rows)), key=len)
    model = torch.jit.load(args.archive).eval()
    if args.freeze:
        model = torch.jit.freeze(model)
    scores = []
    with torch.inference_mode():
        for length in (9, 17, 33):  # the profiling executor specialises in its first runs
            model(torch.ones(2, length).long(), torch.ones(2, length).long())
        start = time.perf_counter()
        for at in range(0, len(rows), args.batch):
            batch = rows[at : at + args.batch]
            longest = max(map(len, batch))
            ids = torch.tensor([row + [0] * (longest - len(row)) for row in batch])
            mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in batch])
            scores += model(ids, mask)[:, 0].float().tolist()
        seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "threads": torch.get_num_threads(),
                      "peakRss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                      "versions": {"torch": torch.__version__}, "scores": scores}))


if __name__ == "__main__":
    main()
