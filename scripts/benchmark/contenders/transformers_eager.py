"""Contender: transformers on the same checkpoint and rows, one JSON line of figures on stdout.

--padding as distilabel's step calls it: batches of rows as they come, padded to the longest. --batch 1 with sorted
rows is transformers at its best on a CPU.
"""

import argparse
import json
import resource
import time

import torch
from transformers import AutoModelForSequenceClassification


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("checkpoint")
    parser.add_argument("rows", help="JSON list of lists of token ids")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--sort", action="store_true")
    args = parser.parse_args()

    rows = json.load(open(args.rows))
    if args.sort:
        rows.sort(key=len)
    model = AutoModelForSequenceClassification.from_pretrained(args.checkpoint, dtype=args.dtype).eval()
    pad = model.config.pad_token_id
    scores = []
    with torch.inference_mode():
        model(torch.tensor([rows[0][:32]]))
        start = time.perf_counter()
        for at in range(0, len(rows), args.batch):
            batch = rows[at : at + args.batch]
            longest = max(map(len, batch))
            ids = torch.tensor([row + [pad] * (longest - len(row)) for row in batch])
            mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in batch])
            scores += model(ids, attention_mask=mask).logits[:, 0].float().tolist()
        seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "tokens": sum(map(len, rows)), "threads": torch.get_num_threads(),
                      "peakRss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                      "versions": {"torch": torch.__version__, "transformers": __import__("transformers").__version__},
                      "scores": scores if not args.sort else None}))


if __name__ == "__main__":
    main()
