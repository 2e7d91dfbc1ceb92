#!/usr/bin/env python3
"""Exports a sequence classifier of transformers as a TorchScript archive that reward-model-score runs.

The folder that it writes loads as `model`: model.pt, config.json and the tokenizer's files. The archive's forward takes
input_ids and attention_mask, both int64 [batch, tokens], padded on the right, and returns the raw scores
[batch, labels] (or [batch]).
"""

import argparse
import copy
import json
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import torch

# The trace is made of a batch of this shape; others of it tell values that matter from shapes that matter.
TRACED_LENGTHS = [11, 8]
# A difference in float64 that is more than this share of the largest score is no rounding.
SAME_PATH = 1e-7
# Roundings that add up between two ways of computing the same.
ROUNDINGS = 64
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


def example_batch(
    model, lengths: list[int], pad: int, seed: int, start: list[int] | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Random rows of these lengths that begin with `start`, padded on the right as the archive will see them."""
    generator = torch.Generator().manual_seed(seed)
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    ids = torch.randint(model.config.get_text_config().vocab_size, mask.shape, generator=generator)
    start = (start or [])[: min(lengths)]
    ids[:, : len(start)] = torch.tensor(start, dtype=torch.long)
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


def own_memory(module: torch.nn.Module) -> None:
    """Gives the tensors memory of their own.

    Those that are mapped from a checkpoint's file lie at any address, and products of matrices round by where their
    operands lie. Aligned as the archive's are, they give the same bits.
    """
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.data = tensor.data.clone()


def trace(module: torch.nn.Module, example) -> tuple[torch.jit.ScriptModule, list[str]]:
    """The trace, and the places in the source at which the tracer saw Python look at a tensor."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", torch.jit.TracerWarning)
        try:
            traced = torch.jit.trace(module, example, check_trace=False)
        except Exception as error:  # whatever the model's own code throws
            raise ExportError(f"The model cannot be traced: {last_line(error)}") from error
    looks = [warning for warning in caught if "Python" in str(warning.message)]
    return traced, list(dict.fromkeys(f"{Path(look.filename).name}:{look.lineno}" for look in looks))


def last_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[-1]


def shape_of(batch) -> str:
    return "x".join(map(str, batch[0].shape))


def scores_of(module, batches, what: str) -> list[torch.Tensor]:
    """The scores of every batch, in float64, computed operation by operation as recorded: an optimiser rounds otherwise."""
    scores = []
    with torch.jit.optimized_execution(False):
        for batch in batches:
            try:
                scores.append(module(*batch).double())
            except Exception as error:  # whatever the model's own code throws
                raise ExportError(f"{what} fails on a batch of {shape_of(batch)}: {last_line(error)}") from error
    return scores


def largest(scores: list[torch.Tensor]) -> float:
    return max(batch.abs().max().item() for batch in scores)


def differences(found: list[torch.Tensor], expected: list[torch.Tensor]) -> list[torch.Tensor]:
    return [a - b for a, b in zip(found, expected, strict=True)]


def in_float64(reference, example, batches) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """What the model and a trace of it score where rounding is a billion times smaller, and a wrong path is not."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        double = copy.deepcopy(reference).double()
        traced, _ = trace(double, example)
        return scores_of(double, batches, "The model"), scores_of(traced, batches, "The trace")
    except ExportError as error:
        raise ExportError(
            f"The archive's scores are not the model's to the bit, and float64 cannot tell whether that is rounding: {error}"
        ) from error
    finally:
        torch.set_default_dtype(default)


@torch.inference_mode()
def check_archive(archive, reference, example, batches, looks: list[str]) -> float:
    """Largest absolute difference between the scores of archive and model, which rounding alone may cause.

    The same operations on the same weights give the same bits. Where they do not, float64 tells the two possible causes
    apart: there the difference vanishes if it was rounding, and stays if the trace computes something else.
    """
    expected = scores_of(reference, batches, "The model")
    for batch, scores, again in zip(batches, expected, scores_of(reference, batches, "The model"), strict=True):
        if not scores.isfinite().all():
            raise ExportError(f"The model's scores of a batch of {shape_of(batch)} are not finite.")
        if not torch.equal(scores, again):
            raise ExportError("The model gives the same batch another score each time, which no trace can.")
    found = scores_of(archive, batches, "The trace")
    for batch, scores, of_model in zip(batches, found, expected, strict=True):
        if scores.shape != of_model.shape:
            raise ExportError(
                f"The trace returns {list(scores.shape)} for a batch of {shape_of(batch)}, not {list(of_model.shape)}."
            )
    difference = largest(differences(found, expected))
    if difference == 0:
        return 0.0

    exact, traced = in_float64(reference, example, batches)
    wrong = [
        batch
        for batch, off in zip(batches, differences(traced, exact), strict=True)
        if not largest([off]) <= SAME_PATH * largest(exact)
    ]
    if wrong:
        same_shape = [batch for batch in wrong if batch[0].shape == example[0].shape]
        raise ExportError(
            f"The trace is not the model: the scores of a batch of {shape_of((same_shape or wrong)[0])} differ, and by "
            f"{largest(differences(traced, exact)):.1e} in float64, so that it is no rounding. The model's forward takes "
            f"a path that depends on {'what' if same_shape else 'how large'} its input is, which a trace cannot hold."
            + (f" Python looks at tensors at {', '.join(looks[:5])}." if looks else "")
        )
    # The weights' dtype may be coarse for this model: then its own scores are no nearer to the exact ones.
    eps = torch.finfo(next(reference.parameters()).dtype).eps
    rounding = max(ROUNDINGS * eps * largest(expected), 2 * largest(differences(expected, exact)))
    if not difference <= rounding:
        raise ExportError(
            f"The archive's scores differ from the model's by {difference:.1e}, where rounding explains {rounding:.1e}, "
            "although the trace computes what the model does: what was written is damaged."
        )
    return difference


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
    config = model.config.get_text_config()
    refuse_moving_rotary(config)
    limit = min(max_check_length, getattr(config, "max_position_embeddings", max_check_length))
    reference = Scores(model.eval().requires_grad_(False), pair_separator(model, tokenizer)).eval()
    own_memory(reference)

    def batch(lengths: list[int], seed: int, start: list[int] | None = None):
        return example_batch(model, [max(1, min(length, limit)) for length in lengths], config.pad_token_id, seed, start)

    shapes = [[limit], [limit // 2, limit // 3, limit // 2 + 1], [1, 2, 3], [7] * 5, [limit, 5]]
    same_shape = [*[TRACED_LENGTHS] * 6, [11, 11], [1, 11]]
    batches = [batch(lengths, seed) for seed, lengths in enumerate(shapes + same_shape)]
    # Texts have special tokens where random rows rarely do.
    batches.append(batch(TRACED_LENGTHS, 98, tokenizer.all_special_ids))
    example = batch(TRACED_LENGTHS, 99)
    with torch.inference_mode():
        traced, looks = trace(reference, example)
        save_without_sources(traced, path)
        return check_archive(torch.jit.load(path), reference, example, batches, looks)


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


def write_for_transformers_4(folder: Path) -> None:
    """transformers 5 reads the names of transformers 4 as well, but not the other way round."""
    path = folder / "tokenizer_config.json"
    if not path.exists():
        return
    saved = json.loads(path.read_text(encoding="utf-8"))
    config = dict(saved)
    if config.get("tokenizer_class") == "TokenizersBackend":
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
        config.pop("backend", None)
    if isinstance(config.get("extra_special_tokens"), list):
        config["additional_special_tokens"] = config.pop("extra_special_tokens")
    if config != saved:
        path.write_text(json.dumps(config, indent=2, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")


def save_tokenizer(tokenizer, folder: Path) -> None:
    tokenizer.save_pretrained(folder)
    write_for_transformers_4(folder)


def copy_tokenizer(name: str, revision: str, tokenizer, target: Path, changed: bool) -> None:
    """The tokenizer's files as they are; where they changed or have no tokenizer.json, as transformers saves them."""
    folder = Path(name)
    if not folder.is_dir():
        from huggingface_hub import snapshot_download

        folder = Path(snapshot_download(name, revision=revision, allow_patterns=TOKENIZER_FILES))
    if changed or not (folder / "tokenizer.json").exists():
        save_tokenizer(tokenizer, target)
        return
    for file in TOKENIZER_FILES:
        if (folder / file).exists():
            shutil.copyfile(folder / file, target / file)
    write_for_transformers_4(target)


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
    scores = f"scores differ from the model's by up to {difference:.1e}, rounding" if difference else "the model's scores to the bit"
    print(f"Wrote {options.out_dir / 'model.pt'} ({size:.1f} MB): {scores}.")


if __name__ == "__main__":
    try:
        main()
    except ExportError as error:
        sys.exit(f"export_torchscript: {error}")
