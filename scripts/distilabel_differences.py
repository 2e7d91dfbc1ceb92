#!/usr/bin/env python3
"""Prints the figures of docs/correctness.md: what distilabel's RewardModelScore step and this package make of the same rows.

    pip install distilabel "transformers==4.57.*" torch==2.13.0
    python scripts/distilabel_differences.py

Both get the demo model and its examples, and an encoder with random weights. The step is distilabel's own, on a
transformers that it works with; on transformers 5 the script prints how it fails. This package is the prepared clone.
"""

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
warnings.simplefilter("ignore")
logging.disable(logging.WARNING)  # the step misses its pipeline
import torch
import transformers
from distilabel import __version__ as distilabel_version
from distilabel.steps import RewardModelScore
from transformers import BertConfig, BertForSequenceClassification

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "models" / "demo"


def step_of(model: Path, **options) -> RewardModelScore:
    step = RewardModelScore(model=str(model), **options)
    step.load()
    return step


def returned(step: RewardModelScore, rows: list[dict]) -> list:
    return [row["score"] for row in next(step.process([dict(row) for row in rows]))]


def plain(score) -> float:
    """The step's `[s]`, or its `s`."""
    return score[0] if isinstance(score, list) else score


def alone(step: RewardModelScore, rows: list[dict]) -> list[float]:
    return [plain(*returned(step, [row])) for row in rows]


def together(step: RewardModelScore, rows: list[dict]) -> list[float]:
    return [plain(score) for score in returned(step, rows)]


def masked(step: RewardModelScore, rows: list[dict]) -> list[float]:
    """What the step would return if it handed the attention mask to the model."""
    conversations = [step._prepare_conversation(row) for row in rows]
    encoded = step._tokenizer.apply_chat_template(conversations, return_tensors="pt", padding=True, return_dict=True)
    encoded.pop("token_type_ids", None)
    with torch.inference_mode():
        return step._model(**encoded).logits[:, 0].tolist()


def ours(model: Path, rows: list[dict], *options: str) -> list[dict]:
    command = ["node", ROOT / "dist" / "cli" / "main.js", "score", "-", "--model", model, *options]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    run = subprocess.run(command, input=text, capture_output=True, text=True)
    if run.returncode > 1:
        sys.exit(f"distilabel_differences: {run.stderr}")
    return [json.loads(line) for line in run.stdout.splitlines()]


def scores(rows: list[dict]) -> list[float]:
    return [row["score"] for row in rows]


def largest(found: list[float], expected: list[float]) -> float:
    return max(abs(a - b) for a, b in zip(found, expected, strict=True))


def copy_of_demo(folder: Path, **tokenizer) -> Path:
    """The demo model with another tokenizer_config.json, and without its archive."""
    shutil.copytree(DEMO, folder, ignore=shutil.ignore_patterns("model.pt"))
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **tokenizer}))
    return folder


def encoder(folder: Path) -> Path:
    """A BERT with random weights and the demo model's tokenizer, and its archive, which is what runs here."""
    torch.manual_seed(0)
    config = BertConfig(vocab_size=512, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4)
    config.update({"num_labels": 1, "initializer_range": 0.3, "pad_token_id": 0, "type_vocab_size": 1})
    shutil.copytree(DEMO, folder, ignore=shutil.ignore_patterns("model.*", "config.json"))
    BertForSequenceClassification(config).save_pretrained(folder)
    export = [sys.executable, ROOT / "scripts" / "export_torchscript.py", folder, folder / "archive"]
    subprocess.run(export, check=True, stdout=subprocess.DEVNULL)
    return folder


def compare(name: str, step: RewardModelScore, model: Path, rows: list[dict]) -> None:
    reference = alone(step, rows)
    print(f"{name}: {len(rows)} rows, scores from {min(reference):.1f} to {max(reference):.1f}")
    print(f"  the step, one row at a time, and here: {largest(scores(ours(model, rows)), reference):.1e} apart")
    print(f"  the step, all rows in a batch:         {largest(together(step, rows), reference):.1e} from each row alone")
    print(f"  the same with the attention mask:      {largest(masked(step, rows), reference):.1e} from each row alone")


def main() -> None:
    print(f"distilabel {distilabel_version}, transformers {transformers.__version__}, torch {torch.__version__}")
    rows = [json.loads(line) for line in (DEMO / "examples.jsonl").read_text().splitlines()]
    step = step_of(DEMO)
    try:
        returned(step, rows)
    except Exception as error:
        print(f"The step fails on this transformers: {type(error).__name__}: {error}")
        return

    for count in (1, 2, 3):
        print(f"{count} rows: the step returns {returned(step, rows[:count])}, here {scores(ours(DEMO, rows[:count]))}")
    with tempfile.TemporaryDirectory() as folder:
        compare("padded on the right", step, DEMO, rows)
        left = copy_of_demo(Path(folder) / "left", padding_side="left")
        compare("padded on the left", step_of(left), left, rows)
        bert = encoder(Path(folder) / "bert")
        compare("an encoder, random weights", step_of(bert), bert / "archive", rows)

        length = 16
        for side in ("right", "left"):
            cut = copy_of_demo(Path(folder) / f"cut-{side}", truncation_side=side)
            found = ours(cut, rows, "--truncation", "--max-length", str(length))
            apart = largest(scores(found), alone(step_of(cut, truncation=True, max_length=length), rows))
            moved = largest(scores(found), scores(ours(cut, rows)))
            print(f"cut to {length} tokens on the {side}: the step, one row at a time, and here {apart:.1e} apart; moved by {moved:.1f}")

    bad = [*rows[:2], {"instruction": "How much is 2+2?"}]
    try:
        print("a row without response: the step returns", returned(step, bad))
    except Exception as error:
        print(f"a row without response: the step raises {type(error).__name__}: {error}; here {scores(ours(DEMO, bad))}")


if __name__ == "__main__":
    main()
