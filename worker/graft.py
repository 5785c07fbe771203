"""Graft: what was trained on a Base model, added to the Instruct model of its family (Shadow-FT, arXiv 2505.12716)."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.trainable_tokens.layer import TrainableTokensLayer
from safetensors import safe_open
from transformers import AutoConfig, PreTrainedConfig

from jobs import BadInput, first_line
from models import DTYPES, Emit, check_adapter, load_model, load_tokenizer, save_folder

OTHER_FAMILY = "name the Instruct model of the same family and size"


def graft(job: dict[str, Any], emit: Emit) -> dict[str, Any]:
    """Adds what the adapters add to base_model to the weights of onto, and writes the sum as a folder of its own.

    Of several, each was trained on base_model with those before it merged in.

    A matrix becomes W_onto + B A, a trained row of an embedding row_onto + (row_trained - row_base). The difference is
    computed in 32 bit, rounded to dtype and added there, as a merge with the adapter's own base does it.
    """
    result = check_graft(job, emit)
    for adapter in job["adapters"]:
        check_adapter(adapter)
        check_parts(Path(adapter))
    with ExitStack() as stack:
        base, onto = (Weights(Path(job[key]), stack) for key in ("base_model", "onto"))
        result["gap"] = gap(base, onto)
        model = load_model(job["onto"], dtype=DTYPES[job["dtype"]])
        before: dict[str, torch.Tensor] = {}
        for adapter in job["adapters"]:
            try:
                adapted = PeftModel.from_pretrained(model, adapter)
                result["matrices"] = sum(name.endswith("lora_A") for name, _ in adapted.named_modules())
                result["rows"] = move_rows(adapted, base, before)
                # safe_merge looks for NaN, which a diverged adapter would spread into every layer.
                model = adapted.merge_and_unload(safe_merge=True)
            except (RuntimeError, ValueError) as error:
                raise BadInput(f"the adapter does not fit the model: {first_line(error)}") from error
    save_folder(model, load_tokenizer(job["onto"], job["chat_template"]), Path(job["output"]))
    return result | {"output": job["output"], "parameters": model.num_parameters(), "dtype": job["dtype"]}


def check_graft(job: dict[str, Any], emit: Emit) -> dict[str, Any]:
    """Refuses two models that are no pair, by all that can be read without loading them."""
    for key in ("base_model", "onto"):
        if not Path(job[key]).is_dir():
            raise BadInput(f"{job[key]} is no model folder", "import the model with import_base first")
    differs = check_config(job["base_model"], job["onto"])
    if differs:
        emit("log", level="info", message="the configurations of the two models differ in " + ", ".join(differs))
    with ExitStack() as stack:
        base, onto = (Weights(Path(job[key]), stack) for key in ("base_model", "onto"))
        check_shapes(base.shapes, onto.shapes)
        tensors = len(base.shapes)
    return {"tensors": tensors, "tokens": check_tokenizers(job["base_model"], job["onto"]), "differs": differs}


# Keys of config.json that decide what the tensors mean.
ARCHITECTURE = (
    "model_type",
    "architectures",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "hidden_act",
    "tie_word_embeddings",
)
# Keys that say nothing of the weights.
INCIDENTAL = ("transformers_version", "dtype", "torch_dtype", "_name_or_path", "use_cache")


def check_config(base: str, onto: str) -> list[str]:
    """The keys in which the two configurations differ; BadInput where one of them is the architecture's."""
    first, second = (read_config(folder).to_dict() for folder in (base, onto))
    differs = sorted(key for key in first.keys() | second.keys() if first.get(key) != second.get(key))
    for key in ARCHITECTURE:
        if key in differs:
            raise BadInput(
                f"the model to graft onto is of another architecture: its {key} is {second.get(key)}, "
                f"that of the base model {first.get(key)}",
                OTHER_FAMILY,
            )
    return [key for key in differs if key not in INCIDENTAL]


def read_config(folder: str) -> PreTrainedConfig:
    try:
        return AutoConfig.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise BadInput(
            f"cannot read config.json in {folder}: {first_line(error)}", "name the folder of a model"
        ) from error


class Weights:
    """The tensors of a model folder, read one at a time from its safetensors files."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        index = folder / "model.safetensors.index.json"
        names = ["model.safetensors"]
        if index.is_file():
            names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        self.where: dict[str, Any] = {}
        for name in names:
            if not (folder / name).is_file():
                raise BadInput(f"{folder} lacks {name}", "a graft reads both models as safetensors")
            file = stack.enter_context(safe_open(str(folder / name), "pt"))
            self.where |= dict.fromkeys(file.keys(), file)
        if read_config(str(folder)).tie_word_embeddings:
            self.where.pop("lm_head.weight", None)  # a second name of the input embeddings, which some folders repeat

    @property
    def shapes(self) -> dict[str, list[int]]:
        return {name: file.get_slice(name).get_shape() for name, file in self.where.items()}

    def read(self, name: str) -> torch.Tensor:
        return self.where[name].get_tensor(name)


def check_shapes(base: dict[str, list[int]], onto: dict[str, list[int]]) -> None:
    for name in sorted(base.keys() | onto.keys()):
        if base.get(name) != onto.get(name):
            first, second = (f"of shape {shapes[name]}" if name in shapes else "absent" for shapes in (base, onto))
            raise BadInput(
                f"the two models have other tensors: {name} is {first} in the base model, "
                f"and {second} in the one to graft onto",
                OTHER_FAMILY,
            )


def check_tokenizers(base: str, onto: str) -> int:
    """The number of tokens, which must be the same ones: their rows of the embeddings are added to each other."""
    first, second = (load_tokenizer(folder) for folder in (base, onto))
    words, others = first.get_vocab(), second.get_vocab()
    for word in sorted(words | others):
        if words.get(word) != others.get(word):
            raise BadInput(
                f"the two models have other tokens: {word!r} is {words.get(word, 'none')} in the base model, "
                f"and {others.get(word, 'none')} in the one to graft onto",
                OTHER_FAMILY,
            )
    for part in ("normalizer", "pre_tokenizer", "model"):
        left, right = (json.loads(each.backend_tokenizer.to_str())[part] for each in (first, second))
        if left != right:
            raise BadInput(f"the tokenizers of the two models split text otherwise (their {part})", OTHER_FAMILY)
    return len(words)


def gap(base: Weights, onto: Weights) -> float:
    """How far apart the two models are: the mean over their matrices of sum |b - i| / (sum |b| + sum |i|).

    The paper measures pairs by it. 0 are equal weights, about 0.7 weights that have nothing to do with each other.
    """
    total, matrices = 0.0, [name for name, shape in base.shapes.items() if len(shape) > 1]
    for name in matrices:
        first, second = base.read(name).float(), onto.read(name).float()
        size = first.abs().sum() + second.abs().sum()
        total += ((first - second).abs().sum() / size).item() if size > 0 else 0.0
    return round(total / len(matrices), 6)


# What of an adapter can be added to other weights. The rest stands for weights of the base model or was fitted to them.
PARTS = (".lora_A.weight", ".lora_B.weight", ".lora_embedding_A", ".lora_embedding_B", ".trainable_tokens_delta")


def check_parts(adapter: Path) -> None:
    with safe_open(str(adapter / "adapter_model.safetensors"), "pt") as file:
        for name in sorted(file.keys()):
            if name.endswith(PARTS):
                continue
            if name.endswith(".lora_magnitude_vector"):
                raise BadInput(
                    "an adapter with DoRA cannot be grafted: its magnitudes are those of the base model's weights",
                    "train with lora.dora: false",
                )
            raise BadInput(
                f"the adapter cannot be grafted: {name} is trained as a whole and replaces a weight of the base model",
                "train with LoRA alone, without modules_to_save",
            )


def move_rows(adapted: PeftModel, base: Weights, before: dict[str, torch.Tensor]) -> int:
    """Makes the trained rows of the embeddings those of onto with the difference added; returns how many there are.

    An adapter holds such rows as they are after training, not what changed in them. Before are those that an earlier
    adapter left, by their tensor: the next one's training began with them.
    """
    count = 0
    for name, layer in adapted.named_modules():
        if not isinstance(layer, TrainableTokensLayer) or layer.tied_adapter:
            continue
        tensor = name.removeprefix("base_model.model.").removesuffix(".token_adapter") + ".weight"
        for adapter, rows in layer.token_indices.items():
            trained, own = layer.trainable_tokens_delta[adapter], layer.trainable_tokens_original[adapter]
            start = before[tensor] if tensor in before else base.read(tensor)[rows].float()
            after = trained.data.float()
            trained.data = own.float() + (after - start)
            before[tensor] = after.to(own.dtype).float()
            count += len(rows)
    return count
