"""The mask report: what of the real rows is trained on, counted before anything is trained. It is also a gate.

encode.py decides the labels. What must not happen is counted here by rules of its own, which never see its masks: the
prompts are rendered and tokenised anew and looked up in the rows. The dataclasses are the report's JSON;
internal/mask names the same keys, and a test holds the two against each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from encode import IGNORE, Encoded, render, special_tokens
from jobs import BadInput

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BINS = 24  # of a histogram
NAMED = 20  # lines that are named of those with one fault; all are counted


@dataclass
class Spread:
    """How many tokens the rows have: row counts in bins of one width, the first from 0."""

    min: int
    median: int
    max: int
    mean: float
    width: int
    bins: list[int]


@dataclass
class Packing:
    """How full the packed sequences are, and how full they would be were there as few as there are tokens for."""

    sequences: int
    efficiency: float
    possible: float


@dataclass
class Split:
    """One file of a stage. Lines are those of the file, from 1, the first few of each fault."""

    split: str
    file: str
    read: int
    rows: int
    dropped_overlong: int
    truncated: int
    tokens: int
    trained_tokens: int
    masked_tokens: int
    trained: Spread
    masked: Spread
    zero_rows: int
    zero_lines: list[int]
    prompt_tokens_trained: int
    prompt_lines: list[int]
    stop_untrained: int
    stop_lines: list[int]
    packing: Packing | None
    batch_efficiency: float


@dataclass
class Token:
    """A token of a row that is shown; text is empty where a character is not complete yet."""

    id: int
    text: str
    trained: bool


@dataclass
class Row:
    line: int
    tokens: list[Token]


@dataclass
class Inspection:
    """What a stage's job is about to train on."""

    stage: str
    loss: str
    format: str
    max_length: int
    overlong: str
    zero_rows: str
    packing: str
    batch_size: int
    train: Split
    valid: Split
    rows: list[Row]
    refused: str = ""  # why training does not start on this, and what to do about it
    hint: str = ""


def count(
    split: str, job: dict[str, Any], tokenizer: PreTrainedTokenizerBase, read: dict[int, Any], encoded: Encoded
) -> Split:
    """The figures of a split; those of batches and packing are added by place_tokens."""
    prompt, stop = Named(), Named()
    special = set(special_tokens(tokenizer).values())
    trained = []
    for line, row in zip(encoded.lines, encoded.rows, strict=True):
        trained.append(sum(label != IGNORE for label in row["labels"]))
        if job["format"] == "messages":
            ids, labels = row["input_ids"], row["labels"]
            prompt.add(line, prompt_tokens_trained(tokenizer, read[line], ids, labels, job["max_length"]))
        stop.add(line, not stops(tokenizer, special, row["input_ids"], row["labels"]))
    lengths = [len(row["input_ids"]) for row in encoded.rows]
    masked = [length - number for length, number in zip(lengths, trained, strict=True)]
    return Split(
        split=split,
        file=job[split],
        read=len(read),
        rows=len(encoded.rows),
        dropped_overlong=encoded.dropped_overlong,
        truncated=encoded.truncated,
        tokens=sum(lengths),
        trained_tokens=sum(trained),
        masked_tokens=sum(masked),
        trained=spread(trained),
        masked=spread(masked),
        zero_rows=len(encoded.zero_lines),
        zero_lines=encoded.zero_lines[:NAMED],
        prompt_tokens_trained=prompt.total,
        prompt_lines=prompt.lines,
        stop_untrained=stop.total,
        stop_lines=stop.lines,
        packing=None,
        batch_efficiency=1.0,
    )


class Named:
    """A sum, and the first lines that added to it."""

    def __init__(self) -> None:
        self.total = 0
        self.lines: list[int] = []

    def add(self, line: int, number: int) -> None:
        self.total += number
        if number and line not in self.lines[-1:] and len(self.lines) < NAMED:
            self.lines.append(line)


def spread(values: list[int]) -> Spread:
    ordered = sorted(values)
    width = max(1, math.ceil((ordered[-1] + 1) / BINS))
    bins = [0] * (ordered[-1] // width + 1)
    for value in values:
        bins[value // width] += 1
    mean = round(sum(values) / len(values), 2)
    return Spread(ordered[0], ordered[(len(ordered) - 1) // 2], ordered[-1], mean, width, bins)


def place_tokens(split: Split, max_length: int, batches: list[list[int]], packed: bool) -> None:
    """How many of the token places that are computed, or packed, hold a token. Batches are lengths of sequences."""
    if packed:
        # A packed batch is one flat sequence: nothing is padded, but a short one is a small step.
        sequences, fewest = sum(map(len, batches)), math.ceil(split.tokens / max_length)
        full, possible = (round(split.tokens / (number * max_length), 4) for number in (sequences, fewest))
        split.packing = Packing(sequences, full, possible)
        return
    split.batch_efficiency = round(split.tokens / sum(len(batch) * max(batch) for batch in batches), 4)


def prompt_tokens_trained(
    tokenizer: PreTrainedTokenizerBase,
    messages: list[dict[str, str]],
    ids: list[int],
    labels: list[int],
    max_length: int,
) -> int:
    """How many tokens of a row's prompts carry a label.

    Every stretch that a server would be sent before an answer is rendered and tokenised once more, and searched in the
    row behind the one before. A stretch that a whole row does not hold counts in full: what is trained on then is not
    what a server sees.
    """
    trained = at = 0
    done = ""
    for turn, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        sent = render(tokenizer, messages[:turn], True)
        stretch = tokenizer(sent[len(done) :], add_special_tokens=False)["input_ids"]
        done = render(tokenizer, messages[: turn + 1], False)
        found = find(ids, stretch, at) if at else ids[: len(stretch)] == stretch and 0
        if found is False or found < 0:
            if len(ids) < max_length:
                return trained + len(stretch)
            # The row was cut: the beginning of the stretch may stand at its end.
            begun = next((n for n in range(len(ids) - at, 0, -1) if ids[-n:] == stretch[:n]), 0)
            return trained + sum(label != IGNORE for label in labels[len(labels) - begun :])
        trained += sum(label != IGNORE for label in labels[found : found + len(stretch)])
        at = found + len(stretch)
    return trained


def find(ids: list[int], part: list[int], start: int) -> int:
    """Where the part begins in the ids, from start on, or -1."""
    places = range(start, len(ids) - len(part) + 1)
    return next((place for place in places if ids[place : place + len(part)] == part), -1)


def stops(tokenizer: PreTrainedTokenizerBase, special: set[int], ids: list[int], labels: list[int]) -> bool:
    """Whether the row ends in a trained special token, blanks behind it aside."""
    last = max((place for place, label in enumerate(labels) if label in special), default=-1)
    return last >= 0 and not tokenizer.decode(ids[last + 1 :]).strip()


def show(tokenizer: PreTrainedTokenizerBase, encoded: Encoded, lines: list[int], read: dict[int, Any]) -> list[Row]:
    """The rows of these lines, token by token."""
    shown = []
    for line in lines:
        if line not in read:
            raise BadInput(f"there is no row in line {line} of the training file", f"it has {len(read)} rows")
        found = [row for number, row in zip(encoded.lines, encoded.rows, strict=True) if number == line]
        if not found:
            why = "has no trained token" if line in encoded.zero_lines else "is longer than max_length"
            raise BadInput(f"the row in line {line} is not trained on: it {why}", "name another line, or mend the row")
        shown += [Row(line, tokens_of(tokenizer, row["input_ids"], row["labels"])) for row in found]
    return shown


def tokens_of(tokenizer: PreTrainedTokenizerBase, ids: list[int], labels: list[int]) -> list[Token]:
    """The tokens with their text. One that ends inside a character has none; the character stands at the last."""
    tokens = []
    start = 0
    for place, (token, label) in enumerate(zip(ids, labels, strict=True)):
        text = tokenizer.decode(ids[start : place + 1], clean_up_tokenization_spaces=False)
        if text.endswith("\ufffd") and place + 1 - start < BYTES:
            text = ""
        else:
            start = place + 1
        tokens.append(Token(token, text, label != IGNORE))
    return tokens


BYTES = 4  # of a character, at most


def judge(inspection: Inspection) -> Inspection:
    """Says whether training may start: not on what would teach nothing, nor on what would teach the wrong thing."""
    for split in (inspection.train, inspection.valid):
        if split.zero_rows and inspection.zero_rows == "refuse":
            inspection.refused = f"{split.file} line {split.zero_lines[0]} has no token to train on"
            inspection.refused += f", and {split.zero_rows - 1} more like it" if split.zero_rows > 1 else ""
            inspection.hint = "mend the row, raise max_length if its answer was cut off, or set zero_rows to drop"
        elif split.prompt_tokens_trained and inspection.loss != "full":
            line, number = split.prompt_lines[0], split.prompt_tokens_trained
            inspection.refused = f"{split.file} line {line}: tokens of the prompt would be trained on ({number} in all)"
            inspection.hint = "look at it with train --inspect; template and tokenizer may not fit one another"
        if inspection.refused:
            break
    return inspection
