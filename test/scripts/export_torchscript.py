"""What scripts/export_torchscript.py writes and what it refuses. Needs torch and transformers; run by its vitest file."""

import json
import os
import sys
import tempfile
import unittest
from pathlib import Path

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
import torch
import transformers

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from export_torchscript import ExportError, copy_tokenizer, save_tokenizer, write_archive  # noqa: E402

TOKENIZER = transformers.AutoTokenizer.from_pretrained(ROOT / "test" / "fixtures" / "classifiers" / "bert")
SMALL = {
    "vocab_size": 512,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_labels": 1,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "cls_token_id": 1,
    "sep_token_id": 2,
    "attn_implementation": "eager",
}
DEBERTA_V3 = {
    "relative_attention": True,
    "position_biased_input": False,
    "pos_att_type": "p2c|c2p",
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "position_buckets": 64,
    "type_vocab_size": 0,
}
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4}
MODELS = {
    "BERT": ("Bert", {}),
    "MiniLM": ("Bert", {"hidden_size": 96, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 384}),
    "RoBERTa": ("Roberta", {}),
    "DeBERTa-v2": ("DebertaV2", {}),
    "DeBERTa-v3": ("DebertaV2", DEBERTA_V3),
    "ModernBERT": ("ModernBert", {}),
    "Llama": ("Llama", {"num_key_value_heads": 2, "use_cache": False}),
    "Qwen3": ("Qwen3", {"num_key_value_heads": 2, "head_dim": 8, "use_cache": False}),
    "GPT-2": ("GPT2", {**GPT2, "use_cache": False}),
}


def classifier(family: str, **changes):
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**{**SMALL, **changes})
    return getattr(transformers, f"{family}ForSequenceClassification")(config)


def with_twist(twist, model=None):
    """A BERT whose scores go through a function of ids, mask and scores; or another model's scores."""

    class Twisted(transformers.BertForSequenceClassification):
        def forward(self, input_ids, attention_mask, **inputs):
            output = super().forward(input_ids=input_ids, attention_mask=attention_mask, **inputs)
            output.logits = twist(input_ids, attention_mask, output.logits)
            return output

    model = model or classifier("Bert")
    model.__class__ = Twisted
    return model


def small_head(factor: float):
    """A BERT of tiny scores. Without its bias, which is 0 as it is made."""
    model = classifier("Bert")
    model.classifier.weight.data *= factor
    return model


def export(model) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return write_archive(model, TOKENIZER, Path(folder) / "model.pt", max_check_length=64)


class Writes(unittest.TestCase):
    def test_encoders_and_decoders(self):
        for name, (family, changes) in MODELS.items():
            with self.subTest(name):
                self.assertEqual(export(classifier(family, **changes)), 0)
        self.assertEqual(export(classifier("Llama").to(torch.bfloat16)), 0)

    def test_scores_of_any_size(self):
        for factor in (1e-30, 1e-9, 0, 1e9):
            with self.subTest(factor=factor):
                self.assertEqual(export(small_head(factor)), 0)
        # One row's score is next to nothing beside the others'.
        self.assertEqual(export(with_twist(lambda ids, mask, scores: scores - scores.detach()[:1])), 0)

    def test_weights_that_lie_anywhere_in_a_file(self):
        with tempfile.TemporaryDirectory() as folder:
            classifier("Bert", hidden_size=96, num_hidden_layers=6, intermediate_size=384).save_pretrained(folder)
            # A header of another length moves every tensor.
            for padding in (0, 20, 36):
                path = Path(folder) / "model.safetensors"
                content = path.read_bytes()
                size = int.from_bytes(content[:8], "little")
                header = content[8 : 8 + size].rstrip() + b" " * (padding + 4)
                path.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + size :])
                model = transformers.BertForSequenceClassification.from_pretrained(folder, attn_implementation="eager")
                self.assertEqual(export(model), 0)

    def test_roundings(self):
        """Sizes are Python's numbers in the model and tensors in float32 in its trace: the last bits differ."""

        def scaled(ids, mask, scores):
            tokens = ids.size(1)
            return scores * (tokens / 3) * (tokens / 7) ** 0.37 * (tokens / 11) ** -0.71

        for factor in (1, 1e-9, 1e9):
            with self.subTest(factor=factor):
                difference = export(with_twist(scaled, small_head(factor)))
                self.assertGreater(difference, 0)
                self.assertLess(difference, 1e-5 * factor)

    def test_roundings_of_scores_that_are_exact(self):
        """The model's own scores are without an error, which therefore cannot be the measure."""

        def whole(ids, mask, scores):
            return scores * 0 + ids.size(1) / 41 * 41

        self.assertGreater(export(with_twist(whole)), 0)

    def test_roundings_of_scores_that_cancel(self):
        """What is left of large numbers holds their roundings: the model's own are as large."""

        def cancelled(ids, mask, scores):
            tokens = ids.size(1)
            return (scores + 100) * (tokens / 7) ** 0.37 - 100 * (tokens / 7) ** 0.37

        self.assertGreater(export(with_twist(cancelled, small_head(1e-4))), 0)


class Tokenizers(unittest.TestCase):
    """What is written is read alike by transformers 4 and 5, in the names that both know."""

    def setUp(self):
        saved = tempfile.TemporaryDirectory()
        self.addCleanup(saved.cleanup)
        self.folder = Path(saved.name)
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(ROOT / "models" / "demo")

    def check(self):
        config = json.loads((self.folder / "tokenizer_config.json").read_text())
        self.assertEqual(config["tokenizer_class"], "PreTrainedTokenizerFast")
        self.assertNotIsInstance(config.get("extra_special_tokens"), list)
        read = transformers.AutoTokenizer.from_pretrained(self.folder)
        text = "a  b <|user|> hi\n <|end|>ü <|pad|>"
        self.assertEqual(read(text).input_ids, self.tokenizer(text).input_ids)
        self.assertEqual(read.all_special_ids, self.tokenizer.all_special_ids)
        self.assertEqual(read.chat_template, self.tokenizer.chat_template)

    def test_saved(self):
        save_tokenizer(self.tokenizer, self.folder)
        self.check()

    def test_copied(self):
        with tempfile.TemporaryDirectory() as source:
            self.tokenizer.save_pretrained(source)
            copy_tokenizer(source, "main", self.tokenizer, self.folder, changed=False)
        self.check()


class Refuses(unittest.TestCase):
    def refused(self, model, *reasons: str):
        with self.assertRaises(ExportError) as caught:
            export(model)
        for reason in reasons:
            self.assertIn(reason, str(caught.exception))

    def test_paths_that_depend_on_values(self):
        special = TOKENIZER.sep_token_id
        conditions = {
            "ids": lambda ids, mask: ids.sum() % 2 == 0,
            "mask": lambda ids, mask: mask.all(),
            "a special token": lambda ids, mask: (ids == special).any(),
        }
        for name, condition in conditions.items():
            for factor in (1, 1e-9, 1e9):
                with self.subTest(name, factor=factor):
                    model = small_head(factor)
                    model = with_twist(lambda ids, mask, s: s * 1.01 if condition(ids, mask) else s, model)
                    self.refused(model, "depends on what its input is", "no rounding", Path(__file__).name)

    def test_paths_that_matter_little(self):
        """A hundredth of a small score, beside a large one."""

        def path(ids, mask, scores):
            if ids.sum() % 2:
                scores = scores * 1.01
            return torch.cat([scores[:1] * 0 + 100, scores[1:]])

        self.refused(with_twist(path), "depends on what its input is")
        self.refused(with_twist(path).to(torch.bfloat16), "depends on what its input is")

    def test_paths_that_depend_on_the_shape(self):
        for factor in (1, 1e-9):
            model = with_twist(lambda ids, mask, s: s * 2 if ids.size(1) > 32 else s, small_head(factor))
            self.refused(model, "depends on how large its input is")

    def test_traces_that_fail_on_another_shape(self):
        def constant(ids, mask, scores):
            return scores * torch.ones(len(ids.tolist()), 1)

        self.refused(with_twist(constant), "The trace fails on a batch of ")

    def test_models_that_are_never_the_same(self):
        self.refused(with_twist(lambda ids, mask, s: s + torch.rand(1)), "another score each time")

    def test_scores_that_are_no_numbers(self):
        self.refused(with_twist(lambda ids, mask, s: s / 0), "not finite")

    def test_models_that_cannot_run(self):
        def fail(ids, mask, scores):
            raise ValueError("no such luck")

        self.refused(with_twist(fail), "no such luck")

    def test_models_that_float64_cannot_judge(self):
        def float32_only(ids, mask, scores):
            if scores.dtype != torch.float32:
                raise TypeError("float32 only")
            return scores * (ids.size(1) / 3) * (ids.size(1) / 7) ** 0.37 * (ids.size(1) / 11) ** -0.71

        self.refused(with_twist(float32_only), "float32 only", "cannot tell")


if __name__ == "__main__":
    unittest.main(warnings="ignore")
