"""Tests of the worker, on a tiny random model: python -m unittest, in the environment that the worker runs in."""

from __future__ import annotations

import errno
import json
import math
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from gguf import GGUFReader, GGUFWriter, quants  # noqa: E402
from peft import LoraConfig, PeftModel, get_peft_model  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

import generate  # noqa: E402
import graft  # noqa: E402
import masks  # noqa: E402
import models  # noqa: E402
import train  # noqa: E402
import unsloth_engine  # noqa: E402
from encode import IGNORE, Encoded, documents, encode_chat, encode_rows, encode_text, expect, verify_batch  # noqa: E402
from jobs import DEFAULTS, KINDS, BadInput, NanLoss, check_job, classify  # noqa: E402
from make_tiny import CHATML, make_tiny, make_tokenizer  # noqa: E402
from packing import fill  # noqa: E402
from quantize import quantize  # noqa: E402
from worker import finite  # noqa: E402

WORDS = ["print", "next", "while", "open", "file", "read", "line", "total", "name", "hello", "world", "sum", "fox"]


def sentence(number: int, words: int) -> str:
    return " ".join(WORDS[(number * 7 + place * place) % len(WORDS)] for place in range(words))


def chat(number: int) -> list[dict[str, str]]:
    return [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": sentence(number, 6)},
        {"role": "assistant", "content": sentence(number + 1, 4 + number % 9)},
    ]


def numbered(rows: list[Any]) -> dict[int, Any]:
    return dict(enumerate(rows, 1))


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


class Fixture:
    """A temporary folder with a tiny model and both kinds of data, shared by all tests."""

    def __init__(self) -> None:
        self.temporary = tempfile.TemporaryDirectory(prefix="worker-test-")
        self.root = Path(self.temporary.name)
        self.model = self.root / "tiny"
        make_tiny(self.model)
        chats, texts = range(24), range(30)
        self.chat = write_jsonl(self.root / "chat.jsonl", [{"messages": chat(number)} for number in chats])
        self.text = write_jsonl(self.root / "text.jsonl", [{"text": sentence(n, 8 + n % 30)} for n in texts])
        self.valid_chat = write_jsonl(self.root / "valid_chat.jsonl", [{"messages": chat(n)} for n in range(90, 96)])
        self.valid_text = write_jsonl(
            self.root / "valid_text.jsonl", [{"text": sentence(n, 20)} for n in range(90, 96)]
        )

    def stage1(self, output: Path, **changes: Any) -> dict[str, Any]:
        """A job of 30 steps: raw text, packed."""
        job = {
            "protocol": 1,
            "kind": "train",
            "stage": "stage1",
            "seed": 7,
            "base_model": str(self.model),
            "adapter_in": None,
            "output": str(output),
            "train": self.text,
            "valid": self.valid_text,
            "format": "text",
            "chat_template": None,
            "loss": "full",
            "max_length": 64,
            "overlong": "truncate",
            "packing": "bfd",
            "epochs": 30,
            "max_steps": 30,
            "learning_rate": 1e-3,
            "scheduler": "cosine",
            "warmup_ratio": 0.1,
            "weight_decay": 0.01,
            "max_grad_norm": 1.0,
            "batch_size": 2,
            "gradient_accumulation": 2,
            "eval_steps": 10,
            "save_steps": 4,
            "save_total_limit": 2,
            "logging_steps": 1,
            "lora": {
                "r": 4,
                "alpha": 8,
                "dropout": 0.1,
                "targets": "all-linear",
                "rslora": False,
                "dora": False,
                "modules_to_save": [],
                "train_stop_tokens": False,
            },
            "neftune_alpha": None,
            "quantization": "none",
            "double_quant": False,
            "optimizer": "adamw_torch",
            "precision": "fp32",
            "device": "cpu",
            "gradient_checkpointing": False,
            "threads": 1,
            "group_by_length": False,
            "early_stopping_patience": 0,
            "resume": False,
        }
        return job | changes

    def stage2(self, output: Path, adapter: Path | None, **changes: Any) -> dict[str, Any]:
        """A job of 30 steps: chats, padded, sorted by length, continuing the adapter of stage 1."""
        data = {"train": self.chat, "valid": self.valid_chat, "format": "messages", "chat_template": CHATML}
        how = {"stage": "stage2", "loss": "completion", "packing": "none", "group_by_length": True, "overlong": "drop"}
        return self.stage1(output, adapter_in=str(adapter) if adapter else None, **(data | how | changes))


fixture: Fixture


def setUpModule() -> None:
    global fixture
    fixture = Fixture()


def tearDownModule() -> None:
    fixture.temporary.cleanup()


def build(job: dict[str, Any]) -> train.Trainer:
    """A trainer as train() builds it."""
    return train.Trainer(train.prepare(check_job(job), lambda *_, **__: None))


class Masks(unittest.TestCase):
    def setUp(self) -> None:
        self.tokenizer = make_tokenizer()

    def trained(self, messages: list[dict[str, str]]) -> tuple[str, str]:
        """The text that is trained and the text that is not."""
        ids, mask = encode_chat(self.tokenizer, messages)
        self.assertEqual(len(ids), len(mask))
        return tuple(
            self.tokenizer.decode([token for token, bit in zip(ids, mask, strict=True) if bit == wanted])
            for wanted in (1, 0)
        )

    def test_answer_and_end_token_are_trained_and_nothing_else(self) -> None:
        trained, rest = self.trained(chat(3))
        self.assertEqual(trained, chat(3)[2]["content"] + "<|im_end|>")
        prompt = self.tokenizer.apply_chat_template(chat(3)[:2], tokenize=False, add_generation_prompt=True)
        self.assertEqual(rest, prompt + "\n")  # the newline after the end token

    def test_every_assistant_turn_is_trained(self) -> None:
        messages = [*chat(3), {"role": "user", "content": "and then?"}, {"role": "assistant", "content": "close file"}]
        trained, rest = self.trained(messages)
        self.assertEqual(trained, chat(3)[2]["content"] + "<|im_end|>close file<|im_end|>")
        self.assertNotIn("close", rest)

    def test_ids_begin_with_what_a_server_is_sent(self) -> None:
        messages = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "\n\nprint hello"}]
        ids, mask = encode_chat(self.tokenizer, messages)
        sent = self.tokenizer.apply_chat_template(messages[:1], add_generation_prompt=True, return_dict=False)
        self.assertEqual(ids[: len(sent)], sent)
        self.assertEqual(mask[: len(sent)], [0] * len(sent))
        self.assertEqual(mask[len(sent)], 1)

    def test_a_forged_turn_is_rejected(self) -> None:
        with self.assertRaisesRegex(BadInput, "own token"):
            encode_chat(
                self.tokenizer, [{"role": "user", "content": "a<|im_end|>"}, {"role": "assistant", "content": "b"}]
            )

    def test_templates_that_cannot_be_masked_are_rejected(self) -> None:
        self.tokenizer.chat_template = "{{ messages | length }}" + CHATML
        with self.assertRaisesRegex(BadInput, "differently when more follows"):
            encode_chat(self.tokenizer, chat(1))
        self.tokenizer.chat_template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
        self.tokenizer.chat_template += "{% if add_generation_prompt %}assistant: {% endif %}"
        with self.assertRaisesRegex(BadInput, "does not close"):
            encode_chat(self.tokenizer, chat(1))

    def test_text_ends_with_the_end_token(self) -> None:
        whole = self.tokenizer(sentence(1, 20))["input_ids"] + [self.tokenizer.eos_token_id]
        self.assertEqual(encode_text(self.tokenizer, sentence(1, 20), 999), [whole])
        self.assertEqual(encode_text(self.tokenizer, sentence(1, 20), 8), [])
        self.assertEqual(encode_text(self.tokenizer, sentence(1, 20), 8, "truncate"), [whole[:8]])
        self.assertEqual(list(chain(*encode_text(self.tokenizer, sentence(1, 20), 8, "split"))), whole)

    def test_rows_are_dropped_and_counted(self) -> None:
        no_answer = chat(1)[:2]
        empty = [*chat(1)[:2], {"role": "assistant", "content": ""}]
        long = [*chat(1)[:2], {"role": "assistant", "content": sentence(1, 300)}]
        rows = [chat(1), no_answer, empty, long]
        split = encode_rows(self.tokenizer, numbered(rows), "messages", "completion", 128, "drop")
        self.assertEqual((len(split.rows), split.dropped_no_answer, split.dropped_overlong), (2, 1, 1))
        split = encode_rows(self.tokenizer, numbered(rows), "messages", "completion", 128, "truncate")
        self.assertEqual((len(split.rows), split.dropped_no_answer, split.truncated), (3, 1, 1))
        split = encode_rows(self.tokenizer, numbered(["", sentence(1, 3)]), "text", "full", 128, "drop")
        self.assertEqual((len(split.rows), split.dropped_no_answer), (1, 1))

    def test_full_loss_trains_the_prompt_too(self) -> None:
        split = encode_rows(self.tokenizer, numbered([chat(1)]), "messages", "full", 128, "drop")
        self.assertEqual(split.trained_tokens, split.tokens - 1)  # nothing precedes the first token


class Batches(unittest.TestCase):
    """What the trainer's own data loader yields is what encode.py decided."""

    def check_batches(self, **changes: Any) -> None:
        trainer = build(fixture.stage2(fixture.root / "batches", None, **changes))
        left = [(row["input_ids"], row["labels"]) for row in trainer.stage.train.encoded.rows]
        for batch in trainer.get_train_dataloader():
            verify_batch(batch, expect(trainer.stage.train.encoded.rows))
            for ids, labels in documents(batch):
                left.remove((ids, labels))
                answer = trainer.processing_class.decode([label for label in labels if label != IGNORE])
                text = trainer.processing_class.decode(ids)
                self.assertTrue(text.endswith(f"<|im_start|>assistant\n{answer}\n"), text)
                self.assertTrue(answer.endswith("<|im_end|>"))
            padding = batch["labels"].numel() - sum(len(ids) for ids, _ in documents(batch))
            self.assertEqual(
                int((batch["labels"] != IGNORE).sum()),
                sum(label != IGNORE for _, labels in documents(batch) for label in labels),
            )
            self.assertEqual(padding, 0 if "position_ids" in batch else int((batch["attention_mask"] == 0).sum()))
        self.assertEqual(left, [])  # every row came exactly once

    def test_padded(self) -> None:
        self.check_batches()

    def test_packed(self) -> None:
        self.check_batches(packing="bfd", max_length=128)

    def test_wrong_labels_are_noticed(self) -> None:
        trainer = build(fixture.stage2(fixture.root / "wrong", None))
        batch = next(iter(trainer.get_train_dataloader()))
        for labels in (batch["input_ids"].clone(), torch.full_like(batch["input_ids"], IGNORE)):
            with self.assertRaisesRegex(BadInput, "does not carry the labels"):
                verify_batch(batch | {"labels": labels}, expect(trainer.stage.train.encoded.rows))

    def test_a_document_does_not_see_its_neighbours(self) -> None:
        for attention in ("sdpa", "eager"):
            trainer = build(fixture.stage1(fixture.root / "apart", attention=attention))
            trainer.model.eval()
            tokenizer = trainer.stage.tokenizer
            mine, *others = (
                encode_text(tokenizer, sentence(n, words), 999)[0] for n, words in ((5, 12), (1, 9), (3, 30))
            )
            alone = self.loss_of(trainer, [mine], 0)
            for before, after in (others, reversed(others)):
                self.assertAlmostEqual(self.loss_of(trainer, [before, mine, after], 1), alone, delta=1e-5)

    def loss_of(self, trainer: train.Trainer, packed: list[list[int]], counted: int) -> float:
        """The loss of one document of a packed row."""
        batch = trainer.data_collator(
            [{"input_ids": list(chain(*packed)), "seq_lengths": [len(ids) for ids in packed]}]
        )
        places = [number for number, ids in enumerate(packed) for _ in ids]
        batch["labels"][0][torch.tensor(places) != counted] = IGNORE
        with torch.no_grad():
            return trainer.compute_loss(trainer.model, batch).item()

    def test_neighbours_that_are_seen_are_noticed(self) -> None:
        trainer = build(fixture.stage1(fixture.root / "apart", batch_size=1))
        batch = next(batch for batch in trainer.get_train_dataloader() if len(documents(batch)) > 1)
        trainer.verify_apart(batch)
        real = trainer.compute_loss

        def mixes(model: Any, inputs: dict[str, Any], **named: Any) -> Any:
            """As a kernel that takes the packed row for one document."""
            places = torch.arange(inputs["input_ids"].shape[1])[None]
            return real(model, inputs | {"position_ids": places}, **named)

        with mock.patch.object(trainer, "compute_loss", mixes), self.assertRaisesRegex(BadInput, "see one another"):
            trainer.verify_apart(batch)

    def test_own_loss_equals_the_library_s(self) -> None:
        trainer = build(fixture.stage2(fixture.root / "loss", None))
        batch = next(iter(trainer.get_train_dataloader()))
        grads = []
        for trainer.full_logits in (True, False):
            if not trainer.full_logits:
                del trainer.model.forward  # the library's again
            trainer.model.zero_grad()
            trainer.model.train()
            torch.manual_seed(1)
            loss = trainer.compute_loss(trainer.model, dict(batch), num_items_in_batch=torch.tensor(50))
            loss.backward()
            grads.append(
                [loss.item()] + [w.grad.norm().item() for w in trainer.model.parameters() if w.grad is not None]
            )
        for own, library in zip(*grads, strict=True):
            self.assertAlmostEqual(own, library, delta=1e-5)

    def test_order_is_a_function_of_seed_and_epoch(self) -> None:
        lengths = [3 + place * 5 % 17 for place in range(23)]
        for batch_size in (0, 4):
            orders = []
            for epoch in (0, 1, 0):
                order = train.EpochOrder(lengths, 7, batch_size)
                order.set_epoch(epoch)
                orders.append(list(order))
                self.assertEqual(sorted(orders[-1]), list(range(23)))
            self.assertEqual(orders[0], orders[2])
            self.assertNotEqual(orders[0], orders[1])


class Inspecting(unittest.TestCase):
    """The mask report: its figures, and the rules of its own by which it finds what encode.py would do wrong."""

    def inspect(self, **changes: Any) -> dict[str, Any]:
        job = fixture.stage2(fixture.root / "inspect", None)
        keys = set(KINDS["inspect"]) | {"protocol"}
        job = {key: value for key, value in job.items() if key in keys} | {"kind": "inspect"}
        return train.inspect(check_job(job | changes), lambda *_, **__: None)

    def file(self, name: str, rows: list[list[dict[str, str]]]) -> str:
        return write_jsonl(fixture.root / name, [{"messages": messages} for messages in rows])

    def test_figures(self) -> None:
        report = self.inspect()
        split = report["train"]
        self.assertEqual((split["read"], split["rows"], split["zero_rows"], split["stop_untrained"]), (24, 24, 0, 0))
        self.assertEqual(split["prompt_tokens_trained"], 0)
        self.assertEqual(split["tokens"], split["trained_tokens"] + split["masked_tokens"])
        for name in ("trained", "masked"):
            self.assertEqual(sum(split[name]["bins"]), 24)
            self.assertAlmostEqual(split[name]["mean"] * 24, split[f"{name}_tokens"], delta=0.2)
        self.assertIsNone(split["packing"])
        self.assertTrue(0.5 < split["batch_efficiency"] <= 1)
        self.assertGreater(split["batch_efficiency"], self.inspect(group_by_length=False)["train"]["batch_efficiency"])
        trainer = build(fixture.stage2(fixture.root / "inspect", None))
        self.assertEqual(
            split["trained_tokens"], sum(int((b["labels"] != IGNORE).sum()) for b in trainer.get_train_dataloader())
        )

    def test_the_batches_are_the_trainer_s(self) -> None:
        for changes in ({}, {"packing": "bfd", "max_length": 128}):
            trainer = build(fixture.stage2(fixture.root / "same", None, **changes))
            job, stage = trainer.job, trainer.stage
            collate = train.collator(job, stage.tokenizer)
            self.assertEqual(trainer.data_collator, collate)
            own = [
                collate([stage.train.sequences[place] for place in batch]) for batch in train.batches(job, stage.train)
            ]
            for mine, theirs in zip(own, trainer.get_train_dataloader(), strict=True):
                self.assertEqual(set(mine), set(theirs))
                for key, value in mine.items():
                    self.assertTrue(torch.equal(torch.as_tensor(value), torch.as_tensor(theirs[key])), key)

    def test_a_row_token_by_token(self) -> None:
        rows = [chat(1), [*chat(2)[:2], {"role": "assistant", "content": "Größe 日本 \x1b[2J"}]]
        tokens = self.inspect(train=self.file("shown.jsonl", rows), lines=[2])["rows"][0]["tokens"]
        text = "".join(token["text"] for token in tokens if token["trained"])
        self.assertEqual(text, "Größe 日本 \x1b[2J<|im_end|>")
        for lines, message in (([3], "there is no row in line 3"), ([1, 9], "there is no row in line 9")):
            with self.assertRaisesRegex(BadInput, message):
                self.inspect(train=self.file("shown.jsonl", rows), lines=lines)

    def test_rows_without_a_trained_token(self) -> None:
        rows = [chat(1), chat(1)[:2], [*chat(1)[:2], {"role": "assistant", "content": sentence(1, 300)}]]
        rows.append([{"role": "user", "content": sentence(1, 200)}, *chat(1)[2:]])  # its answer is cut off
        train_file = self.file("zero.jsonl", rows)
        split = self.inspect(train=train_file, overlong="truncate")["train"]
        self.assertEqual((split["rows"], split["zero_rows"], split["zero_lines"]), (2, 2, [2, 4]))
        self.assertEqual((split["truncated"], split["stop_untrained"], split["stop_lines"]), (2, 1, [3]))
        job = fixture.stage2(fixture.root / "zero", None, train=train_file, overlong="truncate", max_steps=1)
        with self.assertRaisesRegex(BadInput, r"zero\.jsonl line 2 has no token to train on, and 1 more"):
            train.train(check_job(job), lambda *_, **__: None)
        self.assertFalse((fixture.root / "zero").exists())
        result = train.train(check_job(job | {"zero_rows": "drop"}), lambda *_, **__: None)
        self.assertEqual(result["dropped_no_answer"], 2)

    def test_a_trained_prompt_is_found_whatever_the_masks_say(self) -> None:
        def all_trained(tokenizer: Any, messages: list[dict[str, str]]) -> tuple[list[int], list[int]]:
            ids, _ = encode_chat(tokenizer, messages)
            return ids, [1] * len(ids)

        more = [*chat(3), {"role": "user", "content": "and then?"}, {"role": "assistant", "content": "close file"}]
        train_file = self.file("prompt.jsonl", [chat(1), more])
        with mock.patch("encode.encode_chat", all_trained):
            split = self.inspect(train=train_file)["train"]
            with self.assertRaisesRegex(BadInput, r"prompt\.jsonl line 1: tokens of the prompt would be trained on"):
                job = fixture.stage2(fixture.root / "forged", None, train=train_file)
                train.train(check_job(job), lambda *_, **__: None)
        full = self.inspect(train=train_file, loss="full")["train"]
        true = self.inspect(train=train_file)["train"]
        self.assertEqual((true["prompt_tokens_trained"], true["prompt_lines"]), (0, []))
        for wrong in (split, full):
            self.assertEqual(wrong["prompt_lines"], [1, 2])
            # All that is masked, but the first token and the newline after each of the three answers' end.
            self.assertEqual(wrong["prompt_tokens_trained"], true["masked_tokens"] - 2 - 3)

    def test_a_prompt_that_is_cut_or_altered(self) -> None:
        tokenizer = make_tokenizer()
        ids, mask = encode_chat(tokenizer, chat(1))
        labels = [token if bit else IGNORE for token, bit in zip(ids, mask, strict=True)]
        check = masks.prompt_tokens_trained
        prompt = mask.index(1)
        self.assertEqual(check(tokenizer, chat(1), ids, labels, 99), 0)
        self.assertEqual(check(tokenizer, chat(1), ids[:9], labels[:9], 9), 0)
        self.assertEqual(check(tokenizer, chat(1), ids[:9], ids[:9], 9), 9)
        self.assertEqual(check(tokenizer, chat(1), ids[1:], labels[1:], 99), prompt)  # not what a server is sent

    def test_text(self) -> None:
        report = self.inspect(
            train=fixture.text,
            valid=fixture.valid_text,
            format="text",
            packing="bfd",
            overlong="truncate",
            max_length=32,
        )["train"]
        self.assertEqual((report["prompt_tokens_trained"], report["read"]), (0, 30))
        self.assertEqual(report["masked_tokens"], report["rows"])  # the first token of each
        self.assertEqual(report["stop_untrained"], report["truncated"])
        packing = report["packing"]
        self.assertEqual(packing["efficiency"], round(report["tokens"] / (32 * packing["sequences"]), 4))
        self.assertTrue(packing["efficiency"] <= packing["possible"] <= 1)

    def test_a_split_leaves_no_token_alone(self) -> None:
        tokenizer = make_tokenizer()
        whole = encode_text(tokenizer, sentence(1, 20), 999)[0]
        for length in range(3, len(whole)):
            pieces = encode_text(tokenizer, sentence(1, 20), length, "split")
            self.assertEqual(list(chain(*pieces)), whole)
            self.assertTrue(all(2 <= len(piece) <= length for piece in pieces))

    def test_packing_is_tight(self) -> None:
        """Rows as short as programs of one screen, more than the library packs at once."""
        generator = np.random.default_rng(3)
        lengths = generator.integers(20, 300, 3000)
        encoded = Encoded([{"input_ids": [1] * n, "labels": [1] * n} for n in lengths.tolist()])
        for max_length in (1024, 4096):
            packed = train.sequences_of(encoded, {"packing": "bfd", "max_length": max_length})
            self.assertLessEqual(max(map(len, packed["input_ids"])), max_length)
            self.assertEqual(sum(map(len, packed["input_ids"])), encoded.tokens)
            self.assertGreaterEqual(encoded.tokens / (len(packed) * max_length), 0.98)
            possible = -(-encoded.tokens // max_length)
            self.assertLessEqual(len(packed), possible + 1)

    def test_packing_is_tight_where_best_fit_is_not(self) -> None:
        """Few long rows among many short ones: best fit decreasing would fill less than 97.5 %."""
        generator = np.random.default_rng(1)
        lengths = [n for n in (80 * (1 + generator.pareto(1.2, 5000))).astype(int).tolist() if n <= 512]
        rows = [{"input_ids": [place] * n, "labels": [IGNORE] + [place] * (n - 1)} for place, n in enumerate(lengths)]
        encoded = Encoded(rows)
        with mock.patch.object(train, "WELL_FILLED", 0.0):
            quick = train.sequences_of(encoded, {"packing": "bfd", "max_length": 512})
        self.assertLess(encoded.tokens / (len(quick) * 512), 0.975)
        packed = train.sequences_of(encoded, {"packing": "bfd", "max_length": 512})
        self.assertGreaterEqual(encoded.tokens / (len(packed) * 512), 0.985)
        self.assertEqual(set(packed.column_names), set(quick.column_names))
        seen = []
        for row in packed:
            self.assertLessEqual(len(row["input_ids"]), 512)
            start = 0
            for length in row["seq_lengths"]:
                place = row["input_ids"][start]
                for key in ("input_ids", "labels"):
                    self.assertEqual(row[key][start : start + length], rows[place][key])
                seen.append(place)
                start += length
            self.assertEqual(start, len(row["input_ids"]))
        self.assertEqual(sorted(seen), list(range(len(rows))))  # every row once, and whole

    def test_filling_finds_the_fewest(self) -> None:
        """Against the fewest sequences that any way of packing a few rows needs."""

        def fewest(left: list[int], rooms: list[int]) -> int:
            if not left:
                return len(rooms)
            first, *rest = left
            found = [fewest(rest, [*rooms, 12 - first])]
            for place in {room: place for place, room in enumerate(rooms) if room >= first}.values():
                found.append(fewest(rest, [*rooms[:place], rooms[place] - first, *rooms[place + 1 :]]))
            return min(found)

        generator = np.random.default_rng(5)
        more = 0
        for _ in range(60):
            lengths = generator.integers(1, 13, 7).tolist()
            filled = fill(lengths, 12)
            self.assertEqual(sorted(chain(*filled)), list(range(7)))
            self.assertTrue(all(sum(lengths[place] for place in places) <= 12 for places in filled))
            more += len(filled) - fewest(lengths, [])
        self.assertLessEqual(more, 2)
        self.assertEqual(fill([7, 6, 6, 5, 4, 4], 16), [[0, 3, 4], [1, 2, 5]])


class Sampling(unittest.TestCase):
    def test_samples_change_nothing(self) -> None:
        logs, answers = [], []
        for prompts in (0, 3):
            output = fixture.root / f"samples-{prompts}"
            job = fixture.stage2(
                output, None, max_steps=6, eval_steps=2, sample_prompts=prompts, sample_every=2, sample_tokens=8
            )
            job["lora"] = job["lora"] | {"train_stop_tokens": True}
            events: list[Any] = []
            train.train(check_job(job), lambda event, events=events, **fields: events.append({"event": event} | fields))
            logs.append((output / "training_log.jsonl").read_bytes())
            answers.append([event for event in events if event["event"] == "samples"])
            adapter = (output / "adapter" / "adapter_model.safetensors").read_bytes()
            logs[-1] += adapter
        self.assertEqual(logs[0], logs[1])
        self.assertEqual(answers[0], [])
        self.assertEqual([event["step"] for event in answers[1]], [0, 4])
        for event in answers[1]:
            self.assertEqual(len(event["answers"]), 3)
            for answer in event["answers"]:
                self.assertLessEqual(answer["tokens"], 8)
                self.assertEqual(answer["stopped"], answer["tokens"] < 8)

    def test_a_batch_answers_as_each_prompt_alone(self) -> None:
        """Padding on the left must not show in the answers."""
        trainer = build(fixture.stage2(fixture.root / "padding", None, sample_prompts=3, sample_tokens=6))
        said: dict[int, str] = {}
        trainer.emit = lambda *_, answers, **__: said.update({a["line"]: a["text"] for a in answers})
        trainer.state.log_history = [{"eval_loss": 1.0}]
        trainer.model.eval()
        every = trainer.prompts
        trainer.sample()
        together = dict(said)
        for line, messages in every.items():
            trainer.prompts = {line: messages}
            trainer.sample()
        self.assertEqual(said, together)
        self.assertEqual(len(said), 3)

    def test_prompts_do_not_depend_on_the_order_of_rows(self) -> None:
        rows = [chat(number) for number in range(9)]
        first = train.sample_prompts(numbered([*rows, rows[4]]), 4)
        again = train.sample_prompts(numbered(rows[::-1]), 4)
        self.assertEqual(list(first.values()), list(again.values()))
        self.assertEqual([messages[-1]["role"] for messages in first.values()], ["user"] * 4)
        self.assertEqual(len(train.sample_prompts(numbered([rows[1], rows[1]]), 4)), 1)
        self.assertEqual(train.sample_prompts(numbered(rows), 0), {})


class Switches(unittest.TestCase):
    """What the recipe switches on reaches the library and changes the training."""

    def losses(self, name: str, **changes: Any) -> tuple[list[float], dict[str, Any]]:
        output = fixture.root / f"switch-{name}"
        job = fixture.stage2(output, None, max_steps=3)
        lora = {key: changes.pop(key) for key in ("rslora", "dora") if key in changes}
        train.train(check_job(job | changes | {"lora": job["lora"] | lora}), lambda *_, **__: None)
        entries = [json.loads(line) for line in (output / "training_log.jsonl").read_text().splitlines()]
        config = json.loads((output / "adapter" / "adapter_config.json").read_text())
        return [entry["loss"] for entry in entries if "loss" in entry], config

    def test_each_changes_the_losses(self) -> None:
        plain, _ = self.losses("plain")
        self.assertEqual(self.losses("again")[0], plain)
        seen = [plain]
        for name, change, key in (
            ("neftune", {"neftune_alpha": 5.0}, None),
            ("rslora", {"rslora": True}, "use_rslora"),
            ("dora", {"dora": True}, "use_dora"),
        ):
            losses, config = self.losses(name, **change)
            self.assertNotIn(losses, seen, name)
            seen.append(losses)
            if key:
                self.assertIs(config[key], True)


class Accidents(unittest.TestCase):
    """Memory and disk run out in the middle: nothing is lost that was complete."""

    def job(self, name: str, **changes: Any) -> dict[str, Any]:
        return check_job(fixture.stage2(fixture.root / name, None, max_steps=6, save_steps=2, **changes))

    def run_into(self, job: dict[str, Any], what: str, error: Exception, at: int) -> Any:
        """Runs the job until the method is called for that time; returns what the user is told."""
        real, calls = getattr(train.Trainer, what), []

        def fails(*args: Any, **named: Any) -> Any:
            calls.append(1)
            if len(calls) == at:
                raise error
            return real(*args, **named)

        with mock.patch.object(train.Trainer, what, fails), self.assertRaises(type(error)) as caught:
            train.train(job, lambda *_, **__: None)
        return classify(caught.exception, job)

    def test_out_of_memory(self) -> None:
        job = self.job("memory")
        for error in (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), MemoryError()):
            failure = self.run_into(job, "compute_loss", error, 4)
            self.assertEqual(failure.kind, "out_of_memory")
            for setting in ("batch_size from 2", "gradient_checkpointing", "max_length from 64"):
                self.assertIn(setting, failure.hint)
        small = self.job("memory", batch_size=1, gradient_checkpointing=True)
        self.assertEqual(classify(MemoryError(), small).hint, "lower max_length from 64")
        self.assertNotIn("batch_size", classify(MemoryError(), {"kind": "merge"}).hint)

    @unittest.skipUnless(sys.platform == "linux", "other systems do not limit the address space")
    def test_memory_really_runs_out(self) -> None:
        import resource

        rows = [{"messages": [*chat(n)[:2], {"role": "assistant", "content": sentence(n, 300)}]} for n in range(24)]
        train_file = write_jsonl(fixture.root / "long.jsonl", rows)
        job = self.job("memory-real", train=train_file, max_length=1024, batch_size=24)
        before = resource.getrlimit(resource.RLIMIT_AS)
        real = train.Trainer.compute_loss

        def limited(*args: Any, **named: Any) -> Any:
            if len(args[2]["input_ids"]) == 24:  # not in the evaluation
                pages = int(Path("/proc/self/statm").read_text().split()[0])
                resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize(), before[1]))
            return real(*args, **named)

        try:
            with mock.patch.object(train.Trainer, "compute_loss", limited), self.assertRaises(Exception) as caught:
                train.train(job, lambda *_, **__: None)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)
        self.assertEqual(classify(caught.exception, job).kind, "out_of_memory", caught.exception)
        self.assertIn("batch_size from 24", classify(caught.exception, job).hint)

    def test_nan_keeps_the_last_good_checkpoint(self) -> None:
        job, calls = self.job("nan-whole"), []
        train.train(job, lambda *_, **__: None)
        real = train.SFTTrainer.training_step

        def nan(*args: Any, **named: Any) -> torch.Tensor:
            calls.append(1)
            return real(*args, **named) * (math.nan if len(calls) == 9 else 1)  # two batches a step

        job = self.job("nan-broken")
        with mock.patch.object(train.SFTTrainer, "training_step", nan), self.assertRaises(NanLoss) as caught:
            train.train(job, lambda *_, **__: None)
        failure = classify(caught.exception, job)
        self.assertEqual(failure.kind, "nan_loss")
        self.assertEqual(failure.message, "the loss became nan at step 5; the last good checkpoint is checkpoint-4")
        output = fixture.root / "nan-broken"
        self.assertEqual({path.name for path in output.iterdir()}, {"checkpoint-2", "checkpoint-4"})
        self.assertEqual(train.damage(output / "checkpoint-4"), "")
        train.train(job | {"resume": True}, lambda *_, **__: None)
        for name in ("training_log.jsonl", "adapter/adapter_model.safetensors"):
            self.assertEqual((output / name).read_bytes(), (fixture.root / "nan-whole" / name).read_bytes())

    def test_full_disk_while_saving(self) -> None:
        whole, full = self.job("disk-whole"), self.job("disk-full")
        train.train(whole, lambda *_, **__: None)
        real = torch.save

        def no_space(value: Any, path: Any, *rest: Any, **named: Any) -> None:
            if "checkpoint-4" in str(path):
                Path(path).write_bytes(b"half")
                raise OSError(errno.ENOSPC, "No space left on device")
            real(value, path, *rest, **named)

        with mock.patch("torch.save", no_space), self.assertRaises(Exception) as caught:
            train.train(full, lambda *_, **__: None)
        failure = classify(caught.exception, full)
        self.assertEqual((failure.kind, failure.message), ("no_space", "the disk is full"))
        output = fixture.root / "disk-full"
        # What was complete is there, what could not be completed is not in the way.
        self.assertEqual([path.name for path in output.iterdir()], ["checkpoint-2"])
        self.assertEqual(train.damage(output / "checkpoint-2"), "")
        self.assertFalse((output / "adapter").exists())
        train.train(full | {"resume": True}, lambda *_, **__: None)
        for name in ("training_log.jsonl", "adapter/adapter_model.safetensors"):
            self.assertEqual((output / name).read_bytes(), (fixture.root / "disk-whole" / name).read_bytes())

    @unittest.skipIf(sys.platform == "win32", "a limit of Unix")
    def test_a_file_that_cannot_be_written_to_its_end(self) -> None:
        """A limit on the size of files comes nearest to a full disk and needs no rights. torch names no cause then."""
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        job = self.job("limit")
        train.train(job, lambda *_, **__: None)
        whole = {path.name: path.stat().st_size for path in (fixture.root / "limit" / "checkpoint-6").iterdir()}
        for name in ("adapter_model.safetensors", "optimizer.pt"):
            output = fixture.root / f"limit-{name}"
            job = self.job(output.name)
            resource.setrlimit(resource.RLIMIT_FSIZE, (whole[name] // 2, hard))
            try:
                with self.assertRaises(Exception) as caught:
                    train.train(job, lambda *_, **__: None)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            self.assertEqual(classify(caught.exception, job).kind, "no_space", caught.exception)
            self.assertEqual([path.name for path in output.iterdir()], [])  # nothing is in the way

    def test_a_job_that_is_ended_at_a_rung_goes_on_from_it(self) -> None:
        """The loss at the rung is no new best and no step to save at: it is saved all the same, before the event."""
        job = self.job("rung-whole", eval_steps=1) | {"save_steps": 0}
        train.train(job, lambda *_, **__: None)
        heard: list[tuple[str, dict[str, Any]]] = []

        def ended(event: str, **fields: Any) -> None:
            heard.append((event, fields))
            if event == "rung" and fields["evaluation"] == 2:
                raise KeyboardInterrupt

        job = self.job("rung-ended", eval_steps=1, rungs=[2, 6, 18]) | {"save_steps": 0}
        worse = iter([0.5, *(1.0 + n for n in range(9))])
        log = train.Trainer.log

        def rising(trainer: Any, logs: dict[str, float], *_: Any) -> None:
            log(trainer, logs | {"eval_loss": next(worse)} if "eval_loss" in logs else logs)

        with mock.patch.object(train.Trainer, "log", rising), self.assertRaises(KeyboardInterrupt):
            train.train(job, ended)
        self.assertEqual([event for event, _ in heard[-3:]], ["eval", "checkpoint", "rung"])
        rung = heard[-1][1]
        self.assertEqual((rung["step"], rung["steps"], rung["finished"]), (2, 6, False))
        self.assertEqual(train.damage(fixture.root / "rung-ended" / "checkpoint-2"), "")

        heard.clear()
        train.train(job | {"resume": True}, lambda event, **fields: heard.append((event, fields)))
        rungs = [fields for event, fields in heard if event == "rung"]
        self.assertEqual(
            [(each["evaluation"], each["step"], each["finished"]) for each in rungs], [(2, 2, False), (6, 6, True)]
        )
        self.assertEqual(rungs[0]["loss"], rung["loss"])
        whole, resumed = (
            fixture.root / f"rung-{which}" / "checkpoint-6" / "adapter_model.safetensors"
            for which in ("whole", "ended")
        )
        self.assertEqual(whole.read_bytes(), resumed.read_bytes())

    def test_a_damaged_checkpoint_is_not_resumed_from(self) -> None:
        """Whatever was done to the newest ones: what is resumed has the same losses and the same adapter."""
        output = fixture.root / "damaged"
        job = self.job("damaged", eval_steps=3)
        train.train(job, lambda *_, **__: None)
        kept = {path.name for path in output.glob("checkpoint-*")}
        self.assertEqual(kept, {"checkpoint-3", "checkpoint-4", "checkpoint-6"})
        names = ("training_log.jsonl", "adapter/adapter_model.safetensors")
        whole = [(output / name).read_bytes() for name in names]
        for folders, file, resumed in (
            (["checkpoint-6"], "optimizer.pt", 4),
            (["checkpoint-6"], "adapter_model.safetensors", 4),
            (["checkpoint-6"], "scheduler.pt", 4),
            (["checkpoint-6"], "complete.json", 4),
            (["checkpoint-6", "checkpoint-3"], "optimizer.pt", None),  # 4 without the best one before it is no use
        ):
            for how in ("cut", "gone", "zeroed"):
                for folder in folders:
                    path = output / folder / file
                    text = path.read_bytes()
                    path.unlink()
                    if how != "gone":
                        path.write_bytes(text[: len(text) // 2] if how == "cut" else bytes(len(text)))
                said: list[str] = []
                train.train(
                    job | {"resume": True},
                    lambda event, said=said, **fields: said.append(fields["message"]) if event == "log" else None,
                )
                self.assertEqual(said[-1] == f"resumed from checkpoint-{resumed}", bool(resumed), said)
                self.assertEqual([(output / name).read_bytes() for name in names], whole, (folders, file, how))
                self.assertEqual({path.name for path in output.glob("checkpoint-*")}, kept)

    def test_full_disk_at_the_very_end(self) -> None:
        job = self.job("disk-end")
        with mock.patch("train.publish", side_effect=OSError(errno.ENOSPC, "full")), self.assertRaises(OSError):
            train.train(job, lambda *_, **__: None)
        output = fixture.root / "disk-end"
        self.assertFalse((output / "adapter").exists())
        steps: list[Any] = []
        train.train(job | {"resume": True}, lambda event, **_: steps.append(event))
        self.assertNotIn("step", steps)
        self.assertTrue((output / "adapter" / "adapter_model.safetensors").is_file())

    def test_what_is_no_checkpoint(self) -> None:
        whole = self.job("litter")
        train.train(whole, lambda *_, **__: None)
        output = fixture.root / "litter"
        expected = (output / "adapter" / "adapter_model.safetensors").read_bytes()
        (output / "checkpoint-6" / "complete.json").write_text("garbage", encoding="utf-8")
        (output / "checkpoint-old").mkdir()
        said: list[str] = []
        train.train(whole | {"resume": True}, lambda event, **fields: said.append(fields.get("message", event)))
        self.assertIn("removed the damaged checkpoint checkpoint-6", said)
        self.assertIn("resumed from checkpoint-4", said)
        self.assertEqual((output / "adapter" / "adapter_model.safetensors").read_bytes(), expected)
        self.assertTrue((output / "checkpoint-old").is_dir())

    def test_a_data_file_that_cannot_be_read(self) -> None:
        with self.assertRaisesRegex(BadInput, "cannot read the data file"):
            train.train(self.job("folder", train=str(fixture.root)), lambda *_, **__: None)


class Adapters(unittest.TestCase):
    """Stop tokens, merging and best checkpoints, in this process."""

    def test_stop_token_rows_train_and_merge(self) -> None:
        for tied in (True, False):
            with self.subTest(tied=tied):
                base = fixture.root / f"stop-{tied}"
                make_tiny(base, tied=tied)
                output = fixture.root / f"stop-{tied}-out"
                job = fixture.stage2(output, None, base_model=str(base), max_steps=4)
                job["lora"] = job["lora"] | {"train_stop_tokens": True}
                train.train(check_job(job), lambda *_, **__: None)
                merged = fixture.root / f"stop-{tied}-merged"
                merge = {"protocol": 1, "kind": "merge", "base_model": str(base), "output": str(merged)}
                models.merge(check_job(merge | {"adapter": str(output / "adapter")}))
                before, after = models.load_model(str(base)), models.load_model(str(merged))
                stop = models.load_tokenizer(str(base)).convert_tokens_to_ids("<|im_end|>")
                for rows in (lambda m: m.get_input_embeddings().weight, lambda m: m.get_output_embeddings().weight):
                    changed = (rows(before) != rows(after)).any(dim=1).nonzero().flatten().tolist()
                    self.assertEqual(changed, [stop])
                adapted = PeftModel.from_pretrained(before, output / "adapter")
                ids = torch.arange(3, 40)[None]
                with torch.no_grad():
                    self.assertLess((adapted(ids).logits - after(ids).logits).abs().max().item(), 1e-4)

    def test_early_stopping_keeps_the_best(self) -> None:
        # The validation answers are the training answers' opposite, so that learning makes them less likely.
        opposite = [{"messages": [*chat(n)[:2], {"role": "assistant", "content": "fox " * 12}]} for n in range(4)]
        valid = write_jsonl(fixture.root / "opposite.jsonl", opposite)
        output = fixture.root / "early"
        job = fixture.stage2(
            output, None, valid=valid, learning_rate=0.03, eval_steps=3, early_stopping_patience=2, max_steps=90
        )
        result = train.train(check_job(job), lambda *_, **__: None)
        history = [json.loads(line) for line in (output / "training_log.jsonl").read_text().splitlines()]
        evals = {entry["step"]: entry["eval_loss"] for entry in history if "eval_loss" in entry and entry["step"]}
        best = min(evals, key=lambda step: evals[step])
        self.assertEqual(result["adapter_step"], best)
        self.assertEqual(result["steps"], best + 6)
        self.assertLess(result["steps"], 90)

    def test_resuming_with_other_settings_is_refused(self) -> None:
        output = fixture.root / "other"
        job = fixture.stage2(output, None, max_steps=2)
        train.train(check_job(job), lambda *_, **__: None)
        with self.assertRaisesRegex(BadInput, "other settings"):
            train.train(check_job(job | {"resume": True, "learning_rate": 2e-3}), lambda *_, **__: None)

    def test_a_broken_move_leaves_the_old_folder(self) -> None:
        job = {"protocol": 1, "kind": "import_base", "source": str(fixture.model), "output": str(fixture.root / "copy")}
        models.import_base(check_job(job), print)
        saved = (fixture.root / "copy" / "model.safetensors").read_bytes()
        with (
            mock.patch("models.sync_folder", side_effect=OSError(errno.ENOSPC, "No space left")),
            self.assertRaises(OSError),
        ):
            models.import_base(check_job(job), print)
        self.assertEqual((fixture.root / "copy" / "model.safetensors").read_bytes(), saved)
        config = json.loads((fixture.root / "copy" / "tokenizer_config.json").read_text())
        self.assertEqual(config["chat_template"], CHATML)
        self.assertFalse((fixture.root / "copy" / "chat_template.jinja").exists())


def ignore(*_: Any, **__: Any) -> None:
    """What an event is sent to that nobody reads."""


class Grafting(unittest.TestCase):
    """What was trained on one model, added to the weights of another."""

    def trained(self, name: str, base: Path, **lora: Any) -> Path:
        """An adapter for the base model, after four steps."""
        output = fixture.root / f"graft-{name}"
        job = fixture.stage2(output, None, base_model=str(base), max_steps=4, learning_rate=1e-2)
        train.train(check_job(job | {"lora": job["lora"] | lora}), lambda *_, **__: None)
        return output / "adapter"

    def graft(self, base: Path, onto: Path, adapter: Path, output: Path, *more_adapters: Path) -> dict[str, Any]:
        job = {"protocol": 1, "kind": "graft", "base_model": str(base), "onto": str(onto), "output": str(output)}
        adapters = [str(each) for each in (adapter, *more_adapters)]
        more = {"adapters": adapters, "dtype": "bfloat16", "chat_template": CHATML}
        return graft.graft(check_job(job | more), lambda *_, **__: None)

    def test_the_difference_is_added_exactly(self) -> None:
        for tied in (True, False):
            with self.subTest(tied=tied):
                base, onto, output = (fixture.root / f"graft-{role}-{tied}" for role in ("base", "onto", "out"))
                make_tiny(base, tied=tied)
                make_tiny(onto, tied=tied, seed=8)
                adapter = self.trained(f"rows-{tied}", base, train_stop_tokens=True)
                result = self.graft(base, onto, adapter, output)
                self.assertEqual(result["matrices"], 14)  # seven in each of two layers
                self.assertEqual(result["rows"], 1 if tied else 2)
                self.assertEqual((result["tensors"], result["tokens"]), (27 - tied, len(make_tokenizer())))
                self.assertEqual(result["differs"], [])
                self.check_sum(base, onto, adapter, output)

    def check_sum(self, base: Path, onto: Path, adapter: Path, output: Path) -> None:
        weights, start, parts = (
            load_file(folder / name)
            for folder, name in (
                (output, "model.safetensors"),
                (base, "model.safetensors"),
                (adapter, "adapter_model.safetensors"),
            )
        )
        stop = models.load_tokenizer(str(base)).convert_tokens_to_ids("<|im_end|>")
        changed = 0
        for name, own in load_file(onto / "model.safetensors").items():
            expected, key = own.bfloat16(), "base_model.model." + name.removesuffix(".weight")
            if key + ".lora_A.weight" in parts:
                expected += (parts[key + ".lora_B.weight"] @ parts[key + ".lora_A.weight"] * 2).bfloat16()
            if key + ".token_adapter.trainable_tokens_delta" in parts:
                trained = parts[key + ".token_adapter.trainable_tokens_delta"][0]
                expected[stop] = (expected[stop].float() + (trained - start[name][stop])).bfloat16()
            self.assertEqual(weights[name].dtype, torch.bfloat16)
            self.assertTrue(torch.equal(weights[name], expected), name)
            changed += not torch.equal(weights[name], own.bfloat16())
        self.assertEqual(changed, 14 + sum("token_adapter" in name for name in parts))

    def test_onto_its_own_base_it_is_a_merge(self) -> None:
        adapter, outputs = self.trained("own", fixture.model), [fixture.root / f"graft-own-{n}" for n in range(2)]
        result = self.graft(fixture.model, fixture.model, adapter, outputs[0])
        self.assertEqual((result["gap"], result["rows"]), (0, 0))
        merge = {"protocol": 1, "kind": "merge", "base_model": str(fixture.model), "output": str(outputs[1])}
        models.merge(check_job(merge | {"adapter": str(adapter), "dtype": "bfloat16", "chat_template": CHATML}))
        for path in sorted(outputs[0].iterdir()):
            self.assertEqual(path.read_bytes(), (outputs[1] / path.name).read_bytes(), path.name)

    def test_two_adapters_that_follow_each_other(self) -> None:
        """Stage 1 merged, stage 2 on top of it: onto the base itself, the graft is what merging twice comes to."""
        first, second = (fixture.root / f"graft-merged-{n}" for n in (1, 2))
        one = self.trained("first", fixture.model, train_stop_tokens=True)
        merge = {"protocol": 1, "kind": "merge", "dtype": "bfloat16", "chat_template": CHATML}
        models.merge(check_job(merge | {"base_model": str(fixture.model), "adapter": str(one), "output": str(first)}))
        two = self.trained("second", first, train_stop_tokens=True)
        models.merge(check_job(merge | {"base_model": str(first), "adapter": str(two), "output": str(second)}))
        both = fixture.root / "graft-both"
        self.graft(fixture.model, fixture.model, one, both, two)
        expected = load_file(second / "model.safetensors")
        for name, weights in load_file(both / "model.safetensors").items():
            if "embed" not in name:
                self.assertTrue(torch.equal(weights, expected[name]), name)
            # Row + (trained - row) loses the last bits of the row.
            self.assertTrue(torch.allclose(weights.float(), expected[name].float(), rtol=0, atol=1e-3), name)

    def test_models_that_are_no_pair(self) -> None:
        adapter = self.trained("pair", fixture.model)
        for name, options, message in (
            ("wide", {"hidden": 128}, "its hidden_size is 128, that of the base model 64"),
            ("untied", {"tied": False}, "its tie_word_embeddings is False"),
        ):
            other = fixture.root / f"graft-{name}"
            make_tiny(other, **options)
            with self.assertRaisesRegex(BadInput, message):
                self.graft(fixture.model, other, adapter, fixture.root / "graft-no")
        with self.assertRaisesRegex(BadInput, "cannot read config.json"):
            self.graft(fixture.model, fixture.root, adapter, fixture.root / "graft-no")
        with self.assertRaisesRegex(BadInput, "is no model folder"):
            self.graft(fixture.model, fixture.root / "absent", adapter, fixture.root / "graft-no")
        for name, change, message in (
            ("config.json", lambda c: c.update(num_attention_heads=2), "num_attention_heads is 2, that of the base"),
            ("tokenizer.json", self.swap, r"'a' is \d+ in the base model, and \d+ in the one to graft onto"),
            ("tokenizer.json", lambda t: t["model"]["merges"].pop(), r"split text otherwise \(their model\)"),
        ):
            other = fixture.root / "graft-changed"
            shutil.rmtree(other, ignore_errors=True)
            shutil.copytree(fixture.model, other)
            content = json.loads((other / name).read_text(encoding="utf-8"))
            change(content)
            (other / name).write_text(json.dumps(content), encoding="utf-8")
            with self.assertRaisesRegex(BadInput, message):
                self.graft(fixture.model, other, adapter, fixture.root / "graft-no")
        self.assertFalse((fixture.root / "graft-no").exists())
        with self.assertRaisesRegex(BadInput, "b is absent in the base model, and of shape"):
            graft.check_shapes({"a": [1]}, {"a": [1], "b": [2]})

    def swap(self, content: dict[str, Any]) -> None:
        vocab = content["model"]["vocab"]
        vocab["a"], vocab["b"] = vocab["b"], vocab["a"]

    def test_what_is_no_difference_is_refused(self) -> None:
        for name, lora, message in (
            ("dora", {"dora": True}, "DoRA cannot be grafted"),
            ("whole", {"modules_to_save": ["norm"]}, "norm.weight is trained as a whole"),
        ):
            adapter = self.trained(name, fixture.model, **lora)
            with self.assertRaisesRegex(BadInput, message):
                self.graft(fixture.model, fixture.model, adapter, fixture.root / "graft-no")

    def test_the_gap_is_that_of_the_paper(self) -> None:
        other = fixture.root / "graft-other"
        make_tiny(other, seed=8)
        with graft.ExitStack() as stack:
            base, onto = (graft.Weights(folder, stack) for folder in (fixture.model, other))
            self.assertAlmostEqual(graft.gap(base, onto), 0.5**0.5, delta=0.01)
            self.assertEqual(graft.gap(base, base), 0)


class FastLanguageModel:
    """A stand-in for Unsloth's: it takes what its own takes (2026.10.9), keeps it, and goes by PEFT."""

    calls: ClassVar[list[dict[str, Any]]] = []

    @classmethod
    def from_pretrained(
        cls,
        model_name: str,
        max_seq_length: int,
        dtype: Any,
        load_in_4bit: bool,
        device_map: Any,
        fix_tokenizer: bool,
        use_gradient_checkpointing: Any,
        use_exact_model_name: bool,
        offload_embedding: Any,
        random_state: int,
        quantization_config: Any = None,
    ) -> tuple[Any, None]:
        cls.calls.append({key: value for key, value in locals().items() if key != "cls"})
        return models.load_model(model_name, dtype=torch.float32), None

    @classmethod
    def get_peft_model(
        cls,
        model: Any,
        r: int,
        target_modules: Any,
        lora_alpha: int,
        lora_dropout: float,
        bias: str,
        use_gradient_checkpointing: Any,
        random_state: int,
        max_seq_length: int,
        use_rslora: bool,
        **more: Any,
    ) -> Any:
        named = {key: value for key, value in locals().items() if key not in ("cls", "model", "more")}
        cls.calls.append(named | more)
        for key in ("use_gradient_checkpointing", "random_state", "max_seq_length"):
            named.pop(key)
        return get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **named, **more))


class Unsloth(unittest.TestCase):
    """The engine up to its kernels. The real one has not run here: it needs a GPU."""

    def job(self, name: str, **changes: Any) -> dict[str, Any]:
        changes = {"engine": "unsloth", "precision": "auto", "device": "auto"} | changes
        return fixture.stage2(fixture.root / name, changes.pop("adapter", None), **changes)

    def train(self, job: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Trains with the stand-in, on the CPU; returns the calls' arguments, later ones over earlier, and params."""
        FastLanguageModel.calls.clear()
        said: dict[str, Any] = {}

        def emit(event: str, **fields: Any) -> None:
            said.update({fields["name"]: fields["value"]} if event == "param" else {event: fields})

        stand_in = mock.Mock(FastLanguageModel=FastLanguageModel)
        with (
            mock.patch.dict(sys.modules, {"unsloth": stand_in}),
            mock.patch("train.resolve_hardware", return_value=("cpu", "fp32")),
            mock.patch("train.nf4_config", side_effect=lambda job, dtype: ("nf4", job["double_quant"], dtype)),
        ):
            train.train(check_job(job), emit)
        return {key: value for call in FastLanguageModel.calls for key, value in call.items()}, said

    def test_what_it_is_called_with(self) -> None:
        lora = fixture.stage1(fixture.root)["lora"] | {"rslora": True, "targets": ["q_proj", "v_proj"]}
        job = self.job("unsloth", lora=lora, gradient_checkpointing=True, quantization="nf4", double_quant=True)
        job |= {"max_steps": 2, "eval_steps": 1}
        called, said = self.train(job)
        expected = {
            "model_name": job["base_model"],
            "use_exact_model_name": True,
            "max_seq_length": 64,
            "dtype": torch.float32,
            "load_in_4bit": True,
            "quantization_config": ("nf4", True, torch.float32),
            "device_map": {"": 0},
            "fix_tokenizer": False,
            "offload_embedding": False,
            "use_gradient_checkpointing": "unsloth",
            "random_state": 7,
            "r": 4,
            "lora_alpha": 8,
            "lora_dropout": 0.1,
            "target_modules": ["q_proj", "v_proj"],
            "bias": "none",
            "use_rslora": True,
            "use_dora": False,
        }
        self.assertEqual(called, expected)
        self.assertEqual((said["engine"], said["attention"]), ("unsloth", "unsloth"))
        self.assertEqual(said["environment"]["engine"], "unsloth")
        written = json.loads((fixture.root / "unsloth" / "training_config.json").read_text())
        self.assertEqual(written["engine"], "unsloth")
        self.assertEqual(written["lora.modules"], ["q_proj", "v_proj"])

    def test_all_else_is_the_same(self) -> None:
        """With the stand-in's arithmetic, which is PEFT's, both engines give the same losses and adapters."""
        first = fixture.root / "unsloth-first"
        self.train(self.job("unsloth-first", max_steps=3))
        train.train(
            check_job(self.job("trl-first", engine="trl", device="cpu", precision="fp32", max_steps=3)),
            lambda *_, **__: None,
        )
        self.train(self.job("unsloth-second", adapter=first / "adapter", max_steps=3))
        job = self.job(
            "trl-second", adapter=first / "adapter", engine="trl", device="cpu", precision="fp32", max_steps=3
        )
        train.train(check_job(job), lambda *_, **__: None)
        for stage in ("first", "second"):
            for name in ("training_log.jsonl", "adapter/adapter_model.safetensors"):
                ours, theirs = (fixture.root / f"{engine}-{stage}" / name for engine in ("unsloth", "trl"))
                self.assertEqual(ours.read_bytes(), theirs.read_bytes(), (stage, name))

    def test_an_adapter_of_another_shape_is_refused(self) -> None:
        first = fixture.root / "unsloth-narrow"
        lora = fixture.stage1(fixture.root)["lora"]
        self.train(self.job("unsloth-narrow", lora=lora | {"targets": ["q_proj"]}, max_steps=1))
        job = self.job("unsloth-wide", adapter=first / "adapter", lora=lora | {"targets": ["q_proj", "v_proj"]})
        with self.assertRaisesRegex(BadInput, "does not fit: 4 weights are missing"):
            self.train(job)

    def test_what_it_does_not_do(self) -> None:
        lora = fixture.stage1(fixture.root)["lora"]
        for changes, key in (
            ({"lora": lora | {"train_stop_tokens": True}}, "train_stop_tokens"),
            ({"lora": lora | {"modules_to_save": ["lm_head"]}}, "modules_to_save"),
            ({"attention": "flash_attention_2"}, "attention"),
            ({"precision": "fp32"}, "precision"),
            ({"device": "cpu"}, "device"),
        ):
            with self.assertRaisesRegex(BadInput, f"engine unsloth does not go with this .*{key}"):
                check_job(self.job("refused", **changes))
            check_job(self.job("taken", **changes, engine="trl"))

    def test_where_it_cannot_run(self) -> None:
        job = check_job(self.job("nowhere"))
        with self.assertRaisesRegex(BadInput, "needs an NVIDIA GPU"):
            train.resolve_hardware(job)
        with (
            mock.patch("torch.cuda.is_available", return_value=True),
            mock.patch("torch.cuda.is_bf16_supported", return_value=False),
            self.assertRaisesRegex(BadInput, "computes in bf16"),
        ):
            train.resolve_hardware(job)
        with self.assertRaisesRegex(BadInput, "before transformers"):
            unsloth_engine.load_first()
        with mock.patch.dict(sys.modules):
            for name in ("transformers", "trl", "peft"):
                del sys.modules[name]
            with self.assertRaisesRegex(BadInput, "does not have the package unsloth"):
                unsloth_engine.load_first()
            with (
                mock.patch("importlib.util.find_spec", return_value=object()),
                self.assertRaisesRegex(BadInput, "this machine shows none"),
            ):
                unsloth_engine.load_first()
        with (
            mock.patch("torch.cuda.is_available", return_value=True),
            mock.patch.dict("os.environ", WORLD_SIZE="2"),
            self.assertRaisesRegex(BadInput, "one GPU"),
        ):
            unsloth_engine.require_one_gpu()

    def test_models_that_it_would_load_otherwise(self) -> None:
        job = check_job(self.job("models"))
        fits = mock.Mock(model_type="qwen2", max_position_embeddings=64)
        unsloth_engine.require_model(job, fits)
        with self.assertRaisesRegex(BadInput, "is gemma3"):
            unsloth_engine.require_model(job, mock.Mock(model_type="gemma3", max_position_embeddings=64))
        with self.assertRaisesRegex(BadInput, "more than the 32 positions"):
            unsloth_engine.require_model(job, mock.Mock(model_type="qwen2", max_position_embeddings=32))
        for message, kind in (
            ("Unsloth: Could not find a valid pad token", "bad_input"),
            ("CUDA out of memory", "out_of_memory"),
        ):
            with (
                mock.patch.object(FastLanguageModel, "from_pretrained", side_effect=RuntimeError(message)),
                self.assertRaises((BadInput, RuntimeError)) as caught,
            ):
                self.train(self.job("unloaded"))
            self.assertEqual(classify(caught.exception).kind, kind)


class Quantizing(unittest.TestCase):
    """A file of the package's own writer, read back: matrices close to what they were, all else untouched."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="quantize-test-")
        self.addCleanup(folder.cleanup)
        self.source, self.output = Path(folder.name) / "f16.gguf", Path(folder.name) / "q8.gguf"
        generator = np.random.default_rng(1)
        self.tensors = {
            "token_embd.weight": generator.normal(size=(40, 64)).astype(np.float16),
            "odd.weight": generator.normal(size=(8, 50)).astype(np.float16),
            "norm.weight": generator.normal(size=64).astype(np.float32),
        }
        writer = GGUFWriter(self.source, "llama")
        writer.add_file_type(1)
        writer.add_name("tiny")
        writer.add_token_list(["a", "b", "<|im_end|>"])
        writer.add_token_types([1, 1, 3])
        for name, value in self.tensors.items():
            writer.add_tensor(name, value)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    def test_round_trip(self) -> None:
        job = {
            "protocol": 1,
            "kind": "quantize",
            "source": str(self.source),
            "output": str(self.output),
            "type": "q8_0",
        }
        result = quantize(check_job(job), ignore)
        self.assertRegex(result["tool"], r"^gguf \d")
        read = GGUFReader(self.output)
        self.assertEqual(read.fields["general.name"].contents(), "tiny")
        self.assertEqual(read.fields["general.file_type"].contents(), 7)
        self.assertEqual(read.fields["tokenizer.ggml.tokens"].contents(), ["a", "b", "<|im_end|>"])
        types = {tensor.name: tensor.tensor_type.name for tensor in read.tensors}
        self.assertEqual(types, {"token_embd.weight": "Q8_0", "odd.weight": "F16", "norm.weight": "F32"})
        for tensor in read.tensors:
            value = quants.dequantize(tensor.data, tensor.tensor_type)
            np.testing.assert_allclose(value, self.tensors[tensor.name].astype(np.float32), atol=0.02)
        self.assertEqual(sorted(path.name for path in self.output.parent.iterdir()), ["f16.gguf", "q8.gguf"])

    def test_what_is_no_model(self) -> None:
        self.source.write_bytes(b"not a model, but long enough to be read as the head of one")
        for source in (self.source, self.source.with_name("absent.gguf")):
            with self.assertRaises(BadInput):
                quantize({"source": str(source), "output": str(self.output), "type": "q8_0"}, ignore)
        self.assertFalse(self.output.exists())

    def test_what_needs_llama_cpp(self) -> None:
        with self.assertRaisesRegex(BadInput, "cannot write q4_k_m"):
            quantize({"source": str(self.source), "output": str(self.output), "type": "q4_k_m"}, ignore)
        self.assertEqual([path.name for path in self.output.parent.iterdir()], ["f16.gguf"])


class Failures(unittest.TestCase):
    def test_kinds(self) -> None:
        wrapped = RuntimeError("writing failed")
        wrapped.__cause__ = OSError(errno.ENOSPC, "full")
        for error, kind in (
            (BadInput("no"), "bad_input"),
            (MemoryError(), "out_of_memory"),
            (torch.OutOfMemoryError("CUDA out of memory."), "out_of_memory"),
            (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out_of_memory"),
            (wrapped, "no_space"),
            (RuntimeError("I/O error: No space left on device (os error 28)"), "no_space"),
            (RuntimeError("[enforce fail at inline_container.cc:671] . unexpected pos 576 vs 534"), "no_space"),
            (OSError(errno.EFBIG, "File too large"), "no_space"),
            # As torch 2.15 said it on a disk of 460 kB.
            (RuntimeError("[enforce fail at inline_container.cc:671] . unexpected pos 32384 vs 32272"), "no_space"),
            (ModuleNotFoundError("No module named 'bitsandbytes'", name="bitsandbytes"), "missing_package"),
            (KeyError("x"), "internal"),
        ):
            self.assertEqual(classify(error).kind, kind, error)
        self.assertIn("bitsandbytes", classify(ImportError("x", name="bitsandbytes")).message)

    def test_every_train_key_is_needed_and_no_other_is_taken(self) -> None:
        job = fixture.stage2(fixture.root / "keys", None)
        self.assertEqual(set(job), set(KINDS["train"]) | {"protocol", "kind"})
        for key in KINDS["train"]:
            with self.assertRaisesRegex(BadInput, f"missing key {key} "):
                check_job({name: value for name, value in job.items() if name != key})
            with self.assertRaisesRegex(BadInput, f"key {key} must be|key lora"):
                check_job(job | {key: object()})
        for key in ("learning_rte", "lora_r"):
            with self.assertRaisesRegex(BadInput, f"unknown key {key}"):
                check_job(job | {key: 1})
        self.assertEqual(check_job(job)["keep"], DEFAULTS["train"]["keep"][1])

    def test_nothing_that_json_lacks_is_sent(self) -> None:
        sent = finite({"result": {"losses": [1.5, float("nan")], "best": float("inf")}, "step": 3})
        self.assertEqual(sent, {"result": {"losses": [1.5, None], "best": None}, "step": 3})

    def test_a_name_that_no_hub_knows(self) -> None:
        with (
            mock.patch.object(models.AutoTokenizer, "from_pretrained", side_effect=OSError("offline\nmore")),
            self.assertRaises(BadInput) as caught,
        ):
            models.load_tokenizer("owner/name")
        self.assertEqual(
            caught.exception.message, "there is no folder owner/name, and the model hub gave no such model: offline"
        )

    def test_a_service_needs_its_package(self) -> None:
        with (
            mock.patch("importlib.util.find_spec", return_value=None),
            self.assertRaisesRegex(BadInput, "asks for mlflow"),
        ):
            train.require_services(["mlflow"])
        with self.assertRaisesRegex(BadInput, "report_to must be"):
            check_job(fixture.stage2(fixture.root / "services", None, report_to=["elsewhere"]))

    def test_nf4_needs_a_gpu(self) -> None:
        job = check_job(fixture.stage2(fixture.root / "nf4", None, quantization="nf4"))
        with self.assertRaisesRegex(BadInput, "NVIDIA"):
            train.resolve_hardware(job)

    def test_nf4_configuration(self) -> None:
        job = check_job(fixture.stage2(fixture.root / "nf4", None, quantization="nf4", double_quant=True))
        with mock.patch.dict(sys.modules, {"bitsandbytes": None}), self.assertRaises(ImportError) as caught:
            train.nf4_config(job, torch.bfloat16)
        self.assertEqual(classify(caught.exception).kind, "missing_package")
        with mock.patch.dict(sys.modules, {"bitsandbytes": mock.Mock()}):
            config = train.nf4_config(job, torch.bfloat16)
            sharded = train.nf4_config(job | {"sharding": "fsdp"}, torch.bfloat16)
        self.assertEqual(config.bnb_4bit_quant_type, "nf4")
        self.assertTrue(config.bnb_4bit_use_double_quant)
        self.assertEqual((config.bnb_4bit_quant_storage, sharded.bnb_4bit_quant_storage), (torch.uint8, torch.bfloat16))


class Worker:
    """A worker process, driven as the program drives it."""

    def __init__(self) -> None:
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        assert self.process.stdin
        assert self.process.stdout
        self.requests, self.replies = self.process.stdin, self.process.stdout
        self.heartbeats = 0
        self.hello = self.read()

    def read(self) -> dict[str, Any]:
        """The next event. Every line must be JSON."""
        line = self.replies.readline()
        if not line:
            raise EOFError
        event = json.loads(line)
        if event["event"] == "heartbeat":
            self.heartbeats += 1
            return self.read()
        return event

    def send(self, line: str) -> None:
        self.requests.write(line + "\n")
        self.requests.flush()

    def start(self, job: Any) -> Iterator[dict[str, Any]]:
        """Sends a job and yields its events, done or failed included."""
        path = fixture.root / "job.json"
        path.write_text(json.dumps(job), encoding="utf-8")
        self.send(json.dumps({"job": str(path)}))
        return self.events()

    def events(self) -> Iterator[dict[str, Any]]:
        while True:
            event = self.read()
            yield event
            if event["event"] in ("done", "failed"):
                return

    def run(self, job: Any) -> list[dict[str, Any]]:
        return list(self.start(job))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.close()

    def close(self) -> None:
        self.requests.close()
        self.process.wait(timeout=20)
        self.replies.close()
        self.log.close()


class Process(unittest.TestCase):
    """The protocol, and kill -9, with real processes. In one test, because starting a process takes seconds."""

    def test_two_stages_killed_and_resumed(self) -> None:
        whole, torn = fixture.root / "whole", fixture.root / "torn"
        worker = self.worker()
        self.assertEqual((worker.hello["event"], worker.hello["protocol"]), ("hello", 1))
        events = worker.run(fixture.stage1(whole / "1"))
        self.check_events(events)
        self.check_events(worker.run(self.stage2(whole / "2", whole / "1" / "adapter")))
        self.check_bad_requests(worker)
        self.check_nan(worker)
        self.assertGreater(worker.heartbeats, 0)
        worker.close()
        self.assertEqual(worker.process.returncode, 0)

        self.kill_in(self.worker(), fixture.stage1(torn / "1"))
        (torn / "1" / "checkpoint-99").mkdir()  # newest, but torn
        (torn / "1" / "checkpoint-99" / "adapter_model.safetensors").write_bytes(b"torn")
        worker = self.worker()
        events = worker.run(fixture.stage1(torn / "1", resume=True))
        messages = [event["message"] for event in events if event["event"] == "log"]
        self.assertEqual(messages[0], "removed the incomplete checkpoint checkpoint-99")
        self.assertRegex(messages[1], r"^resumed from checkpoint-(4|8|10|12)$")
        self.compare(whole / "1", torn / "1")
        self.kill_in(worker, self.stage2(torn / "2", torn / "1" / "adapter"))

        worker = self.worker()
        events = worker.run(self.stage2(torn / "2", torn / "1" / "adapter", resume=True))
        self.assertEqual(events[-1]["event"], "done", events[-1])
        self.compare(whole / "2", torn / "2")
        self.check_killed_after_the_last_step(worker, whole / "2", torn / "2", torn / "1" / "adapter")
        self.check_end_of_input(worker)

    def stage2(self, output: Path, adapter: Path, **changes: Any) -> dict[str, Any]:
        """In bf16, while stage 1 is in fp32: both are killed and resumed."""
        return fixture.stage2(output, adapter, precision="bf16", **changes)

    def worker(self) -> Worker:
        worker = Worker()
        self.addCleanup(worker.process.kill)
        return worker

    def check_events(self, events: list[dict[str, Any]]) -> None:
        self.assertEqual(events[-1]["event"], "done", events[-1])
        self.assertEqual(events[0]["event"], "started")
        steps = [event for event in events if event["event"] == "step"]
        self.assertEqual([event["step"] for event in steps], list(range(1, 31)))
        self.assertEqual([e["step"] for e in events if e["event"] == "eval"], [0, 10, 20, 30])
        params = {event["name"]: event["value"] for event in events if event["event"] == "param"}
        self.assertEqual((params["learning_rate"], params["lora.r"], params["steps"]), (1e-3, 4, 30))
        result = events[-1]["result"]
        self.assertEqual(result["tokens"], steps[-1]["tokens"])
        self.assertLess(result["eval_loss_last"], result["eval_loss_first"])
        checkpoints = sorted(path.name for path in Path(result["adapter"]).parent.glob("checkpoint-*"))
        # The last two; 28 was saved when step 20 was the best so far.
        self.assertEqual(checkpoints, ["checkpoint-20", "checkpoint-28", "checkpoint-30"])

    def check_bad_requests(self, worker: Worker) -> None:
        worker.send("garbage")
        self.assertEqual(list(worker.events())[-1]["kind"], "bad_input")
        worker.send('{"job": "nowhere.json"}')
        self.assertRegex(list(worker.events())[-1]["message"], "no such job file")
        empty, weightless = fixture.root / "empty", fixture.root / "weightless"
        empty.mkdir()
        weightless.mkdir()
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
            (weightless / name).write_bytes((fixture.model / name).read_bytes())
        broken = fixture.root / "broken.jsonl"
        broken.write_text('{"messages": 3}\n', encoding="utf-8")
        job = fixture.stage2(fixture.root / "bad", None)
        for changes, message in (
            ({"protocol": 2}, "speaks protocol 1, the job speaks 2"),
            ({"kind": "bake"}, "unknown kind of job 'bake'"),
            ({"learning_rte": 1}, "unknown key learning_rte"),
            ({"batch_size": 0}, "key batch_size must be a whole number of at least 1, found 0"),
            ({"lora": {"r": 1}}, "missing key lora.alpha"),
            ({"scheduler": "zigzag"}, "zigzag"),
            ({"optimizer": "adamm"}, "adamm"),
            ({"base_model": str(fixture.root / "none")}, "no such model folder"),
            ({"base_model": str(empty)}, "is empty"),
            ({"base_model": str(weightless)}, "holds no weights"),
            ({"train": str(fixture.root / "none.jsonl")}, "no such data file"),
            ({"train": str(broken)}, "broken.jsonl line 1 holds"),
            ({"train": fixture.text}, 'line 1 is not an object with the key "messages"'),
            ({"max_length": 8}, "no row of .* is left"),
            ({"adapter_in": str(empty)}, "no adapter in"),
            ({"chat_template": None}, "needs a chat_template"),
            ({"required_tokens": ["<|im_end|>", "<|nowhere|>"]}, "<.nowhere.> is not one token of the base model"),
            ({"lora": job["lora"] | {"targets": ["q_prj"]}}, "lora settings do not fit"),
            (
                {"device": "cuda", "max_steps": 1} if not torch.cuda.is_available() else {"kind": ""},
                "cuda is not|unknown kind",
            ),
        ):
            failed = worker.run(job | changes)[-1]
            self.assertEqual((failed["event"], failed.get("kind")), ("failed", "bad_input"), failed)
            self.assertRegex(failed["message"], message)

    def check_nan(self, worker: Worker) -> None:
        output = fixture.root / "nan"
        events = worker.run(fixture.stage2(output, None, learning_rate=1e30, save_steps=1, warmup_ratio=0.0))
        self.assertEqual((events[-1]["event"], events[-1].get("kind")), ("failed", "nan_loss"), events[-1])
        saved = [event for event in events if event["event"] == "checkpoint"]
        self.assertIn("checkpoint-" if saved else "before any checkpoint", events[-1]["message"])
        self.assertFalse((output / "adapter").exists())

    def kill_in(self, worker: Worker, job: dict[str, Any]) -> None:
        """kill -9 as soon as a first checkpoint exists."""
        for event in worker.start(job):
            if event["event"] == "checkpoint":
                break
        worker.kill()
        self.assertFalse((Path(job["output"]) / "adapter").exists(), "the job was over before it could be killed")

    def compare(self, whole: Path, torn: Path) -> None:
        for name in ("training_log.jsonl", "adapter/adapter_model.safetensors"):
            self.assertEqual((whole / name).read_bytes(), (torn / name).read_bytes(), name)

    def check_killed_after_the_last_step(self, worker: Worker, whole: Path, torn: Path, adapter: Path) -> None:
        for path in (*torn.glob("training_*"), *torn.glob("adapter/*")):
            path.unlink()
        (torn / "adapter").rmdir()
        events = worker.run(self.stage2(torn, adapter, resume=True))
        self.assertEqual([event for event in events if event["event"] == "step"], [])
        self.assertEqual(events[-1]["event"], "done", events[-1])
        self.compare(whole, torn)

    def check_end_of_input(self, worker: Worker) -> None:
        job = fixture.stage1(fixture.root / "orphan", max_steps=100_000, epochs=100_000)
        for event in worker.start(job):
            if event["event"] == "step":
                break
        began = time.monotonic()
        worker.close()
        self.assertEqual(worker.process.returncode, 0)
        self.assertLess(time.monotonic() - began, 5)


class GenerateTest(unittest.TestCase):
    """Answers and likelihoods against transformers' own, one at a time."""

    temporary: tempfile.TemporaryDirectory[str]
    folder: Path
    common: dict[str, Any]

    @classmethod
    def setUpClass(cls) -> None:
        cls.temporary = tempfile.TemporaryDirectory(prefix="generate-test-")
        cls.folder = Path(cls.temporary.name) / "tiny"
        make_tiny(cls.folder)
        cls.common = {
            "protocol": 1,
            "base_model": str(cls.folder),
            "adapter": None,
            "precision": "fp32",
            "device": "cpu",
        }

    @classmethod
    def tearDownClass(cls) -> None:
        generate.kept.clear()
        cls.temporary.cleanup()

    def answers(self, prompts: list[dict[str, Any]], **settings: Any) -> list[dict[str, Any]]:
        job = self.common | {"kind": "generate", "prompts": prompts, "max_tokens": 12, "temperature": 0, "seed": 1}
        events: list[dict[str, Any]] = []
        generate.generate(
            check_job(job | {"stop": ["<|im_end|>"]} | settings),
            lambda event, **fields: events.append({"event": event, **fields}),
        )
        return sorted((e for e in events if e["event"] == "answer"), key=lambda e: e["index"])

    def test_a_batch_answers_like_single_questions(self) -> None:
        prompts: list[dict[str, Any]] = [{"messages": chat(n)[:2]} for n in range(3)] + [{"prompt": "for i = 1 to"}]
        together = self.answers(prompts)
        for index, prompt in enumerate(prompts):
            alone = self.answers([prompt])[0]
            self.assertEqual(together[index]["text"], alone["text"])
            self.assertEqual(together[index]["prompt_tokens"], alone["prompt_tokens"])
            self.assertEqual(together[index]["tokens"], alone["tokens"])

    def test_greedy_takes_the_likeliest_token(self) -> None:
        model, tokenizer, _ = generate.load(check_job(self.perplexity("x")), lambda *_, **__: None)
        ids = tokenizer("print total", add_special_tokens=False)["input_ids"]
        found: list[int] = []
        with torch.inference_mode():
            for _ in range(12):
                found.append(int(model(input_ids=torch.tensor([ids + found])).logits[0, -1].argmax()))
        answer = self.answers([{"prompt": "print total"}], stop=[])[0]
        ends = [place for place, token in enumerate(found) if token == tokenizer.eos_token_id]
        self.assertEqual(answer["text"], tokenizer.decode(found[: ends[0] if ends else 12], skip_special_tokens=True))

    def test_tokens_and_their_margins_are_told(self) -> None:
        model, tokenizer, _ = generate.load(check_job(self.perplexity("x")), lambda *_, **__: None)
        prompts = [{"prompt": "print total"}, {"prompt": "open a file and print what is in it"}]
        for prompt, answer in zip(prompts, self.answers(prompts), strict=True):
            ids = tokenizer(prompt["prompt"], add_special_tokens=False)["input_ids"]
            self.assertEqual(answer["prompt_ids"], ids)
            self.assertEqual((len(answer["ids"]), len(answer["margins"])), (answer["tokens"], answer["tokens"]))
            with torch.inference_mode():
                logits = model(input_ids=torch.tensor([ids + answer["ids"]])).logits[0, len(ids) - 1 : -1]
            first, second = logits.topk(2).values.unbind(-1)
            self.assertEqual(answer["ids"], logits.argmax(-1).tolist())
            for told, found in zip(answer["margins"], (first - second).tolist(), strict=True):
                self.assertAlmostEqual(told, found, places=3)

    def test_stop_texts_end_an_answer(self) -> None:
        whole = self.answers([{"prompt": "print total"}])[0]["text"]
        stop = whole[len(whole) // 2 : len(whole) // 2 + 2]
        cut = self.answers([{"prompt": "print total"}], stop=[stop])[0]
        self.assertEqual((cut["text"], cut["stopped"]), (whole[: whole.index(stop)], True))

    def test_a_seed_repeats_what_is_drawn(self) -> None:
        draw = [self.answers([{"prompt": "open"}], temperature=2.0, seed=seed)[0]["text"] for seed in (1, 1, 2)]
        self.assertEqual(draw[0], draw[1])
        self.assertNotEqual(draw[0], draw[2])

    def test_a_prompt_that_is_too_long_fails_alone(self) -> None:
        long, short = self.answers([{"prompt": "print " * 2000}, {"prompt": "print"}])
        self.assertIn("the model has room for 1012", long["error"])
        self.assertNotIn("error", short)

    def perplexity(self, texts: str, **settings: Any) -> dict[str, Any]:
        return self.common | {"kind": "perplexity", "texts": texts, "max_length": 512} | settings

    def test_the_loss_of_pieces_is_that_of_the_whole(self) -> None:
        rows = [{"text": sentence(n, 60)} for n in range(3)]
        path = write_jsonl(Path(self.temporary.name) / "texts.jsonl", rows)
        model, tokenizer, _ = generate.load(check_job(self.perplexity(path)), lambda *_, **__: None)
        expected = 0.0
        for row in rows:
            ids = torch.tensor([tokenizer(row["text"], add_special_tokens=False)["input_ids"]])
            with torch.inference_mode():
                expected += model(input_ids=ids, labels=ids).loss.item() * (ids.shape[1] - 1)
        whole = generate.perplexity(check_job(self.perplexity(path)), lambda *_, **__: None)
        self.assertAlmostEqual(whole["nll"], expected, places=2)
        self.assertEqual((whole["texts"], whole["bytes"]), (3, sum(len(row["text"]) for row in rows)))
        pieces = generate.perplexity(check_job(self.perplexity(path, max_length=20)), lambda *_, **__: None)
        self.assertEqual(pieces["tokens"], whole["tokens"])
        # A random model hardly looks back, so that what a piece forgets changes little.
        self.assertAlmostEqual(pieces["nll"] / whole["nll"], 1, places=1)

    def test_nothing_to_measure_is_refused(self) -> None:
        path = write_jsonl(Path(self.temporary.name) / "empty.jsonl", [{"text": ""}])
        with self.assertRaises(BadInput):
            generate.perplexity(check_job(self.perplexity(path)), lambda *_, **__: None)


if __name__ == "__main__":
    unittest.main()
