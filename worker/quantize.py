"""Quantizes a GGUF file: with llama.cpp's own quantizer where its package is installed, else with the package gguf."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jobs import BadInput

Emit = Callable[..., None]
FILE_TYPES = {"q4_0": 2, "q8_0": 7, "q4_k_m": 15, "q5_k_m": 17, "q6_k": 18}  # llama.cpp's enum llama_ftype
COUNTED = re.compile(r"\[\s*(\d+)/\s*(\d+)\]")  # how llama.cpp logs that it comes to a tensor
WARNING = 3  # llama.cpp's log levels from here on are worth keeping
FULL = 16 << 20  # bytes left on a disk that llama.cpp, which says no more than that it failed, has filled


def quantize(job: dict[str, Any], emit: Emit) -> dict[str, Any]:
    """Writes the output, complete or not at all."""
    source, output = Path(job["source"]), Path(job["output"])
    if not source.is_file():
        raise BadInput(f"no such model file: {source}")
    with source.open("rb") as head:
        if head.read(4) != b"GGUF":
            raise BadInput(f"{source} is no GGUF file")
    partial = output.with_name(output.name + ".partial")
    try:
        if importlib.util.find_spec("cyllama"):
            tool = with_llama_cpp(source, partial, job["type"], emit)
        else:
            tool = with_gguf(source, partial, job["type"])
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    return {"output": str(output), "tool": tool}


def with_llama_cpp(source: Path, partial: Path, kind: str, emit: Emit) -> str:
    """Has llama.cpp do it, as its program llama-quantize does, on all cores."""
    import cyllama
    from cyllama.llama import llama_cpp

    said: list[str] = []

    def log(level: int, text: str) -> None:
        if level >= WARNING:
            said.append(text.strip())
            print(text.strip(), file=sys.stderr)
        if counted := COUNTED.match(text):
            emit("progress", step=int(counted[1]), steps=int(counted[2]))

    build = json.loads((Path(cyllama.__file__).parent / "build_config.json").read_text(encoding="utf-8"))
    params = llama_cpp.LlamaModelQuantizeParams()
    params.ftype = FILE_TYPES[kind]
    llama_cpp.set_log_callback(log)
    try:
        llama_cpp.model_quantize(str(source), str(partial), params)
    except RuntimeError as error:
        if shutil.disk_usage(partial.parent).free < FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise BadInput(
            f"llama.cpp does not quantize {source.name}: {said[-1] if said else error}",
            "pack the model again; the worker's log holds the details",
        ) from error
    return f"llama.cpp {build['versions']['llama_cpp_version']} (cyllama {version('cyllama')})"


def with_gguf(source: Path, partial: Path, kind: str) -> str:
    """Writes blocks tensor by tensor, one in memory at a time: matrices in the type, everything else as it is.

    K-quants mix several types by rules of llama.cpp, which this package does not have.
    """
    import numpy as np
    from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, quants

    if kind not in ("q8_0", "q4_0"):
        raise BadInput(
            f"the package gguf cannot write {kind}",
            "put llama.cpp's llama-quantize on PATH, or take q8_0",
        )
    target = GGMLQuantizationType[kind.upper()]
    try:
        reader = GGUFReader(source)
    except ValueError as error:
        raise BadInput(f"{source} is no GGUF file: {error}") from error
    writer = GGUFWriter(partial, str(reader.fields["general.architecture"].contents()))
    copy_metadata(reader, writer, FILE_TYPES[kind])
    types = {tensor.name: target_type(tensor, target) for tensor in reader.tensors}
    for tensor in reader.tensors:
        shape = [int(n) for n in reversed(tensor.shape)]
        quantized = types[tensor.name] is target
        size = quants.quant_shape_to_byte_shape(shape, target) if quantized else tensor.data.shape
        kept = np.dtype(np.uint8) if quantized else tensor.data.dtype
        writer.add_tensor_info(tensor.name, size, kept, int(np.prod(size)) * kept.itemsize, types[tensor.name])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in reader.tensors:
        data = tensor.data
        if types[tensor.name] is target:
            data = quants.quantize(quants.dequantize(data, tensor.tensor_type), target)
        writer.write_tensor_data(data)
    writer.close()
    return f"gguf {version('gguf')}"


def copy_metadata(reader: Any, writer: Any, file_type: int) -> None:
    from gguf import GGUFValueType

    for field in reader.fields.values():
        if field.name == "general.architecture" or field.name.startswith("GGUF."):
            continue  # the writer's own
        value_type = field.types[0]
        sub_type = field.types[-1] if value_type is GGUFValueType.ARRAY else None
        value = file_type if field.name == "general.file_type" else field.contents()
        writer.add_key_value(field.name, value, value_type, sub_type=sub_type)


def target_type(tensor: Any, kind: Any) -> Any:
    """Vectors, and rows that are no whole number of blocks, stay as they are, as in llama.cpp."""
    from gguf import GGMLQuantizationType
    from gguf.constants import GGML_QUANT_SIZES

    whole = (GGMLQuantizationType.F32, GGMLQuantizationType.F16, GGMLQuantizationType.BF16)
    block, _ = GGML_QUANT_SIZES[kind]
    fits = tensor.tensor_type in whole and len(tensor.shape) > 1 and int(tensor.shape[0]) % block == 0
    return kind if fits else tensor.tensor_type
