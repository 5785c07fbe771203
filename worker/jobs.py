"""What a job may hold, and how a job can fail."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

PROTOCOL = 1


class BadInput(Exception):
    """Something the user gave is wrong. The message is one lower-case sentence, the hint says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Failed(Exception):
    """A failure that was judged where it happened, in another process."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


LORA_HINT = "name layers of the model in lora.targets, or write all-linear"


class NanLoss(Exception):
    """Loss or weights are no longer finite."""


# The keys of a job. A check returns what was expected, or "" when the value is fine.

Check = Callable[[Any], str]


def text(value: Any) -> str:
    return "" if isinstance(value, str) and value else "a string"


def flag(value: Any) -> str:
    return "" if isinstance(value, bool) else "true or false"


def number(low: float, above: bool = False) -> Check:
    def check(value: Any) -> str:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        ok = is_number and (value > low if above else value >= low)
        return "" if ok else f"a number {'above' if above else 'of at least'} {low:g}"

    return check


def whole(low: int) -> Check:
    def check(value: Any) -> str:
        ok = isinstance(value, int) and not isinstance(value, bool) and value >= low
        return "" if ok else f"a whole number of at least {low}"

    return check


def share(value: Any) -> str:
    return "" if not number(0)(value) and value < 1 else "a number from 0 to below 1"


def one_of(*names: str) -> Check:
    return lambda value: "" if value in names else "one of " + ", ".join(names)


def optional(check: Check) -> Check:
    return lambda value: "" if value is None else check(value) and check(value) + " or null"


def names(value: Any) -> str:
    return "" if isinstance(value, list) and all(not text(name) for name in value) else "a list of names"


def adapters(value: Any) -> str:
    return "" if value and not names(value) else "a list of adapter folders"


def lines(value: Any) -> str:
    return "" if isinstance(value, list) and all(not whole(1)(line) for line in value) else "a list of line numbers"


def numbers(value: Any) -> str:
    return "" if isinstance(value, list) and all(not whole(1)(n) for n in value) else "a list of whole numbers from 1"


def targets(value: Any) -> str:
    return "" if value == "all-linear" or (value and not names(value)) else 'a list of module names or "all-linear"'


def services(value: Any) -> str:
    ok = isinstance(value, list) and all(name in ("wandb", "mlflow") for name in value)
    return "" if ok else "a list of wandb and mlflow"


def prompts(value: Any) -> str:
    def fine(each: Any) -> bool:
        return isinstance(each, dict) and (
            isinstance(each.get("prompt"), str) or isinstance(each.get("messages"), list)
        )

    return "" if isinstance(value, list) and value and all(map(fine, value)) else "a list of prompts or messages"


DTYPE = one_of("float32", "bfloat16", "float16")

LORA: dict[str, Check] = {
    "r": whole(1),
    "alpha": number(0, above=True),
    "dropout": share,
    "targets": targets,
    "rslora": flag,
    "dora": flag,
    "modules_to_save": names,
    "train_stop_tokens": flag,
}


def lora(value: Any) -> str:
    if not isinstance(value, dict):
        return "an object"
    check_keys(value, LORA, {}, "lora.")
    return ""


# What decides the rows that a stage trains on, and the batches that they come in.
ROWS: dict[str, Check] = {
    "stage": one_of("stage1", "stage2"),
    "seed": whole(0),
    "base_model": text,
    "train": text,
    "valid": text,
    "format": one_of("text", "messages"),
    "chat_template": optional(text),
    "loss": one_of("completion", "full"),
    "max_length": whole(2),
    "overlong": one_of("drop", "truncate", "split"),
    "packing": one_of("none", "bfd"),
    "batch_size": whole(1),
    "group_by_length": flag,
}

# Keys of such a job that may be left out, with the value they then have.
MORE_ROWS: dict[str, tuple[Check, Any]] = {
    "required_tokens": (names, []),
    "zero_rows": (one_of("refuse", "drop"), "refuse"),
}

KINDS: dict[str, dict[str, Check]] = {
    "import_base": {"source": text, "output": text},
    "merge": {"base_model": text, "adapter": text, "output": text},
    "check_graft": {"base_model": text, "onto": text},
    "graft": {"base_model": text, "onto": text, "adapters": adapters, "output": text},
    "count": {"base_model": text, "texts": text, "output": text},
    "quantize": {"source": text, "output": text, "type": one_of("q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0")},
    "generate": {
        "base_model": text,
        "adapter": optional(text),
        "prompts": prompts,
        "max_tokens": whole(1),
        "temperature": number(0),
        "seed": whole(0),
        "stop": names,
        "precision": one_of("auto", "fp32", "bf16"),
        "device": one_of("auto", "cpu", "cuda", "mps"),
    },
    "perplexity": {
        "base_model": text,
        "adapter": optional(text),
        "texts": text,
        "max_length": whole(2),
        "precision": one_of("auto", "fp32", "bf16"),
        "device": one_of("auto", "cpu", "cuda", "mps"),
    },
    "inspect": ROWS,
    "train": ROWS
    | {
        "adapter_in": optional(text),
        "output": text,
        "epochs": number(0, above=True),
        "max_steps": optional(whole(1)),
        "learning_rate": number(0, above=True),
        "scheduler": text,
        "warmup_ratio": share,
        "weight_decay": number(0),
        "max_grad_norm": number(0),
        "gradient_accumulation": whole(1),
        "eval_steps": whole(0),
        "save_steps": whole(0),
        "save_total_limit": whole(1),
        "logging_steps": whole(1),
        "lora": lora,
        "neftune_alpha": optional(number(0)),
        "quantization": one_of("none", "nf4"),
        "double_quant": flag,
        "optimizer": text,
        "precision": one_of("auto", "fp32", "bf16"),
        "device": one_of("auto", "cpu", "cuda", "mps"),
        "gradient_checkpointing": flag,
        "threads": whole(0),
        "early_stopping_patience": whole(0),
        "resume": flag,
    },
}

# Keys that may be left out, with the value they then have.
DEFAULTS: dict[str, dict[str, tuple[Check, Any]]] = {
    "import_base": {"chat_template": (optional(text), None), "dtype": (DTYPE, "float32")},
    "merge": {"chat_template": (optional(text), None), "dtype": (DTYPE, "float32")},
    "check_graft": {},
    "graft": {"chat_template": (optional(text), None), "dtype": (DTYPE, "float32")},
    "quantize": {},
    "generate": {"threads": (whole(0), 0)},
    "perplexity": {"threads": (whole(0), 0)},
    "count": {},
    "inspect": MORE_ROWS | {"lines": (lines, [])},
    "train": MORE_ROWS
    | {
        "engine": (one_of("trl", "unsloth"), "trl"),
        "attention": (one_of("auto", "sdpa", "eager", "flash_attention_2", "flash_attention_3"), "auto"),
        "keep": (one_of("best", "last"), "best"),
        "sample_prompts": (whole(0), 0),
        "sample_every": (whole(1), 1),
        "sample_tokens": (whole(1), 256),
        "rungs": (numbers, []),
        "report_to": (services, []),
        "processes": (whole(0), 0),
        "sharding": (one_of("none", "fsdp"), "none"),
    },
}


def check_job(job: Any) -> dict[str, Any]:
    """The job with its defaults filled in, or BadInput that names the key."""
    if not isinstance(job, dict):
        raise BadInput("a job is a JSON object")
    if job.get("protocol") != PROTOCOL:
        raise BadInput(
            f"this worker speaks protocol {PROTOCOL}, the job speaks {job.get('protocol')}",
            "use the worker that came with the program",
        )
    kind = job.get("kind")
    if kind not in KINDS:
        raise BadInput(f"unknown kind of job {kind!r}, expected one of {', '.join(KINDS)}")
    head: dict[str, Check] = {"protocol": whole(1), "kind": text}
    check_keys(job, head | KINDS[kind], {key: check for key, (check, _) in DEFAULTS[kind].items()}, "")
    filled = {key: value for key, (_, value) in DEFAULTS[kind].items()} | job
    if kind in ("inspect", "train"):
        check_rows(filled)
    if kind == "train":
        check_train(filled)
    return filled


def check_keys(values: dict[str, Any], needed: dict[str, Check], possible: dict[str, Check], prefix: str) -> None:
    known = needed | possible
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            raise BadInput(f"unknown key {prefix}{key} in the job", f"did you mean {prefix}{near[0]}?" if near else "")
    for key in needed:
        if key not in values:
            raise BadInput(f"missing key {prefix}{key} in the job")
    for key, value in values.items():
        expected = known[key](value)
        if expected:
            raise BadInput(f"key {prefix}{key} must be {expected}, found {value!r}")


def check_rows(job: dict[str, Any]) -> None:
    """Settings that are each fine but contradict one another."""
    if job["format"] == "messages" and not job["chat_template"]:
        raise BadInput("format messages needs a chat_template")
    if job["format"] == "messages" and job["overlong"] == "split":
        raise BadInput("overlong split would part a question from its answer", "set overlong to drop or truncate")


def check_train(job: dict[str, Any]) -> None:
    if job["sample_prompts"] and job["format"] != "messages":
        raise BadInput("sample_prompts needs format messages: text has no prompts")
    if job["early_stopping_patience"] and not job["eval_steps"]:
        raise BadInput("early_stopping_patience needs eval_steps above 0")
    if job["engine"] == "unsloth":
        check_unsloth(job)


def check_unsloth(job: dict[str, Any]) -> None:
    """What Unsloth does not do, or does otherwise than asked. README.md says where its source shows that."""
    refused = {
        "lora.train_stop_tokens": (job["lora"]["train_stop_tokens"], "its loss reads the head's weights past them"),
        "lora.modules_to_save": (job["lora"]["modules_to_save"], "it takes embeddings and norms alone"),
        "attention": (job["attention"] != "auto", "it chooses its own kernels"),
        "precision": (job["precision"] == "fp32", "its kernels compute in bf16"),
        "device": (job["device"] not in ("auto", "cuda"), "it needs an NVIDIA GPU"),
    }
    for key, (asked, why) in refused.items():
        if asked:
            hint = f"leave {key} out, or set engine to trl"
            raise BadInput(f"engine unsloth does not go with this {key}: {why}", hint)


# Failures. The libraries wrap system errors in exceptions of their own, so the whole chain of causes is read.


@dataclass
class Failure:
    kind: str  # bad_input, out_of_memory, no_space, nan_loss, missing_package, lost_process, internal
    message: str
    hint: str


OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate memory")
NO_SPACE = ("no space left on device", "disk quota exceeded", "not enough space on the disk", "os error 28)")
# A limit on the size of files; and what torch says whenever a file cannot be written to its end, for whatever reason.
CUT_SHORT = ("file too large", "os error 27)", "iostream error", "inline_container.cc", "pytorchstreamwriter failed")


def classify(error: Exception, job: dict[str, Any] | None = None) -> Failure:
    """What an error is to the user. The job, where there was one, says which of its settings to lower."""
    chain = list(causes(error))
    said = " ".join(str(cause).lower() for cause in chain)
    if isinstance(error, Failed):
        return error.failure
    if isinstance(error, BadInput):
        return Failure("bad_input", error.message, error.hint)
    if isinstance(error, NanLoss):
        return Failure("nan_loss", str(error), "lower learning_rate, or set max_grad_norm to 1.0")
    if any(is_full_disk(cause) for cause in chain) or any(phrase in said for phrase in NO_SPACE):
        return Failure(
            "no_space",
            "the disk is full",
            "free some space and run the same command again; it goes on from the newest complete checkpoint",
        )
    if any(phrase in said for phrase in CUT_SHORT):
        return Failure(
            "no_space",
            "a file could not be written to its end: the disk is full, or a limit (ulimit -f) allows no file so large",
            "make room and run the same command again; it goes on from the newest complete checkpoint",
        )
    if any(isinstance(cause, MemoryError) for cause in chain) or any(phrase in said for phrase in OUT_OF_MEMORY):
        return Failure("out_of_memory", "the memory does not suffice", less_memory(job or {}))
    for cause in chain:
        if isinstance(cause, ImportError):
            name = cause.name or first_line(cause)
            return Failure(
                "missing_package", f"the python package {name} is missing", "install the pinned requirements"
            )
    return Failure("internal", f"{type(error).__name__}: {first_line(error)}", "the worker's log holds the details")


def less_memory(job: dict[str, Any]) -> str:
    """What to change when the memory does not suffice: what costs least first, and only what can be changed."""
    if job.get("kind") not in (None, "train"):
        return "close other programs, or use a machine with more memory"
    ways = []
    size = job.get("batch_size", 0)
    if size != 1:
        now = f" from {size}" if size else ""
        ways.append(f"lower batch_size{now} and raise gradient_accumulation by the same factor")
    if not job.get("gradient_checkpointing"):
        ways.append("set gradient_checkpointing to true")
    ways.append("lower max_length" + (f" from {job['max_length']}" if job else ""))
    return "; or ".join(ways)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def is_full_disk(error: BaseException) -> bool:
    full = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
    return isinstance(error, OSError) and error.errno in full


LONGEST = 400  # of what a library says: some list all that they know


def first_line(error: BaseException) -> str:
    line = (str(error).strip().splitlines() or ["no message"])[0]
    return line if len(line) <= LONGEST else line[:LONGEST] + " …"
