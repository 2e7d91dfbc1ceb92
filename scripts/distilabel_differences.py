#!/usr/bin/env python3
"""Prints the figures of docs/correctness.md: what distilabel's RewardModelScore step makes of the demo model's examples.

The step is written down here as a few calls of transformers, the way it makes them: templates applied to the whole
batch with padding, and only the ids handed to the model.
"""

import json
import os
from pathlib import Path

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertForSequenceClassification

DEMO = Path(__file__).resolve().parents[1] / "models" / "demo"


def conversation(row: dict) -> list[dict]:
    pair = [{"role": "user", "content": row.get("instruction")}, {"role": "assistant", "content": row.get("response")}]
    return row.get("conversation") or pair


@torch.inference_mode()
def distilabel(model, tokenizer, conversations: list):
    ids = tokenizer.apply_chat_template(conversations, return_tensors="pt", padding=True, return_dict=False)
    logits = model(ids).logits
    if logits.shape == (2, 1):
        logits = logits.squeeze(-1)
    return logits.tolist()


@torch.inference_mode()
def with_mask(model, tokenizer, conversations: list) -> list[float]:
    encoded = tokenizer.apply_chat_template(conversations, return_tensors="pt", padding=True, return_dict=True)
    return model(**encoded).logits[:, 0].tolist()


def largest(found, expected) -> float:
    return max(abs(a - b) for a, b in zip(found, expected, strict=True))


def main() -> None:
    rows = [conversation(json.loads(line)) for line in (DEMO / "examples.jsonl").read_text().splitlines()]
    tokenizer = AutoTokenizer.from_pretrained(DEMO)
    model = AutoModelForSequenceClassification.from_pretrained(DEMO, attn_implementation="eager").eval()
    alone = [distilabel(model, tokenizer, [row])[0][0] for row in rows]

    try:
        model(tokenizer.apply_chat_template(rows, return_tensors="pt", padding=True))
        print("as written, on this transformers: runs")
    except TypeError as error:
        print("as written, on this transformers:", error)
    for count in (1, 2, 3):
        print(f"returned for {count} rows:", distilabel(model, tokenizer, rows[:count]))
    for side in ("right", "left"):
        tokenizer.padding_side = side
        unmasked = [score for (score,) in distilabel(model, tokenizer, rows)]
        print(f"padded on the {side}: without mask {largest(unmasked, alone):.1e} away from each row alone,", end=" ")
        print(f"with mask {largest(with_mask(model, tokenizer, rows), alone):.1e}")

    torch.manual_seed(0)
    config = BertConfig(vocab_size=512, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4)
    config.update({"num_labels": 1, "initializer_range": 0.3})
    encoder = BertForSequenceClassification(config).eval()
    tokenizer.padding_side = "right"
    alone = [distilabel(encoder, tokenizer, [row])[0][0] for row in rows]
    unmasked = [score for (score,) in distilabel(encoder, tokenizer, rows)]
    print(f"an encoder (random weights), padded on the right: without mask {largest(unmasked, alone):.1e},", end=" ")
    print(f"with mask {largest(with_mask(encoder, tokenizer, rows), alone):.1e}")


if __name__ == "__main__":
    main()
