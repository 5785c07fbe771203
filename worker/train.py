"""The train job: one stage of LoRA training with TRL's loop, from JSONL files to an adapter folder.

Read from the top: train() is the whole story, and what it calls follows in the order of use. The inspect job goes the
same way up to the batches, without a model.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import json
import math
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from types import MethodType
from typing import Any

import datasets
import torch
import transformers
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import (
    BitsAndBytesConfig,
    GenerationConfig,
    PreTrainedTokenizerBase,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    set_seed,
)
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.utils import is_flash_attn_2_available
from trl import SFTConfig, SFTTrainer, pack_dataset
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

import distributed
import masks
import unsloth_engine
from encode import IGNORE, Encoded, documents, encode_chat, encode_rows, expect, read_rows, render, verify_batch
from jobs import LORA_HINT, BadInput, NanLoss, first_line
from models import (
    Emit,
    check_adapter,
    fresh_partial,
    load_model,
    load_tokenizer,
    publish,
    report_environment,
    sync_folder,
    write_json,
    write_text,
)
from packing import fill

Job = dict[str, Any]


@dataclass
class Split:
    """One file of a stage: its rows as read, as token ids, and as the sequences that the trainer draws from."""

    read: dict[int, Any]
    encoded: Encoded
    sequences: Dataset

    @cached_property
    def lengths(self) -> list[int]:
        return [len(ids) for ids in self.sequences["input_ids"]]


# Where a job finds files may change between two starts, and so may the number of threads and of processes, and who
# hears of the losses; the rest may not.
PLACES = (
    "output",
    "train",
    "valid",
    "base_model",
    "adapter_in",
    "resume",
    "threads",
    "processes",
    "sharding",
    "report_to",
)
WATCHING = ("sample_prompts", "sample_every", "sample_tokens", "rungs")  # has no effect on what is trained


@dataclass
class Stage:
    """What a stage starts from, with every auto resolved."""

    job: Job
    emit: Emit
    device: str
    precision: str
    tokenizer: PreTrainedTokenizerBase
    train: Split
    valid: Split

    @property
    def output(self) -> Path:
        return Path(self.job["output"])

    @cached_property
    def fingerprint(self) -> str:
        """Identifies settings and data, so that a checkpoint is never continued with others."""
        settings = {key: value for key, value in self.job.items() if key not in PLACES + WATCHING}
        content = json.dumps([settings, self.train.encoded.rows, self.valid.encoded.rows], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


def train(job: Job, emit: Emit) -> dict[str, Any]:
    """Runs one stage and returns the result of the done event. Several processes may do so together: distributed.py."""
    started = time.monotonic()
    stage = prepare(job, emit if distributed.first() else silent)
    inspection = inspect_rows(job, stage.tokenizer, stage.train, stage.valid, [])
    if inspection.refused:
        raise BadInput(inspection.refused, inspection.hint)
    stage.output.mkdir(parents=True, exist_ok=True)
    checkpoint = agreed_checkpoint(stage)
    trainer = Trainer(stage)
    report_data(stage)
    batch = next(iter(trainer.loader(stage.train, rank=0)))
    verify_batch(batch, expect(stage.train.encoded.rows))
    verify_batch(next(iter(trainer.loader(stage.valid, rank=0))), expect(stage.valid.encoded.rows))
    if stage.device == "cuda":  # where kernels come from elsewhere; on the CPU a test holds it
        trainer.verify_apart(batch)
    config = report_params(stage, trainer)
    trainer.run(checkpoint)
    if not distributed.first():
        return {}
    return finish(stage, trainer, config, time.monotonic() - started)


def silent(*_: Any, **__: Any) -> None:
    """What the processes beside the first have to say."""


def inspect(job: Job, emit: Emit) -> dict[str, Any]:
    """The mask report of a stage: what train() would train on, batch by batch, without the model."""
    quiet()
    report_environment(emit, "cpu", "fp32")
    tokenizer, train_split, valid_split = prepare_rows(job)
    collate = collator(job, tokenizer)
    for split in (train_split, valid_split):
        expected = expect(split.encoded.rows)
        for batch in batches(job, split):
            verify_batch(collate([split.sequences[place] for place in batch]), expected)
    return asdict(inspect_rows(job, tokenizer, train_split, valid_split, job["lines"]))


def prepare(job: Job, emit: Emit) -> Stage:
    quiet()
    require_services(job["report_to"])
    device, precision = resolve_hardware(job)
    require_shares(job)
    distributed.join(device)
    report_environment(emit, device, precision, job["threads"], job["engine"])
    if device == "cpu":
        keep_freed_memory()
    return Stage(job, emit, device, precision, *prepare_rows(job))


def quiet() -> None:
    transformers.utils.logging.set_verbosity_warning()
    transformers.utils.logging.disable_progress_bar()
    datasets.utils.logging.disable_progress_bar()


# The rows, up to the batches that the trainer draws from them


def prepare_rows(job: Job) -> tuple[PreTrainedTokenizerBase, Split, Split]:
    tokenizer = load_tokenizer(job["base_model"], job["chat_template"])
    require_tokens(tokenizer, job["required_tokens"])
    train_split, valid_split = (read_split(tokenizer, job, split) for split in ("train", "valid"))
    return tokenizer, train_split, valid_split


def inspect_rows(
    job: Job, tokenizer: PreTrainedTokenizerBase, train_split: Split, valid_split: Split, lines: list[int]
) -> masks.Inspection:
    counted = []
    for name, split in (("train", train_split), ("valid", valid_split)):
        figures = masks.count(name, job, tokenizer, split.read, split.encoded)
        lengths = split.lengths
        masks.place_tokens(
            figures,
            job["max_length"],
            [[lengths[place] for place in batch] for batch in batches(job, split)],
            job["packing"] != "none",
        )
        counted.append(figures)
    same = ("stage", "loss", "format", "max_length", "overlong", "zero_rows", "packing", "batch_size")
    shown = masks.show(tokenizer, train_split.encoded, lines, train_split.read)
    return masks.judge(
        masks.Inspection(**{key: job[key] for key in same}, train=counted[0], valid=counted[1], rows=shown)
    )


def batches(job: Job, split: Split) -> list[list[int]]:
    """The batches of the first epoch, as places of sequences."""
    return list(Deal(row_order(job, split.lengths), job["batch_size"]))


def row_order(job: Job, lengths: list[int]) -> EpochOrder:
    return EpochOrder(lengths, job["seed"], job["batch_size"] if job["group_by_length"] else 0)


def collator(job: Job, tokenizer: PreTrainedTokenizerBase) -> DataCollatorForLanguageModeling:
    """The one that the library's trainer makes itself; a test holds the two against each other."""
    return DataCollatorForLanguageModeling(pad_token_id=tokenizer.pad_token_id, padding_free=job["packing"] != "none")


def require_services(names: list[str]) -> None:
    """What reports to a service is not among the pinned packages: nothing leaves the machine unless it is asked for."""
    for name in names:
        if not importlib.util.find_spec(name):
            raise BadInput(
                f"tracking asks for {name}, and the Python environment does not have that package",
                f"uv pip install --python {sys.executable} {name}; or set tracking to tensorboard",
            )


def require_tokens(tokenizer: PreTrainedTokenizerBase, tokens: list[str]) -> None:
    """Texts that are written in tokens which the model does not have would teach it to spell them out."""
    for token in tokens:
        if len(tokenizer(token, add_special_tokens=False)["input_ids"]) != 1:
            raise BadInput(
                f"{token} is not one token of the base model",
                "name the model's own tokens in data.fim, or leave that out",
            )


def resolve_hardware(job: Job) -> tuple[str, str]:
    """(device, precision) with every auto resolved, or BadInput where the machine lacks what was asked for."""
    several = distributed.size() > 1  # which Apple's GPU cannot be
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available() and not several,
        "cpu": True,
    }
    device = job["device"]
    if device == "auto":
        device = next(name for name, here in present.items() if here)
    if not present[device]:
        raise BadInput(f"device {device} is not available on this machine", "set device to auto or cpu")
    if job["quantization"] == "nf4" and device != "cuda":
        raise BadInput("quantization nf4 needs an NVIDIA GPU", "set quantization to none")
    engine = job.get("engine", "trl")
    if engine == "unsloth" and device != "cuda":
        raise BadInput("engine unsloth needs an NVIDIA GPU", "set engine to trl")
    precision = job["precision"]
    if precision == "auto":
        precision = "bf16" if has_bf16(device) else "fp32"
    if engine == "unsloth" and precision != "bf16":
        raise BadInput("engine unsloth computes in bf16, which this GPU does not do", "set engine to trl")
    return device, precision


def require_shares(job: Job) -> None:
    """Every process must have as many batches of a step as the others."""
    workers, batches_a_step = distributed.size(), job["gradient_accumulation"]
    if job["sharding"] == "fsdp" and workers == 1:
        raise BadInput("sharding fsdp needs several processes, and this is one", "set sharding to none")
    if batches_a_step % workers:
        more = -(-batches_a_step // workers) * workers
        raise BadInput(
            f"{workers} processes cannot share the {batches_a_step} batches of a step evenly",
            f"set gradient_accumulation to {more}, or take a number of workers that divides {batches_a_step}",
        )


def has_bf16(device: str) -> bool:
    """Whether bf16 is the faster choice. Support on MPS is partial, and a CPU without the instructions emulates it."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported()
    capabilities = torch.cpu.get_capabilities() if device == "cpu" else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


# mallopt's parameters, as glibc's malloc.h numbers them.
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8


def keep_freed_memory() -> None:
    """Lets the next step reuse what this one frees.

    By default glibc hands large blocks back to the system at once, so that each step of a training on the CPU gets its
    tensors anew, page by page, each page zeroed. docs/benchmarks.md has what that costs.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    for parameter, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_ARENA_MAX, 1)):
        mallopt(parameter, value)


def read_split(tokenizer: PreTrainedTokenizerBase, job: Job, name: str) -> Split:
    read = read_rows(job[name], job["format"])
    try:
        encoded = encode_rows(tokenizer, read, job["format"], job["loss"], job["max_length"], job["overlong"])
    except BadInput as error:
        raise BadInput(f"{job[name]} {error.message}", error.hint) from None
    if not encoded.rows:
        raise BadInput(
            f"no row of {job[name]} is left to use: {len(read)} read, {encoded.dropped_overlong} longer than "
            f"max_length {job['max_length']}, {encoded.dropped_no_answer} without a trained token",
            "raise max_length, or look at the data",
        )
    if name == "valid":
        # Short next to short: a validation batch is then nearly free of padding, and its order does not matter.
        encoded.sort_by_length()
    return Split(read, encoded, sequences_of(encoded, job))


# How full sequences must at least be for the quick way of packing to do.
WELL_FILLED = 0.98


def sequences_of(encoded: Encoded, job: Job) -> Dataset:
    """The rows as the trainer takes them, packed where that is asked for.

    All rows are packed together. Left to itself the library packs a thousand at a time, and the last sequence of each
    thousand stays half empty. Where its best fit is not good enough, another way is tried.
    """
    rows = Dataset.from_list(encoded.rows)
    if job["packing"] == "none":
        return rows
    most = job["max_length"]
    packed = pack_dataset(rows, most, job["packing"], {"batch_size": len(rows)})
    if encoded.tokens >= WELL_FILLED * most * len(packed):
        return packed
    filled = fill([len(row["input_ids"]) for row in encoded.rows], most)
    return packed if len(filled) >= len(packed) else join(encoded.rows, filled)


def join(rows: list[dict[str, list[int]]], sequences: list[list[int]]) -> Dataset:
    """Packed rows, as the library makes them: seq_lengths says where each document ends."""
    columns: dict[str, list[list[int]]] = {
        key: [[token for place in places for token in rows[place][key]] for places in sequences]
        for key in ("input_ids", "labels")
    }
    columns["seq_lengths"] = [[len(rows[place]["input_ids"]) for place in places] for places in sequences]
    return Dataset.from_dict(columns)


# Checkpoints. complete.json is written last; a folder without it is what a crash left behind. It lists the files with
# their hashes: what a disk or a person did to them afterwards is noticed before anything is resumed from them.


def agreed_checkpoint(stage: Stage) -> Path | None:
    """The checkpoint that all processes go on from: rank 0 looks for it, and removes what cannot be used."""
    found = find_checkpoint(stage) if distributed.first() else None
    name = distributed.told(found and found.name, stage.device)
    if name and not (stage.output / name / "complete.json").is_file():
        raise BadInput(
            f"rank 0 goes on from {name}, and the output folder of rank {distributed.rank()} does not have it",
            "give all processes a folder that they share",
        )
    return stage.output / name if name else None


def find_checkpoint(stage: Stage) -> Path | None:
    """The newest checkpoint that a job can go on from. What cannot be used is removed; without resume, all is."""
    whole: dict[str, dict[str, Any]] = {}
    for folder in checkpoints(stage.output):
        wrong = damage(folder) if stage.job["resume"] else ""
        if wrong:
            stage.emit("log", level="warning", message=f"removed the {wrong} checkpoint {folder.name}")
        if wrong or not stage.job["resume"]:
            remove_checkpoint(folder)
            continue
        whole[folder.name] = read_complete(folder)
        if whole[folder.name]["fingerprint"] != stage.fingerprint:
            raise BadInput(
                "the checkpoints in the output folder were made with other settings or data",
                "set resume to false to start anew, or choose another output folder",
            )
    for name in reversed(whole):
        best = whole[name]["best"]
        if best is None or f"checkpoint-{best}" in whole or stage.job["keep"] == "last":
            return stage.output / name
        # Its best adapter so far is lost: it has to be trained once more.
        stage.emit("log", level="warning", message=f"removed {name}, because checkpoint-{best} is gone")
        remove_checkpoint(stage.output / name)
    return None


def checkpoints(output: Path) -> list[Path]:
    """All checkpoint folders, oldest step first."""
    return sorted(
        (folder for folder in output.glob("checkpoint-*") if folder.name.rpartition("-")[2].isdecimal()),
        key=lambda folder: int(folder.name.rpartition("-")[2]),
    )


def damage(folder: Path) -> str:
    """What is wrong with a checkpoint, in a word, or nothing."""
    if not (folder / "complete.json").is_file():
        return "incomplete"
    try:
        expected = read_complete(folder)["files"]
        return "" if expected == {name: hash_file(folder / name) for name in expected} else "damaged"
    except (OSError, ValueError, KeyError, TypeError):
        return "damaged"


def hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_checkpoint(folder: Path) -> None:
    """Its mark goes first, so that a kill in the middle cannot leave one that looks complete."""
    (folder / "complete.json").unlink(missing_ok=True)
    shutil.rmtree(folder)


def read_complete(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "complete.json").read_text(encoding="utf-8"))


# The model


def build_model(stage: Stage) -> PeftModel:
    """The base model with a trainable adapter: a new one, or adapter_in continued."""
    job = stage.job
    dtype = torch.bfloat16 if stage.precision == "bf16" else torch.float32
    quantization = nf4_config(job, dtype) if job["quantization"] == "nf4" else None
    if job["adapter_in"]:
        check_same_lora(job, check_adapter(job["adapter_in"]))
    if job["engine"] == "unsloth":
        return unsloth_engine.build_model(job, quantization, dtype)
    options: dict[str, Any] = {"dtype": dtype, "attn_implementation": resolve_attention(stage)}
    if quantization:
        options |= {"quantization_config": quantization, "device_map": {"": distributed.gpu()}}
    model = load_model(job["base_model"], **options)
    model.config.use_cache = False
    if job["adapter_in"]:
        return PeftModel.from_pretrained(model, job["adapter_in"], is_trainable=True)
    try:
        return get_peft_model(model, lora_config(job, model, stage.tokenizer))
    except ValueError as error:
        raise BadInput(f"the lora settings do not fit the model: {first_line(error)}", LORA_HINT) from error


# Above this length the scores that eager attention keeps for the backward pass outweigh what it gains.
EAGER_LENGTH = 512


def resolve_attention(stage: Stage) -> str:
    """Packed rows are kept apart by a mask that sdpa computes in full; flash attention skips what is masked.

    On a CPU in bf16, sdpa's kernel is slower than plain matrix products at short lengths.
    """
    job = stage.job
    if job["attention"] != "auto":
        return job["attention"]
    if stage.device == "cpu" and stage.precision == "bf16" and job["max_length"] <= EAGER_LENGTH:
        return "eager"
    return "flash_attention_2" if stage.device == "cuda" and is_flash_attn_2_available() else "sdpa"


def nf4_config(job: Job, dtype: torch.dtype) -> BitsAndBytesConfig:
    import bitsandbytes  # noqa: F401  a missing package is named here, not deep inside the loading code

    # What is sharded must be numbers of one type, so the 4-bit weights are kept in the guise of the others'.
    storage = {"bnb_4bit_quant_storage": dtype} if job["sharding"] == "fsdp" else {}
    return BitsAndBytesConfig(
        **storage,
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=job["double_quant"],
        bnb_4bit_compute_dtype=dtype,
    )


def lora_config(job: Job, model: Any, tokenizer: PreTrainedTokenizerBase) -> LoraConfig:
    lora = job["lora"]
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=lora["r"],
        lora_alpha=lora["alpha"],
        lora_dropout=lora["dropout"],
        target_modules=lora["targets"],
        use_rslora=lora["rslora"],
        use_dora=lora["dora"],
        modules_to_save=lora["modules_to_save"] or None,
        trainable_token_indices=stop_token_rows(job, model, tokenizer) if lora["train_stop_tokens"] else None,
    )


def stop_token_rows(job: Job, model: Any, tokenizer: PreTrainedTokenizerBase) -> dict[str, list[int]]:
    """The embedding rows of the token that ends a turn, which base models such as Qwen2.5 never trained.

    Where input and output embeddings are tied, peft carries the input's rows over; elsewhere both are named.
    """
    stop = end_of_turn(job, tokenizer)
    layers = [model.get_input_embeddings()]
    if not model.config.tie_word_embeddings:
        layers.append(model.get_output_embeddings())
    return {
        name.rpartition(".")[2]: [stop] for name, module in model.named_modules() if any(module is x for x in layers)
    }


def end_of_turn(job: Job, tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that ends an answer: the template's, or the end-of-sequence token where there is none."""
    if not job["chat_template"]:
        return tokenizer.eos_token_id
    ids, mask = encode_chat(tokenizer, [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])
    return max((place, token) for place, (token, bit) in enumerate(zip(ids, mask, strict=True)) if bit)[1]


def check_same_lora(job: Job, found: dict[str, Any]) -> None:
    """An adapter that is continued keeps its shape; a job that asks for another one is mistaken."""
    asked = {
        "r": job["lora"]["r"],
        "lora_alpha": job["lora"]["alpha"],
        "use_rslora": job["lora"]["rslora"],
        "use_dora": job["lora"]["dora"],
    }
    for key, value in asked.items():
        if found[key] != value:
            raise BadInput(
                f"adapter_in has {key} {found[key]}, the job asks for {value}", "give both stages the same lora"
            )
    if bool(found.get("trainable_token_indices")) != job["lora"]["train_stop_tokens"]:
        raise BadInput("adapter_in and the job disagree about train_stop_tokens", "give both stages the same lora")


# The loop


class Trainer(SFTTrainer):
    """TRL's trainer for collating, packing and the loop; order, loss, evaluation and checkpoints are stated here."""

    state: TrainerState
    control: TrainerControl

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.job = stage.job
        self.emit = stage.emit
        self.tokens = 0  # real tokens seen, without padding
        self.trained_tokens = 0
        self.seconds = 0.0  # of training, over all starts
        self.samples: list[dict[str, Any]] = []  # all answers so far
        self.turn = 0  # which of this process's batches of a step comes next
        set_seed(self.job["seed"])  # the adapter is initialised from the same numbers in every job
        model = build_model(stage)
        if self.job["sharding"] == "fsdp":
            distributed.shard(model, stage.device)
        distributed.share_gradients_alone(model)
        super().__init__(
            model=model,
            args=sft_config(stage),
            train_dataset=stage.train.sequences,
            eval_dataset=stage.valid.sequences,
            processing_class=stage.tokenizer,
            callbacks=[Flow(self)],
        )
        self.remove_callback(PrinterCallback)
        self.remove_callback(ProgressCallback)
        self.prompts = sample_prompts(stage.valid.read, self.job["sample_prompts"])
        self.full_logits = stage.device != "cuda" and not scales_logits(model.config)
        if self.full_logits:
            model.forward = MethodType(forward_loss, model)

    def run(self, checkpoint: Path | None) -> None:
        if checkpoint:
            complete = read_complete(checkpoint)
            self.tokens, self.trained_tokens = complete["tokens"], complete["trained_tokens"]
            self.seconds = complete["seconds"]
            self.emit("log", level="info", message=f"resumed from {checkpoint.name}")
            # Whoever was killed may not have heard of them.
            self.samples = json.loads((checkpoint / "samples.json").read_text(encoding="utf-8"))
            for sample in self.samples:
                self.emit("samples", **sample)
            state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
            for rung in rungs(self.job, state.log_history):
                self.emit("rung", steps=state.max_steps, finished=complete["finished"], **rung)
            if complete["finished"]:  # killed after the last step: nothing is left to train
                self.state = state
                return
        self.args.eval_on_start = checkpoint is None  # the history of a resumed run already begins with it
        self.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)

    def get_train_dataloader(self) -> Loader:
        return self.loader(self.stage.train)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Loader:
        return self.loader(self.stage.valid)

    def loader(self, split: Split, rank: int | None = None) -> Loader:
        """The batches of one process. The library's own way would repeat rows until all have the same number."""
        if split is self.stage.train:
            order: EpochOrder | range = row_order(self.job, split.lengths)
        else:
            order = range(len(split.lengths))
        rank = distributed.rank() if rank is None else rank
        deal = Deal(order, self.job["batch_size"], rank, distributed.size())
        pin = self.stage.device == "cuda"
        return Loader(split.sequences, batch_sampler=deal, collate_fn=self.collate, pin_memory=pin)

    def collate(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """An empty batch is computed like any other, for the sake of the other processes, and trains nothing."""
        return self.data_collator(rows or [{"input_ids": [0, 0], "labels": [IGNORE, IGNORE], "seq_lengths": [2]}])

    def get_batch_samples(self, *args: Any) -> tuple[list[dict[str, torch.Tensor]], Any]:
        """The batches of a step, with the number of trained tokens in those of all processes."""
        self.turn = 0
        batches, items = super().get_batch_samples(*args)
        counted = [counts(batch) for batch in batches]
        sums = [sum(each) for each in zip(*counted, strict=True)]
        tokens, trained = distributed.total(sums, self.stage.device)
        self.tokens += int(tokens)
        self.trained_tokens += int(trained)
        return batches, items

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        # What dropout leaves out of a batch follows from its number in the training: not from what was drawn before
        # it, nor from which process has it.
        number = self.turn * distributed.size() + distributed.rank()
        torch.manual_seed(seed_of(self.job["seed"], self.state.global_step, number))
        self.turn += 1
        loss = super().training_step(model, inputs, num_items_in_batch)
        if not torch.isfinite(loss):
            raise self.nan_loss(f"the loss became {loss.item()} at step {self.state.global_step + 1}")
        return loss

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Mean negative log-likelihood of the trained tokens.

        TRL's fused head is made for GPUs: elsewhere it scores every position, prompts included, and computes the
        logits again in the backward pass. On the CPU the logits of the trained positions alone are cheaper.
        """
        if not self.full_logits:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        with self.accelerator.autocast():
            total = model(**inputs)
        if num_items_in_batch is None:
            return total / (inputs["labels"][:, 1:] != IGNORE).sum()
        # The number is that of all processes, over which gradients and losses are averaged.
        return total * distributed.size() / num_items_in_batch

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Validation loss over tokens. The library averages over batches, so its value moves with the batch size."""
        self.model.eval()
        total, tokens = 0.0, 0.0
        for batch in self.get_eval_dataloader():
            count = int((batch["labels"][:, 1:] != IGNORE).sum())
            with torch.no_grad(), self.compute_loss_context_manager():
                loss = self.compute_loss(self.model, self._prepare_inputs(batch)).item()
            if count:  # an empty batch has no mean
                total += loss * count
            tokens += count
        total, tokens = distributed.total([total, tokens], self.stage.device)
        metrics = {"eval_loss": total / tokens, "eval_tokens": int(tokens)}
        self.log(metrics)
        # Where the weights are laid out, answering takes all processes, too.
        if distributed.first() or self.job["sharding"] == "fsdp":
            self.sample()
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def verify_apart(self, batch: dict[str, torch.Tensor]) -> None:
        """Fails where a packed document sees its neighbours: the loss of the last one must not change with them."""
        if "position_ids" not in batch or len(found := documents(batch)) < 2:
            return
        before = batch["input_ids"].shape[1] - len(found[-1][0])
        labels, others = batch["labels"].clone(), batch["input_ids"].clone()
        labels[0, :before] = IGNORE
        others[0, :before] = others[0, :before].flip(0)
        self.model.eval()
        with torch.no_grad(), self.compute_loss_context_manager():
            losses = [
                self.compute_loss(self.model, self._prepare_inputs(batch | {"input_ids": ids, "labels": labels})).item()
                for ids in (batch["input_ids"], others)
            ]
        if not math.isclose(*losses, rel_tol=APART[self.stage.precision]):
            raise BadInput(
                f"packed rows see one another on this machine: a row's loss is {losses[0]:.4f}, and {losses[1]:.4f} "
                "beside other rows",
                "set packing to none, or another engine",
            )

    def sample(self) -> None:
        """Answers a few validation prompts, greedily, for the program to judge while training goes on."""
        done = sum("eval_loss" in entry for entry in self.state.log_history)
        if not self.prompts or (done - 1) % self.job["sample_every"]:
            return
        tokenizer = self.stage.tokenizer
        texts = [render(tokenizer, messages, True) for messages in self.prompts.values()]
        batch = tokenizer(texts, add_special_tokens=False, padding=True, padding_side="left", return_tensors="pt")
        stops = [tokenizer.eos_token_id, end_of_turn(self.job, tokenizer)]
        config = GenerationConfig(
            do_sample=False,
            max_new_tokens=self.job["sample_tokens"],
            eos_token_id=stops,
            pad_token_id=tokenizer.pad_token_id,
            use_cache=True,
        )
        # Greedy decoding draws no random numbers; whatever the library might draw is given back.
        devices = [torch.cuda.current_device()] if self.stage.device == "cuda" else []
        with torch.random.fork_rng(devices), torch.no_grad(), self.accelerator.autocast():
            ids = self.model.generate(**batch.to(self.model.device), generation_config=config)
        answers = []
        for line, row in zip(self.prompts, ids[:, batch["input_ids"].shape[1] :].tolist(), strict=True):
            end = min((row.index(stop) for stop in stops if stop in row), default=len(row))
            text = tokenizer.decode(row[:end], skip_special_tokens=True)
            answers.append({"line": line, "text": text, "tokens": end, "stopped": end < len(row)})
        self.samples.append({"step": self.state.global_step, "answers": answers})
        self.emit("samples", **self.samples[-1])

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Keeps what is the same after a resume; timings go out as events alone."""
        self._metrics["train"].clear()
        self._metrics["eval"].clear()
        if "loss" not in logs and "eval_loss" not in logs:
            return  # the library's summary at the end
        now = {"step": self.state.global_step, "epoch": round(self.epochs(), 6), "tokens": self.tokens}
        known = logs | now
        entry = {key: known[key] for key in LOGGED if key in known}
        self.state.log_history.append(entry)
        self.control = self.callback_handler.on_log(self.args, self.state, self.control, entry)

    def epochs(self) -> float:
        """How often all rows were seen, by the number of batches; the library counts those of one process."""
        every = math.ceil(len(self.stage.train.lengths) / self.job["batch_size"])
        epoch, step = divmod(self.state.global_step, math.ceil(every / self.job["gradient_accumulation"]))
        return epoch + min(step * self.job["gradient_accumulation"], every) / every

    def store_flos(self) -> None:
        """The library asks all processes for theirs, at a time when rank 0 saves alone. Nothing reads their sum."""

    def _save_rng_state(self, output_dir: str) -> None:
        """Every batch has a seed of its own: no state of a generator is needed to go on."""

    def _load_rng_state(self, checkpoint: str | None) -> None:
        pass

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Saves, flushes, then writes complete.json, and only then removes what is no longer needed."""
        if not all(torch.isfinite(weight).all() for weight in self.model.parameters() if weight.requires_grad):
            raise self.nan_loss(f"a weight became infinite or undefined by step {self.state.global_step}")
        if not distributed.first():
            return
        folder = self.stage.output / f"checkpoint-{self.state.global_step}"
        try:
            super()._save_checkpoint(model, trial)
            self.complete(folder)
        except Exception:
            shutil.rmtree(folder, ignore_errors=True)  # on a full disk it would be in the way of everything else
            raise
        kept = checkpoints(self.stage.output)[-self.job["save_total_limit"] :]
        needed = {f"checkpoint-{read_complete(each)['best']}" for each in kept}
        for old in checkpoints(self.stage.output):
            if old not in kept and old.name not in needed:
                remove_checkpoint(old)
        self.emit("checkpoint", step=self.state.global_step, path=str(folder))
        for rung in rungs(self.job, self.state.log_history):
            if rung["step"] == self.state.global_step:
                finished = self.control.should_training_stop
                self.emit("rung", steps=self.state.max_steps, finished=finished, **rung)

    def complete(self, folder: Path) -> None:
        """Marks a checkpoint as complete, once all of it is on disk."""
        write_json(folder / "samples.json", self.samples)
        sync_folder(folder)
        best = best_eval(self.state.log_history)
        write_json(
            folder / "complete.json",
            {
                "step": self.state.global_step,
                "best": best and best["step"],
                "tokens": self.tokens,
                "trained_tokens": self.trained_tokens,
                "seconds": round(self.seconds, 3),
                "finished": self.control.should_training_stop,
                "fingerprint": self.stage.fingerprint,
                "files": {path.name: hash_file(path) for path in sorted(folder.iterdir())},
            },
        )

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """The card is the program's business: it knows the data and the evaluation."""

    def nan_loss(self, what: str) -> NanLoss:
        good = [folder.name for folder in checkpoints(self.stage.output) if not damage(folder)]
        return NanLoss(f"{what}; the last good checkpoint is {good[-1]}" if good else f"{what}, before any checkpoint")


def counts(batch: dict[str, torch.Tensor]) -> tuple[int, int]:
    """The real tokens of a batch and those that are trained; an empty one has neither."""
    trained = int((batch["labels"] != IGNORE).sum())
    mask = batch.get("attention_mask")
    return int(batch["input_ids"].numel() if mask is None else mask.sum()) if trained else 0, trained


def forward_loss(model: PeftModel, labels: torch.Tensor, **inputs: Any) -> torch.Tensor:
    """The forward of a model that is trained without TRL's head: the summed loss of the trained tokens."""
    base = model.get_base_model()
    trained = labels[:, 1:] != IGNORE
    hidden = base.base_model(**inputs, use_cache=False)[0][:, :-1]
    logits = base.get_output_embeddings()(hidden[trained])
    return torch.nn.functional.cross_entropy(logits.float(), labels[:, 1:][trained], reduction="sum")


def seed_of(*numbers: int) -> int:
    return int.from_bytes(hashlib.sha256(repr(numbers).encode()).digest()[:8])


def sample_prompts(read: dict[int, Any], number: int) -> dict[int, list[dict[str, str]]]:
    """The first prompts of the validation file by their hash, each once, by line: the same ones in every run."""
    chosen: dict[str, tuple[int, list[dict[str, str]]]] = {}
    for line, messages in read.items() if number else ():
        turn = next((place for place, message in enumerate(messages) if message["role"] == "assistant"), 0)
        if turn:
            key = hashlib.sha256(json.dumps(messages[:turn]).encode()).hexdigest()
            chosen.setdefault(key, (line, messages[:turn]))
    return dict(chosen[key] for key in sorted(chosen)[:number])


# What rounding may change in a loss, in parts of it. A row that is seen changes more.
APART = {"fp32": 1e-5, "bf16": 2e-3}

LOGGED = ("step", "epoch", "tokens", "loss", "learning_rate", "grad_norm", "eval_loss", "eval_tokens")


class EpochOrder(torch.utils.data.Sampler[int]):
    """The order of the rows: a function of seed and epoch alone, so that a resumed epoch goes on as it began.

    With a batch_size, rows of like length share a batch (less padding) while the batches stay in random order.
    """

    def __init__(self, lengths: list[int], seed: int, batch_size: int) -> None:
        self.lengths = lengths
        self.seed = seed
        self.batch_size = batch_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.lengths), generator=generator).tolist()
        if not self.batch_size:
            return iter(order)
        # The jitter keeps the same rows from meeting in every epoch.
        jitter = (0.9 + 0.2 * torch.rand(len(order), generator=generator)).tolist()
        order.sort(key=lambda row: self.lengths[row] * jitter[row])
        batches = [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]
        short = batches.pop() if len(batches[-1]) < self.batch_size else []  # last, or it would shift all others
        shuffled = torch.randperm(len(batches), generator=generator).tolist()
        return iter([row for batch in shuffled for row in batches[batch]] + short)


class Deal(torch.utils.data.Sampler[list[int]]):
    """The batches of one of several processes: they are dealt in turn, and who would go without has an empty one."""

    def __init__(self, order: EpochOrder | range, batch_size: int, rank: int = 0, processes: int = 1) -> None:
        self.order = order
        self.batch_size = batch_size
        self.rank = rank
        self.processes = processes

    def set_epoch(self, epoch: int) -> None:
        if isinstance(self.order, EpochOrder):
            self.order.set_epoch(epoch)

    def __len__(self) -> int:
        return math.ceil(len(self.order) / (self.batch_size * self.processes))

    def __iter__(self) -> Iterator[list[int]]:
        order = list(self.order)
        for start in range(self.rank, len(self) * self.processes, self.processes):
            yield order[start * self.batch_size : (start + 1) * self.batch_size]


class Loader(torch.utils.data.DataLoader[dict[str, torch.Tensor]]):
    def set_epoch(self, epoch: int) -> None:
        self.batch_sampler.set_epoch(epoch)


class Flow(TrainerCallback):
    """Tells the program what happens, and decides when to evaluate, save and stop beyond the fixed intervals."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.began = 0.0
        self.timed_tokens = 0
        self.timed_seconds = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.timed_tokens = self.trainer.tokens
        self.trainer.emit("param", name="steps", value=state.max_steps)

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.began = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        spent = time.monotonic() - self.began
        self.timed_seconds += spent
        self.trainer.seconds += spent
        if state.global_step >= state.max_steps:
            control.should_log = True

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        if "eval_loss" in logs:
            self.trainer.emit("eval", step=logs["step"], loss=logs["eval_loss"], tokens=logs["eval_tokens"])
            return
        speed = (logs["tokens"] - self.timed_tokens) / max(self.timed_seconds, 1e-9)
        self.timed_tokens, self.timed_seconds = logs["tokens"], 0.0
        self.trainer.emit("step", steps=state.max_steps, tokens_per_s=round(speed, 1), **logs)

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A new best is saved where it was measured, so that the best adapter is always a complete checkpoint.

        So is a rung: whoever ends the job there loses nothing.
        """
        best = best_eval(state.log_history)
        if not best:
            return
        reached = rungs(self.trainer.job, state.log_history)
        if state.global_step in {best["step"], *(rung["step"] for rung in reached)}:
            control.should_save = True
        patience = self.trainer.job["early_stopping_patience"]
        since = sum("eval_loss" in entry and entry["step"] > best["step"] for entry in state.log_history)
        if patience and since >= patience:
            self.trainer.emit("log", level="info", message=f"stopped early: no better since step {best['step']}")
            control.should_training_stop = control.should_save = True


def best_eval(history: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The evaluation with the lowest loss, the first of equals; the one before training does not count."""
    return min(evaluations(history), key=lambda entry: entry["eval_loss"], default=None)


def evaluations(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry for entry in history if "eval_loss" in entry and entry["step"] > 0]


def rungs(job: Job, history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The evaluations so far at which the job is judged against others, the first after training began being 1."""
    return [
        {"evaluation": number, "step": entry["step"], "loss": entry["eval_loss"]}
        for number, entry in enumerate(evaluations(history), 1)
        if number in job["rungs"]
    ]


def scales_logits(config: Any) -> bool:
    """Models that scale or cap their logits after the head (Gemma, Granite, Cohere) need TRL's own loss."""
    names = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier", "output_multiplier")
    return any(getattr(config.get_text_config(), name, None) is not None for name in names)


def sft_config(stage: Stage) -> SFTConfig:
    job, never = stage.job, sys.maxsize
    # Engines come with versions of their own, and the setting was renamed between them.
    named = "activation_checkpointing"
    if named not in SFTConfig.__dataclass_fields__:
        named = "gradient_checkpointing"
    try:
        config = SFTConfig(
            output_dir=job["output"],
            seed=job["seed"],
            use_cpu=stage.device == "cpu",
            bf16=stage.precision == "bf16",
            num_train_epochs=job["epochs"],
            max_steps=job["max_steps"] or -1,
            per_device_train_batch_size=job["batch_size"],
            per_device_eval_batch_size=job["batch_size"],
            gradient_accumulation_steps=job["gradient_accumulation"] // distributed.size(),
            ddp_backend=None if distributed.size() == 1 else "nccl" if stage.device == "cuda" else "gloo",
            ddp_find_unused_parameters=False,
            learning_rate=job["learning_rate"],
            lr_scheduler_type=job["scheduler"],
            warmup_steps=job["warmup_ratio"],  # below 1 it is a share of all steps
            weight_decay=job["weight_decay"],
            max_grad_norm=job["max_grad_norm"],
            optim=job["optimizer"],
            neftune_noise_alpha=job["neftune_alpha"] or None,
            max_length=job["max_length"],
            packing=job["packing"] == "bfd",
            packing_strategy="bfd",
            dataset_kwargs={"skip_prepare_dataset": True},  # the rows are tokenised, labelled and packed already
            eval_strategy="steps",
            eval_steps=job["eval_steps"] or never,
            save_strategy="steps",
            save_steps=job["save_steps"] or never,
            save_total_limit=None,  # the library would remove the old checkpoint before the new one is marked complete
            logging_strategy="steps",
            logging_steps=job["logging_steps"],
            logging_nan_inf_filter=False,  # it would replace a NaN by the mean of the losses before it
            dataloader_pin_memory=stage.device == "cuda",
            report_to=job["report_to"],
            run_name=f"{stage.output.parent.name} {job['stage']}",
            disable_tqdm=True,
            **{named: job["gradient_checkpointing"]},
        )
    except ValueError as error:
        raise BadInput(
            f"the training settings are not valid: {first_line(error)}",
            "docs/recipes.md lists every key and its values",
        ) from error
    config._n_gpu = min(config.n_gpu, 1)  # of several GPUs that one process sees it takes one
    return config


# Reports


def report_data(stage: Stage) -> None:
    for name, split in (("train", stage.train), ("valid", stage.valid)):
        encoded = split.encoded
        packed = {}
        if stage.job["packing"] != "none":
            efficiency = encoded.tokens / (len(split.sequences) * stage.job["max_length"])
            packed = {"packed_sequences": len(split.sequences), "packing_efficiency": round(efficiency, 4)}
        stage.emit(
            "data",
            split=name,
            rows=len(encoded.rows),
            tokens=encoded.tokens,
            trained_tokens=encoded.trained_tokens,
            dropped_overlong=encoded.dropped_overlong,
            dropped_no_answer=encoded.dropped_no_answer,
            truncated=encoded.truncated,
            longest=encoded.longest,
            **packed,
        )


# What is left at the library's defaults and still shapes the result.
LIBRARY = ("adam_beta1", "adam_beta2", "adam_epsilon", "label_smoothing_factor", "loss_type")


def report_params(stage: Stage, trainer: Trainer) -> dict[str, Any]:
    """Every hyperparameter as it really is, one event each, and the whole for training_config.json."""
    job = stage.job
    lora = trainer.model.peft_config["default"]
    config = {key: value for key, value in job.items() if key not in ("protocol", "kind", "lora", "resume", "rungs")}
    config |= {f"lora.{key}": value for key, value in job["lora"].items()}
    config |= {name: getattr(trainer.args, name) for name in LIBRARY}
    config |= {
        "device": stage.device,
        "precision": stage.precision,
        "threads": torch.get_num_threads(),
        "attention": "unsloth" if job["engine"] == "unsloth" else trainer.model.config._attn_implementation,
        "effective_batch": job["batch_size"] * job["gradient_accumulation"],
        "lora.modules": sorted(lora.target_modules),
        "lora.trainable_tokens": lora.trainable_token_indices or {},
        "parameters": sum(weight.numel() for weight in trainer.model.parameters()),
        "trainable_parameters": sum(weight.numel() for weight in trainer.model.parameters() if weight.requires_grad),
        "eos_token": stage.tokenizer.eos_token,
        "pad_token": stage.tokenizer.pad_token,
    }
    for name, value in config.items():
        stage.emit("param", name=name, value=value)
    return config


def finish(stage: Stage, trainer: Trainer, config: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Writes log, configuration and adapter (the adapter last: with it the stage is complete)."""
    output, history = stage.output, trainer.state.log_history
    best = best_eval(history)
    last = checkpoints(output)[-1]
    source = output / f"checkpoint-{best['step']}" if stage.job["keep"] == "best" and best else last
    # Entries that went through a checkpoint come back with their keys sorted.
    lines = [json.dumps({key: entry[key] for key in LOGGED if key in entry}) for entry in history]
    write_text(output / "training_log.jsonl", "\n".join(lines) + "\n")
    write_json(output / "training_config.json", config | {"steps": trainer.state.max_steps})
    partial = fresh_partial(output / "adapter")
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copyfile(source / name, partial / name)
    publish(partial, output / "adapter")

    losses = [entry["loss"] for entry in history if "loss" in entry]
    evals = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    return {
        "adapter": str(output / "adapter"),
        "adapter_step": read_complete(source)["step"],
        "steps": trainer.state.global_step,
        "train_loss_first": losses[0],
        "train_loss_last": losses[-1],
        "eval_loss_first": evals[0],
        "eval_loss_last": evals[-1],
        "best_eval_loss": best["eval_loss"] if best else math.nan,
        "tokens": trainer.tokens,
        "trained_tokens": trainer.trained_tokens,
        "train_seconds": round(trainer.seconds, 3),
        "seconds": round(seconds, 3),
        "peak_memory_mb": peak_memory_mb(config["device"]),
        "dropped_overlong": stage.train.encoded.dropped_overlong,
        "dropped_no_answer": stage.train.encoded.dropped_no_answer,
        "truncated": stage.train.encoded.truncated,
    }


def peak_memory_mb(device: str) -> int | None:
    """Of the GPU, or of this process (over all its jobs); Windows' Python cannot say."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() // 2**20
    try:
        import resource
    except ImportError:
        return None
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit
