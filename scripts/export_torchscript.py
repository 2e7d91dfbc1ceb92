#!/usr/bin/env python3
"""Exports a sequence classifier of transformers as a TorchScript archive that reward-model-score runs.

The folder that it writes loads as `model`: model.pt, config.json and the tokenizer's files. The archive's forward takes
input_ids and attention_mask, both int64 [batch, tokens], padded on the right, and returns the raw scores
[batch, labels] (or [batch]).
"""

import argparse
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import torch

TOLERANCE = 1e-5
TOKENIZER_FILES = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "spm.model",
]


class ExportError(Exception):
    """Something that the user of this script can put right; printed without a traceback."""


class Scores(torch.nn.Module):
    """What is traced: ids and mask in, scores out.

    A tokenizer that marks the two texts of a pair with token types does so by position of the separator, so the types
    are worked out from the ids: 1 after the first separator. Padding gets 1 as well, but is masked.
    """

    def __init__(self, model: torch.nn.Module, separator: int | None):
        super().__init__()
        self.model = model
        self.separator = separator

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        if self.separator is not None:
            is_separator = (input_ids == self.separator).long()
            inputs["token_type_ids"] = (is_separator.cumsum(1) - is_separator).clamp(max=1)
        output = self.model(**inputs)
        logits = getattr(output, "logits", None)
        return output[0] if logits is None else logits


def pair_separator(model, tokenizer) -> int | None:
    """The separator after which token types are 1, or None where the model is given none."""
    if "token_type_ids" not in tokenizer.model_input_names or getattr(model.config, "type_vocab_size", 0) < 2:
        return None
    encoded = tokenizer("a", "b")
    types, ids = encoded["token_type_ids"], encoded["input_ids"]
    if not any(types):
        return None
    first = types.index(1)
    if ids[first - 1] != tokenizer.sep_token_id or types != [0] * first + [1] * (len(types) - first):
        raise ExportError(f"This tokenizer numbers a pair's tokens as {types}; only 'text sep text sep' is known.")
    return tokenizer.sep_token_id


def example_batch(model, lengths: list[int], pad: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random rows of these lengths, padded on the right as the archive will see them."""
    generator = torch.Generator().manual_seed(seed)
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    ids = torch.randint(model.config.get_text_config().vocab_size, mask.shape, generator=generator)
    # The pad id pools at the wrong place when it occurs inside a row, and no text has it there.
    ids[ids == pad] = 0 if pad else 1
    return ids.masked_fill(mask == 0, pad), mask


def save_without_sources(traced, path: Path) -> None:
    """Saves a trace without its debug records: they are large and hold the paths of the machine that traced."""
    complete = path.with_suffix(".complete")
    torch.jit.save(traced, complete)
    reader = torch._C.PyTorchFileReader(str(complete))
    writer = torch._C.PyTorchFileWriter(str(path))
    # Operators mean what they meant in this version of the format.
    version = ".data/version" if reader.has_record(".data/version") else "version"
    writer.set_min_version(int(reader.get_record(version)))
    for name in reader.get_all_records():
        written_by_writer = name in ("version", "byteorder") or name.startswith(".data/")
        if not written_by_writer and not name.endswith(".debug_pkl"):
            record = reader.get_record(name)
            writer.write_record(name, record, len(record))
    writer.write_end_of_file()
    complete.unlink()


@torch.inference_mode()
def check_trace(traced, reference, batches) -> float:
    """Largest absolute difference; raises when one is more than TOLERANCE of the score."""
    worst = 0.0
    for ids, mask in batches:
        shape = "x".join(map(str, ids.shape))
        try:
            found = traced(ids, mask).float()
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ExportError(f"The trace fails on a batch of another shape, {shape}: {reason}") from error
        expected = reference(ids, mask).float()
        if found.shape != expected.shape:
            raise ExportError(f"The trace returns {list(found.shape)} for a batch of {shape}, not {list(expected.shape)}.")
        difference = (found - expected).abs()
        relative = (difference / expected.abs().clamp(min=1e-3)).max().item()
        if not relative <= TOLERANCE:
            raise ExportError(
                f"The trace differs from the model by {relative:.1e} (relative) on a batch of {shape}, more than {TOLERANCE}: "
                "its forward takes a path that depends on the input, which a trace cannot hold."
            )
        worst = max(worst, difference.max().item())
    return worst


def refuse_moving_rotary(config) -> None:
    """A trace holds the angles of the length it was traced with, and no short check would notice."""
    kind = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    if kind in ("dynamic", "longrope"):
        raise ExportError(
            f"The model's rotary scaling, {kind}, changes with the length of a row, which a trace cannot hold. "
            "reward-model-score runs such checkpoints without an archive where it has their architecture built in."
        )


def write_archive(model, tokenizer, path: Path, max_check_length: int = 128) -> float:
    """Traces the model, saves the trace, reads it back and checks it. Returns the largest absolute difference."""
    refuse_moving_rotary(model.config.get_text_config())
    pad = model.config.get_text_config().pad_token_id
    limit = min(max_check_length, getattr(model.config.get_text_config(), "max_position_embeddings", max_check_length))
    reference = Scores(model.eval().requires_grad_(False), pair_separator(model, tokenizer)).eval()
    shapes = [[limit], [limit // 2, limit // 3, limit // 2 + 1], [1, 2, 3], [7] * 5, [limit, 5]]
    batches = [example_batch(model, [max(1, n) for n in lengths], pad, seed) for seed, lengths in enumerate(shapes)]
    with torch.inference_mode(), warnings.catch_warnings():
        # The tracer warns about every Python condition; check_trace says whether one of them matters.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(reference, example_batch(model, [11, 8], pad, 99), check_trace=False)
        save_without_sources(traced, path)
        return check_trace(torch.jit.load(path), reference, batches)


def load(name: str, revision: str, dtype: str, trust_remote_code: bool, pad_token: str | None):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    if not Path(name).is_dir() and (Path(name).exists() or name.startswith((".", "/")) or name.count("/") > 1):
        raise ExportError(f"{name} is neither a directory nor the name of a Hub repository (owner/name).")
    common = {"revision": revision, "trust_remote_code": trust_remote_code}
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, **common)
        model, info = AutoModelForSequenceClassification.from_pretrained(
            name, dtype=dtype, attn_implementation="eager", output_loading_info=True, **common
        )
    except (OSError, ValueError, ImportError) as error:
        raise ExportError(f"Cannot load {name}: {error}") from error
    if info["missing_keys"]:
        missing = ", ".join(sorted(info["missing_keys"]))
        raise ExportError(f"{name} is no trained classifier: its checkpoint has no {missing}.")
    if pad_token is not None:
        tokenizer.pad_token = pad_token
    config = model.config.get_text_config()
    if pad_token is not None or config.pad_token_id is None:
        config.pad_token_id = tokenizer.pad_token_id
    if config.pad_token_id is None:
        raise ExportError(f"{name} has no padding token. Name one that no text contains with --pad-token.")
    config.use_cache = False
    return model, tokenizer


def copy_tokenizer(name: str, revision: str, tokenizer, target: Path, changed: bool) -> None:
    """The tokenizer's files as they are; where they changed or have no tokenizer.json, as transformers saves them."""
    folder = Path(name)
    if not folder.is_dir():
        from huggingface_hub import snapshot_download

        folder = Path(snapshot_download(name, revision=revision, allow_patterns=TOKENIZER_FILES))
    if changed or not (folder / "tokenizer.json").exists():
        tokenizer.save_pretrained(target)
        return
    for file in TOKENIZER_FILES:
        if (folder / file).exists():
            shutil.copyfile(folder / file, target / file)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="Hub repository or directory of an AutoModelForSequenceClassification")
    parser.add_argument("out_dir", type=Path, help="folder to write; files of the same names are replaced")
    parser.add_argument("--revision", default="main", help="branch, tag or commit (default: main)")
    dtypes = ["auto", "float32", "bfloat16", "float16"]
    parser.add_argument("--dtype", default="auto", choices=dtypes, help="of the archive's weights (default: the checkpoint's own)")
    parser.add_argument("--trust-remote-code", action="store_true", help="run the modelling code that the repository brings")
    parser.add_argument("--pad-token", help="padding token, for a model that has none")
    parser.add_argument("--max-check-length", type=int, default=128, metavar="N", help="longest row the trace is checked on (default: 128)")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    model, tokenizer = load(
        options.model, options.revision, options.dtype, options.trust_remote_code, options.pad_token
    )
    options.out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=options.out_dir) as folder:
        target = Path(folder)
        difference = write_archive(model, tokenizer, target / "model.pt", options.max_check_length)
        copy_tokenizer(options.model, options.revision, tokenizer, target, options.pad_token is not None)
        model.config.save_pretrained(target)
        # The archive comes last: a folder that has one is complete.
        for file in sorted(target.iterdir(), key=lambda file: file.name == "model.pt"):
            os.replace(file, options.out_dir / file.name)
    size = (options.out_dir / "model.pt").stat().st_size / 1e6
    print(f"Wrote {options.out_dir / 'model.pt'} ({size:.1f} MB); largest difference from the model: {difference:.1e}.")


if __name__ == "__main__":
    try:
        main()
    except ExportError as error:
        sys.exit(f"export_torchscript: {error}")
