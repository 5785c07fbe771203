"""Quantizes a GGUF file with the package gguf, tensor by tensor: matrices to blocks, everything else as it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, quants
from gguf.constants import GGML_QUANT_SIZES

from jobs import BadInput

WHOLE = (GGMLQuantizationType.F32, GGMLQuantizationType.F16, GGMLQuantizationType.BF16)
FILE_TYPES = {"q8_0": 7, "q4_0": 2}  # general.file_type, llama.cpp's enum llama_ftype


def quantize(job: dict[str, Any]) -> dict[str, Any]:
    """Writes the output, complete or not at all. One tensor is in memory at a time."""
    source, output, kind = Path(job["source"]), Path(job["output"]), GGMLQuantizationType[job["type"].upper()]
    if not source.is_file():
        raise BadInput(f"no such model file: {source}")
    try:
        reader = GGUFReader(source)
    except ValueError as error:
        raise BadInput(f"{source} is no GGUF file: {error}") from error
    partial = output.with_name(output.name + ".partial")
    writer = GGUFWriter(partial, str(reader.fields["general.architecture"].contents()))
    copy_metadata(reader, writer, FILE_TYPES[job["type"]])
    targets = {tensor.name: target_type(tensor, kind) for tensor in reader.tensors}
    for tensor in reader.tensors:
        target, shape = targets[tensor.name], [int(n) for n in reversed(tensor.shape)]
        size = quants.quant_shape_to_byte_shape(shape, target) if target is kind else tensor.data.shape
        kept = tensor.data.dtype if target is not kind else np.dtype(np.uint8)
        writer.add_tensor_info(tensor.name, size, kept, int(np.prod(size)) * kept.itemsize, target)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in reader.tensors:
        data = tensor.data
        if targets[tensor.name] is kind:
            data = quants.quantize(quants.dequantize(data, tensor.tensor_type), kind)
        writer.write_tensor_data(data)
    writer.close()
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    partial.replace(output)
    return {
        "output": str(output),
        "quantized": sum(target is kind for target in targets.values()),
        "tensors": len(targets),
    }


def copy_metadata(reader: GGUFReader, writer: GGUFWriter, file_type: int) -> None:
    for field in reader.fields.values():
        if field.name == "general.architecture" or field.name.startswith("GGUF."):
            continue  # the writer's own
        value_type = field.types[0]
        sub_type = field.types[-1] if value_type is GGUFValueType.ARRAY else None
        value = file_type if field.name == "general.file_type" else field.contents()
        writer.add_key_value(field.name, value, value_type, sub_type=sub_type)


def target_type(tensor: Any, kind: GGMLQuantizationType) -> GGMLQuantizationType:
    """Vectors, and rows that are no whole number of blocks, stay as they are, as in llama.cpp."""
    block, _ = GGML_QUANT_SIZES[kind]
    fits = tensor.tensor_type in WHOLE and len(tensor.shape) > 1 and int(tensor.shape[0]) % block == 0
    return kind if fits else tensor.tensor_type
