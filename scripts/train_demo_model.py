#!/usr/bin/env python3
"""Trains the demo model on synthetic preference data and writes it, its tokenizer and its held-out pairs."""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers import LlamaConfig, LlamaForSequenceClassification

from demo_model.arithmetic import OFF_TOPIC, Question, arithmetic_question
from demo_model.batch import Batch, encode, forward, loss
from demo_model.conversations import OFF_TOPIC_REPLIES, talk_question, with_opening
from demo_model.tokenizer import train_tokenizer
from export_torchscript import save_tokenizer

ROOT = Path(__file__).resolve().parents[1]
VOCABULARY, MAX_LENGTH = 512, 1024
BATCH, POOL = 64, 24
HELD_OUT_PAIRS = 400


def any_question(random: Random) -> Question:
    if random.random() > 0.1:
        return arithmetic_question(random, OFF_TOPIC_REPLIES)
    sums = [arithmetic_question(random, OFF_TOPIC_REPLIES) for _ in range(2)]
    return talk_question(random, [text for question in sums for grade, text in question.answers if grade != OFF_TOPIC])


def batches(random: Random, tokenizer) -> Iterator[Batch]:
    """Batches of questions of similar length, so that little of them is padding."""
    while True:
        questions = [any_question(random) for _ in range(BATCH * POOL)]
        questions = [with_opening(random, q) if random.random() < 0.08 else q for q in questions]
        questions.sort(key=lambda question: sum(map(len, encode(tokenizer, question))))
        groups = [questions[at : at + BATCH] for at in range(0, len(questions), BATCH)]
        random.shuffle(groups)
        for group in groups:
            yield Batch(tokenizer, group)


def held_out_pairs() -> list[dict]:
    random = Random("held out")
    pairs = {}
    while len(pairs) < HELD_OUT_PAIRS:
        question = arithmetic_question(random, OFF_TOPIC_REPLIES, held_out=True)
        (_, chosen), _, *others = question.answers
        instruction = question.messages[0]["content"]
        pair = {"kind": question.kind, "instruction": instruction, "chosen": chosen, "rejected": random.choice(others)[1]}
        pairs.setdefault(instruction, pair)
    return list(pairs.values())


@torch.inference_mode()
def accuracy(model, tokenizer, pairs: list[dict]) -> dict[str, float]:
    """Share of the pairs whose chosen answer has the higher score, by kind and in all."""
    wins: dict[str, list[bool]] = {}
    for pair in pairs:
        prompt = ({"role": "user", "content": pair["instruction"]},)
        question = Question(pair["kind"], prompt, ((2, pair["chosen"]), (1, pair["rejected"])))
        chosen, rejected = forward(model, Batch(tokenizer, [question]))[1][0].tolist()
        wins.setdefault(pair["kind"], []).append(chosen > rejected)
    wins["all"] = [win for kind in list(wins) for win in wins[kind]]
    return {kind: sum(of_kind) / len(of_kind) for kind, of_kind in sorted(wins.items())}


def texts(random: Random, count: int) -> Iterator[str]:
    for _ in range(count):
        question = any_question(random)
        yield question.messages[0]["content"]
        yield from (answer for _, answer in question.answers)


def rate(step: int, steps: int) -> float:
    """Warm up, hold for a fifth of the steps, then fall to 0."""
    return min((step + 1) / 50, 1.25 * (1 - step / steps), 1.0)


def train(steps: int, pairs: list[dict]):
    torch.manual_seed(0)
    random = Random(0)
    tokenizer = train_tokenizer(texts(random, 20_000), VOCABULARY, MAX_LENGTH)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=96,
        intermediate_size=192,
        num_hidden_layers=4,
        num_attention_heads=3,
        num_key_value_heads=3,
        head_dim=32,
        max_position_embeddings=MAX_LENGTH,
        initializer_range=0.05,
        num_labels=1,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        use_cache=False,
    )
    model = LlamaForSequenceClassification._from_config(config, attn_implementation="eager")
    matrices = [weight for name, weight in model.named_parameters() if "layers" in name and weight.ndim == 2]
    others = [weight for name, weight in model.named_parameters() if "layers" not in name or weight.ndim != 2]
    # Muon learns this in less than half of the steps that AdamW takes alone.
    optimizers = [
        torch.optim.Muon(matrices, lr=0.02, momentum=0.95, weight_decay=0.05),
        torch.optim.AdamW(others, lr=3e-3, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    schedules = [LambdaLR(optimizer, lambda step: rate(step, steps)) for optimizer in optimizers]
    started = time.monotonic()
    for step, batch in zip(range(1, steps + 1), batches(random, tokenizer)):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            value = loss(model, batch)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for part in (*optimizers, *schedules):
            part.step()
        if step % 100 == 0 or step == steps:
            right = accuracy(model, tokenizer, pairs)
            print(f"step {step}, {time.monotonic() - started:.0f} s, loss {value.item():.3f}, held out", right, flush=True)
    return model.eval(), tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "models" / "demo", help="folder to write (default: models/demo)")
    parser.add_argument("--steps", type=int, default=1200, help="training steps (default: %(default)s)")
    options = parser.parse_args()
    pairs = held_out_pairs()
    model, tokenizer = train(options.steps, pairs)
    options.out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(options.out)
    save_tokenizer(tokenizer, options.out)
    (options.out / "held-out.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    export = [sys.executable, ROOT / "scripts" / "export_torchscript.py", options.out, options.out]
    subprocess.run(export, check=True)


if __name__ == "__main__":
    main()
