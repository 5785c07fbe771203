"""Unsloth as the engine of a training: it loads the model and puts LoRA on it, and its kernels compute.

Nothing else is its own: rows, labels, order, loss log and checkpoints are train.py's. What Unsloth cannot do, or does
in a way that a job does not ask for, is refused here with its reason; README.md names the places in its source.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from typing import TYPE_CHECKING, Any

from jobs import LORA_HINT, BadInput, first_line

if TYPE_CHECKING:
    from transformers import BitsAndBytesConfig

Job = dict[str, Any]

# The kinds of model that Unsloth has kernels of its own for and that are tuned here, as config.json names them.
KINDS = ("llama", "mistral", "qwen2", "qwen3")

SETTINGS = {
    "UNSLOTH_DISABLE_STATISTICS": "1",  # it would count its users by a download
    "UNSLOTH_DISABLE_CPU_FALLBACK": "1",  # without a GPU it would train slowly instead of saying so
    "UNSLOTH_DISABLE_AUTO_PADDING_FREE": "1",  # batches stay those that were inspected
}


def load_first() -> None:
    """Loads Unsloth, which alters the other libraries and must therefore come before them."""
    if "unsloth" in sys.modules:
        return
    if any(name in sys.modules for name in ("transformers", "trl", "peft")):
        raise BadInput(
            "engine unsloth must be loaded before transformers, and this worker has loaded that for another job",
            "give the job to a worker that was just started",
        )
    if not importlib.util.find_spec("unsloth"):
        raise BadInput(
            "engine unsloth is asked for, and the Python environment does not have the package unsloth",
            "install requirements-unsloth.txt, or set engine to trl",
        )
    require_one_gpu()
    os.environ.update(SETTINGS)
    # Code that it generates goes there; by default into the working folder.
    os.environ.setdefault("UNSLOTH_COMPILE_LOCATION", tempfile.mkdtemp(prefix="bbjtune-unsloth-"))
    try:
        import unsloth  # noqa: F401
    except NotImplementedError as error:
        raise BadInput(f"engine unsloth cannot run here: {first_line(error)}", "set engine to trl") from error


def require_one_gpu() -> None:
    import torch

    if not torch.cuda.is_available():
        raise BadInput("engine unsloth needs an NVIDIA GPU, and this machine shows none", "set engine to trl")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise BadInput("engine unsloth trains on one GPU, and this is one of several processes", "set engine to trl")


def require_model(job: Job, config: Any) -> None:
    """Refuses what Unsloth would load in another way than the job says."""
    if config.model_type not in KINDS:
        raise BadInput(
            f"engine unsloth is used for models of the kinds {', '.join(KINDS)}, and this one is {config.model_type}",
            "set engine to trl",
        )
    # It would stretch the positions of a model that is asked for more of them than it has.
    if job["max_length"] > config.max_position_embeddings:
        raise BadInput(
            f"max_length {job['max_length']} is more than the {config.max_position_embeddings} positions of the model",
            "lower max_length",
        )


def build_model(job: Job, quantization: BitsAndBytesConfig | None, dtype: Any) -> Any:
    """The base model with a trainable adapter: a new one, or adapter_in continued."""
    from transformers import AutoConfig
    from unsloth import FastLanguageModel

    require_model(job, AutoConfig.from_pretrained(job["base_model"]))
    try:
        model, _ = FastLanguageModel.from_pretrained(**load_arguments(job, quantization, dtype))
    except RuntimeError as error:
        if not str(error).startswith("Unsloth:"):
            raise  # out of memory is one, too
        raise BadInput(f"the model cannot be loaded: {first_line(error)}", "set engine to trl") from error
    model.config.use_cache = False
    try:
        model = FastLanguageModel.get_peft_model(model, **lora_arguments(job))
    except (TypeError, ValueError) as error:
        raise BadInput(f"the lora settings do not fit the model: {first_line(error)}", LORA_HINT) from error
    if job["adapter_in"]:
        continue_adapter(model, job["adapter_in"])
    return model


def load_arguments(job: Job, quantization: BitsAndBytesConfig | None, dtype: Any) -> dict[str, Any]:
    return {
        "model_name": job["base_model"],
        "use_exact_model_name": True,  # by default some names lead to other weights, quantized already
        "max_seq_length": job["max_length"],
        "dtype": dtype,
        "load_in_4bit": quantization is not None,
        "device_map": {"": 0},
        "fix_tokenizer": False,  # the tokenizer is the one that the rows were encoded with
        "offload_embedding": False,
        "use_gradient_checkpointing": checkpointing(job),
        "random_state": job["seed"],
        **({"quantization_config": quantization} if quantization else {}),
    }


def lora_arguments(job: Job) -> dict[str, Any]:
    lora = job["lora"]
    return {
        "r": lora["r"],
        "lora_alpha": lora["alpha"],
        "lora_dropout": lora["dropout"],
        "target_modules": lora["targets"],
        "bias": "none",
        "use_rslora": lora["rslora"],
        "use_dora": lora["dora"],
        "max_seq_length": job["max_length"],
        "use_gradient_checkpointing": checkpointing(job),
        "random_state": job["seed"],
    }


def checkpointing(job: Job) -> str | bool:
    """Its own way keeps the activations in main memory: the same numbers, and less memory of the GPU."""
    return "unsloth" if job["gradient_checkpointing"] else False


def continue_adapter(model: Any, folder: str) -> None:
    """Puts saved weights into the fresh adapter, which has the same shape: all of them, and no others."""
    from peft import load_peft_weights, set_peft_model_state_dict

    found = set_peft_model_state_dict(model, load_peft_weights(folder))
    missing = [name for name in found.missing_keys if "lora_" in name]
    if found.unexpected_keys or missing:
        raise BadInput(
            f"the adapter in {folder} does not fit: {len(missing)} weights are missing and "
            f"{len(found.unexpected_keys)} have no place",
            "give both stages the same lora and base model",
        )
