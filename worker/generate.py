"""Answers of a model folder, with or without an adapter, and how well it predicts given texts."""

from __future__ import annotations

from typing import Any

import torch
from transformers import LogitsProcessor, LogitsProcessorList, PreTrainedModel, PreTrainedTokenizerBase

from encode import read_rows, render
from jobs import BadInput, first_line
from models import DTYPES, Emit, check_adapter, load_model, load_tokenizer, report_environment

Job = dict[str, Any]
Loaded = tuple[Any, PreTrainedTokenizerBase, str]

# The model of the last job: questions come in many small jobs, and loading takes longer than most of them.
kept: dict[tuple[Any, ...], Loaded] = {}


def generate(job: Job, emit: Emit) -> dict[str, Any]:
    """Answers the prompts, all in one batch, each with an event of its own."""
    model, tokenizer, device = load(job, emit)
    rows = [encode(tokenizer, prompt) for prompt in job["prompts"]]
    room = model.config.max_position_embeddings - job["max_tokens"]
    fitting = [index for index, ids in enumerate(rows) if 0 < len(ids) <= room]
    for index, ids in enumerate(rows):
        if index not in fitting:
            emit(
                "answer", index=index, error=f"the prompt has {len(ids)} tokens, the model has room for {max(room, 0)}"
            )
    if fitting:
        torch.manual_seed(job["seed"])
        batch = pad([rows[index] for index in fitting], tokenizer.pad_token_id, device)
        for index, fields in zip(fitting, answers(job, model, tokenizer, batch), strict=True):
            emit("answer", index=index, prompt_tokens=len(rows[index]), prompt_ids=rows[index], **fields)
    return {"answers": len(fitting)}


def load(job: Job, emit: Emit) -> Loaded:
    from train import keep_freed_memory, resolve_hardware

    key = tuple(job[name] for name in ("base_model", "adapter", "precision", "device"))
    if key not in kept:
        kept.clear()
        device, precision = resolve_hardware(job | {"quantization": "none"})
        report_environment(emit, device, precision, job["threads"])
        if device == "cpu":
            keep_freed_memory()
        tokenizer = load_tokenizer(job["base_model"])
        dtype = DTYPES["bfloat16" if precision == "bf16" else "float32"]
        model = with_adapter(load_model(job["base_model"], dtype=dtype), job["adapter"])
        kept[key] = (model.to(device).eval(), tokenizer, device)
    return kept[key]


def with_adapter(model: PreTrainedModel, adapter: str | None) -> Any:
    """The model with the adapter's weights added, as it is packed."""
    if adapter is None:
        return model
    from peft import PeftModel

    check_adapter(adapter)
    try:
        return PeftModel.from_pretrained(model, adapter).merge_and_unload(safe_merge=True)
    except (RuntimeError, ValueError) as error:
        raise BadInput(
            f"the adapter does not fit the base model: {first_line(error)}",
            "name the base model that it was trained on",
        ) from error


def encode(tokenizer: PreTrainedTokenizerBase, prompt: dict[str, Any]) -> list[int]:
    text = prompt.get("prompt")
    if text is None:
        if not tokenizer.chat_template:
            raise BadInput("the model has no chat template", "ask it with --prompt-form completion")
        text = render(tokenizer, prompt["messages"], prompt=True)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def pad(rows: list[list[int]], filler: int, device: str) -> dict[str, torch.Tensor]:
    """On the left, so that every row goes on at the same place."""
    width = max(map(len, rows))
    ids = [[filler] * (width - len(row)) + row for row in rows]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
    return {"input_ids": torch.tensor(ids, device=device), "attention_mask": torch.tensor(mask, device=device)}


class Margins(LogitsProcessor):  # type: ignore[misc]
    """Notes how far the likeliest token of each step is before the second, in nats, and changes nothing."""

    def __init__(self) -> None:
        self.steps: list[list[float]] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        first, second = scores.float().topk(2, dim=-1).values.unbind(-1)
        self.steps.append((first - second).tolist())
        return scores


def answers(job: Job, model: Any, tokenizer: PreTrainedTokenizerBase, batch: dict[str, torch.Tensor]) -> list[Job]:
    vocabulary = tokenizer.get_vocab()
    ends = {tokenizer.eos_token_id, *(vocabulary[text] for text in job["stop"] if text in vocabulary)}
    texts = [text for text in job["stop"] if text not in vocabulary]
    # Everything that a folder's generation_config may set is stated: greedy means greedy.
    how: Job = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    if job["temperature"] > 0:
        how = {"do_sample": True, "temperature": job["temperature"], "top_p": 1.0, "top_k": 0}
    margins = Margins()
    if not how["do_sample"]:
        how["logits_processor"] = LogitsProcessorList([margins])
    if texts:
        how |= {"stop_strings": texts, "tokenizer": tokenizer}
    with torch.inference_mode():
        out = model.generate(
            **batch,
            max_new_tokens=job["max_tokens"],
            eos_token_id=sorted(ends),
            pad_token_id=tokenizer.pad_token_id,
            repetition_penalty=1.0,
            **how,
        )
    width = batch["input_ids"].shape[1]
    rows = [cut(tokenizer, row[width:].tolist(), ends, texts) for row in out]
    for place, row in enumerate(rows):
        row["margins"] = [step[place] for step in margins.steps[: row["tokens"]]]
    return rows


def cut(tokenizer: PreTrainedTokenizerBase, ids: list[int], ends: set[int], texts: list[str]) -> Job:
    """What stands before the first end."""
    length = next((place for place, token in enumerate(ids) if token in ends), len(ids))
    text = tokenizer.decode(ids[:length], skip_special_tokens=True)
    places = [text.index(stop) for stop in texts if stop in text]
    stopped = length < len(ids) or bool(places)
    kept = ids[: length + 1]  # with the token that ends it
    return {"text": text[: min(places)] if places else text, "stopped": stopped, "tokens": len(kept), "ids": kept}


def perplexity(job: Job, emit: Emit) -> dict[str, Any]:
    """The negative log likelihood of texts, in nats, summed over their tokens; an event for each."""
    model, tokenizer, device = load(job, emit)
    total: dict[str, Any] = {"texts": 0, "bytes": 0, "tokens": 0, "nll": 0.0}
    for index, text in enumerate(read_rows(job["texts"], "text").values()):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        loss = text_loss(model, ids, job["max_length"], device)
        found = {"bytes": len(text.encode()), "tokens": max(len(ids) - 1, 0), "nll": loss}
        emit("text", index=index, **found)
        total["texts"] += 1
        for name, value in found.items():
            total[name] += value
    if not total["tokens"]:
        raise BadInput(f"{job['texts']} holds no text of two tokens or more")
    return total


def text_loss(model: Any, ids: list[int], width: int, device: str) -> float:
    """In pieces of at most width tokens. A piece starts with the last token of the one before, so that every token but
    the first of the text is predicted once."""
    loss = 0.0
    for start in range(0, len(ids) - 1, width - 1):
        piece = torch.tensor([ids[start : start + width]], device=device)
        with torch.inference_mode():
            logits = model(input_ids=piece).logits[0, :-1].float()
        loss += torch.nn.functional.cross_entropy(logits, piece[0, 1:], reduction="sum").item()
    return loss
