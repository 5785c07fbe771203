"""Model folders: import a base model, load it, merge an adapter into it, save it so that other tools can read it."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.integrations.gguf import read_gguf_metadata

from jobs import BadInput, first_line

Emit = Callable[..., None]
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
CHAT_TOKENS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")


ALL_THREADS = torch.get_num_threads()  # one for each core that this process may use, as torch counts them
PACKAGES = ("torch", "transformers", "peft", "trl", "datasets", "accelerate", "tokenizers", "bitsandbytes")
ENGINE_PACKAGES = {"trl": (), "unsloth": ("unsloth", "unsloth_zoo", "triton", "xformers")}


def report_environment(emit: Emit, device: str, precision: str, threads: int = 0, engine: str = "trl") -> None:
    torch.set_num_threads(threads or ALL_THREADS)
    names = PACKAGES + ENGINE_PACKAGES[engine]
    versions = {name: found for name in names if (found := installed(name))}
    device_name = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine()
    emit(
        "environment",
        packages=versions,
        device=device,
        device_name=device_name,
        precision=precision,
        threads=torch.get_num_threads(),
        engine=engine,
    )


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def import_base(job: dict[str, Any], emit: Emit) -> dict[str, Any]:
    """Writes the base model as a Hugging Face folder with full-precision safetensors and its tokenizer."""
    source = job["source"]
    options: dict[str, Any] = {}
    if source.lower().endswith(".gguf"):
        path = Path(source)
        if not path.is_file():
            raise BadInput(f"no such model file: {source}", "name a .gguf file that is there")
        # Without dequantize the model keeps GGUF's blocks, and those cannot be saved as safetensors.
        options = {"gguf_file": path.name, "quantization_config": GgufConfig(dequantize=True)}
        source = str(path.resolve().parent)
    tokenizer = load_tokenizer(source, job["chat_template"], options.get("gguf_file"))
    if options:
        restore_pre_tokenizer(tokenizer, path, emit)
    model = load_model(source, dtype=DTYPES[job["dtype"]], **options)
    save_folder(model, tokenizer, Path(job["output"]))
    return {"output": job["output"], "parameters": model.num_parameters(), "dtype": job["dtype"]}


def restore_pre_tokenizer(tokenizer: PreTrainedTokenizerBase, gguf: Path, emit: Emit) -> None:
    """GGUF names the rule that splits text before the merges; transformers reads it for some families only.

    Without the rule " 12" becomes one token here and three in llama.cpp: training and serving would not agree.
    """
    rule = read_gguf_metadata(str(gguf))[0].get("tokenizer.ggml.pre")
    if rule == "smollm":
        digits = pre_tokenizers.Digits(individual_digits=True)
        rest = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, rest])
    elif rule != "qwen2":
        emit("log", level="warning", message=f"the tokenizer rule {rule} of the GGUF file has not been verified")


def merge(job: dict[str, Any]) -> dict[str, Any]:
    """Adds the adapter's weights to the base model's, on the CPU, and writes the sum as a folder of its own."""
    from peft import PeftModel

    tokenizer = load_tokenizer(job["base_model"], job["chat_template"])
    check_adapter(job["adapter"])
    model = load_model(job["base_model"], dtype=DTYPES[job["dtype"]])
    # safe_merge looks for NaN, which a diverged adapter would spread into every layer.
    try:
        merged = PeftModel.from_pretrained(model, job["adapter"]).merge_and_unload(safe_merge=True)
    except (RuntimeError, ValueError) as error:
        raise BadInput(
            f"the adapter does not fit the base model: {first_line(error)}",
            "name the base model that it was trained on",
        ) from error
    save_folder(merged, tokenizer, Path(job["output"]))
    return {"output": job["output"], "parameters": merged.num_parameters(), "dtype": job["dtype"]}


def load_tokenizer(
    source: str, chat_template: str | None = None, gguf_file: str | None = None
) -> PreTrainedTokenizerBase:
    check_source(source)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **({"gguf_file": gguf_file} if gguf_file else {}))
    except (OSError, ValueError, KeyError) as error:
        if not Path(source).is_dir():
            raise BadInput(
                f"there is no folder {source}, and the model hub gave no such model: {first_line(error)}",
                "check the name and the network; the folder of a downloaded model needs neither",
            ) from error
        raise BadInput(f"no usable tokenizer in {source}", "a model folder holds tokenizer.json") from error
    if tokenizer.eos_token_id is None:
        raise BadInput(
            f"the tokenizer of {source} has no end-of-sequence token", "name it as eos_token in tokenizer_config.json"
        )
    if tokenizer.pad_token_id is None:
        # Safe, because labels are explicit: padding is never mistaken for a trained end token or the reverse.
        tokenizer.pad_token = tokenizer.eos_token
    if chat_template:
        tokenizer.chat_template = chat_template
    return tokenizer


def count(job: dict[str, Any]) -> dict[str, Any]:
    """Writes how many tokens every text has, a JSON string a line, for tokenizers that the program does not know."""
    tokenizer = load_tokenizer(job["base_model"])
    tokens = texts = 0
    source, output = Path(job["texts"]), Path(job["output"])
    with source.open(encoding="utf-8") as rows, output.open("w", encoding="utf-8") as counts:
        while lines := list(islice(rows, 256)):
            batch = tokenizer([json.loads(line) for line in lines], add_special_tokens=False)["input_ids"]
            counts.writelines(f"{len(ids)}\n" for ids in batch)
            texts, tokens = texts + len(batch), tokens + sum(map(len, batch))
    return {"texts": texts, "tokens": tokens}


def load_model(source: str, **options: Any) -> PreTrainedModel:
    check_source(source)
    folder = Path(source)
    if folder.is_dir() and "gguf_file" not in options and not any((folder / name).exists() for name in WEIGHTS):
        raise BadInput(f"the model folder {source} holds no weights", "it should hold model.safetensors")
    try:
        return AutoModelForCausalLM.from_pretrained(source, **options)
    except OSError as error:
        raise BadInput(
            f"cannot load the model {source}: {first_line(error)}", "see whether its files are whole, and the network"
        ) from error
    except ValueError as error:
        if "Unrecognized" in str(error) or "architecture" in str(error):
            raise BadInput(
                f"the model {source} is of a kind that the installed transformers does not know",
                "take a model of a kind that it knows, such as Qwen2.5-Coder",
            ) from error
        raise


def check_source(source: str) -> None:
    """A hub name is one or two words; everything else must be a folder, so that a misspelt path is not looked up."""
    path = Path(source)
    if path.is_dir():
        if not any(path.iterdir()):
            raise BadInput(f"the model folder {source} is empty", "put the model there, or name another folder")
        return
    if path.is_file():
        raise BadInput(f"{source} is a file, not a model folder", "import a .gguf file with import_base first")
    if path.is_absolute() or source.startswith(".") or source.count("/") > 1 or "\\" in source:
        raise BadInput(f"no such model folder: {source}", "name a folder, or a model of the hub as owner/name")


def check_adapter(folder: str) -> dict[str, Any]:
    """The adapter's configuration."""
    config = Path(folder) / "adapter_config.json"
    if not config.is_file() or not (Path(folder) / "adapter_model.safetensors").is_file():
        raise BadInput(
            f"no adapter in {folder}", "an adapter folder holds adapter_config.json and adapter_model.safetensors"
        )
    return json.loads(config.read_text(encoding="utf-8"))


def save_folder(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, output: Path) -> None:
    partial = fresh_partial(output)
    tokenizer.model_max_length = model.config.max_position_embeddings
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    tidy_tokenizer(partial, tokenizer)
    publish(partial, output)


def tidy_tokenizer(folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """Makes the tokenizer's files say what converters look for.

    transformers 5 moves the chat template into a file of its own and names a class that version 4 does not know;
    Ollama's converter reads the template from tokenizer_config.json alone, llama.cpp's needs the special flags.
    """
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    for key in ("backend", "is_local", "local_files_only"):
        config.pop(key, None)
    if config.get("tokenizer_class") == "TokenizersBackend":
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
    if tokenizer.chat_template:
        config["chat_template"] = tokenizer.chat_template
    path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "chat_template.jinja").unlink(missing_ok=True)

    added = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
    special = {token["content"] for token in added if token["special"]}
    needed = {tokenizer.eos_token, *(token for token in CHAT_TOKENS if token in tokenizer.get_vocab())}
    if needed - special:
        raise BadInput(
            f"the tokenizer does not mark {', '.join(sorted(needed - special))} as special",
            "its tokenizer.json is damaged",
        )


# Writing: a folder appears under its final name complete or not at all.


def fresh_partial(output: Path) -> Path:
    """An empty folder beside output (the same file system, so that the rename is atomic)."""
    partial = output.with_name(output.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    return partial


def publish(partial: Path, output: Path) -> None:
    sync_folder(partial)
    old = output.with_name(output.name + ".old")  # there already, when a kill came between two renames
    shutil.rmtree(old, ignore_errors=True)
    if output.exists():
        output.rename(old)
    partial.rename(output)
    shutil.rmtree(old, ignore_errors=True)
    sync(output.parent)


def sync_folder(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            sync(path)
    sync(folder)


def sync(path: Path) -> None:
    """Forces a file or folder to disk, so that a power cut cannot leave a name without its content."""
    if os.name == "nt" and path.is_dir():
        return  # Windows has no handle for a folder that can be flushed
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8", newline="\n")
    sync(partial)
    partial.replace(path)
    sync(path.parent)
