"""Turns rows into token ids and labels: what is trained on is decided here and nowhere else.

A label is the token's own id where the loss counts it and -100 where it does not. The shift by one position happens
in the loss. The first token of a document is never a target, because nothing precedes it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs import BadInput

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORE = -100
ROLES = ("system", "user", "assistant")


@dataclass
class Encoded:
    """One split, ready for the trainer, with the counts that the data event reports.

    Lines are those of the file, from 1. A text that is split gives several rows of one line.
    """

    rows: list[dict[str, list[int]]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)  # of rows, one each
    zero_lines: list[int] = field(default_factory=list)  # of what has no trained token: never a row
    dropped_overlong: int = 0
    truncated: int = 0

    def sort_by_length(self) -> None:
        order = sorted(range(len(self.rows)), key=lambda place: len(self.rows[place]["input_ids"]))
        self.rows, self.lines = [self.rows[place] for place in order], [self.lines[place] for place in order]

    @property
    def dropped_no_answer(self) -> int:
        return len(self.zero_lines)

    @property
    def tokens(self) -> int:
        return sum(len(row["input_ids"]) for row in self.rows)

    @property
    def trained_tokens(self) -> int:
        return sum(label != IGNORE for row in self.rows for label in row["labels"])

    @property
    def longest(self) -> int:
        return max((len(row["input_ids"]) for row in self.rows), default=0)


def read_rows(path: str, kind: str) -> dict[int, Any]:
    """The texts or message lists of a JSONL file by their line, in file order."""
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")  # splitlines would split inside strings, at NEL
    except FileNotFoundError:
        raise BadInput(f"no such data file: {path}", "build the data again with bbjtune data build") from None
    except OSError as error:
        raise BadInput(
            f"cannot read the data file {path}: {error.strerror}", "see who may read it, or build the data again"
        ) from None
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not UTF-8 text", "build the data again with bbjtune data build") from None
    rows = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            rows[number] = check_row(json.loads(line), kind)
        except (ValueError, BadInput) as error:
            reason = "is not JSON" if isinstance(error, ValueError) else error.message
            raise BadInput(f"{path} line {number} {reason}", "build the data again with bbjtune data build") from None
    return rows


def check_row(row: Any, kind: str) -> Any:
    if not isinstance(row, dict) or kind not in row:
        raise BadInput(f'is not an object with the key "{kind}"')
    if kind == "text":
        if not isinstance(row["text"], str):
            raise BadInput('holds a "text" that is not a string')
        return row["text"]
    messages = row["messages"]
    if not isinstance(messages, list) or not messages:
        raise BadInput('holds "messages" that are not a list with at least one message')
    for message in messages:
        if (
            not isinstance(message, dict)
            or message.get("role") not in ROLES
            or not isinstance(message.get("content"), str)
        ):
            raise BadInput(f'holds a message without a "role" of {", ".join(ROLES)} and a "content" string')
    return messages


def encode_text(
    tokenizer: PreTrainedTokenizerBase, text: str, max_length: int, overlong: str = "drop"
) -> list[list[int]]:
    """The ids of a document followed by the end-of-sequence token, as one sequence of at most max_length ids.

    A longer document gives [] (drop), its beginning (truncate), or consecutive pieces (split).
    """
    ids = tokenizer(text, add_special_tokens=False)["input_ids"] if text.strip() else []
    if not ids:
        return []
    ids = [*ids, tokenizer.eos_token_id]
    if len(ids) <= max_length:
        return [ids]
    if overlong == "drop":
        return []
    pieces = [ids[start : start + max_length] for start in range(0, len(ids), max_length)]
    if len(pieces[-1]) == 1 and max_length > 2:  # alone it would have nothing before it, and so train nothing
        pieces[-1].insert(0, pieces[-2].pop())
    return pieces if overlong == "split" else pieces[:1]


def encode_chat(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]]) -> tuple[list[int], list[int]]:
    """Returns (input_ids, completion_mask): 1 on every assistant turn's tokens including the token that ends the turn.

    The text before an assistant turn is what a server would be sent (the template with its generation prompt), and
    prompt and answer are tokenised apart, so the trained context is token for token the one seen when generating: no
    merge can cross the border. What the template writes after the end token (ChatML's newline) is not trained:
    generation has stopped by then.
    """
    special = set(special_tokens(tokenizer).values())
    reject_control_tokens(tokenizer, messages)
    ids: list[int] = []
    mask: list[int] = []
    done = ""
    for turn, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        prompt = render(tokenizer, messages[:turn], True)
        whole = render(tokenizer, messages[: turn + 1], False)
        if not prompt.startswith(done) or not whole.startswith(prompt):
            raise BadInput(
                "the chat template renders a conversation's beginning differently when more follows",
                "use a template that only appends, such as ChatML",
            )
        context = tokenizer(prompt[len(done) :], add_special_tokens=False)["input_ids"]
        answer = tokenizer(whole[len(prompt) :], add_special_tokens=False)["input_ids"]
        ends = [place for place, token in enumerate(answer) if token in special]
        if not ends:
            raise BadInput(
                "the chat template does not close the assistant's turn with a special token",
                "without one the model never learns to stop",
            )
        ids += context + answer
        mask += [0] * len(context) + [1] * (ends[-1] + 1) + [0] * (len(answer) - ends[-1] - 1)
        done = whole
    return ids, mask


def render(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]], prompt: bool) -> str:
    return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """Every token marked special, named in the configuration (eos, pad) or not (as <|im_end|> often is)."""
    return {token.content: place for place, token in tokenizer.added_tokens_decoder.items() if token.special}


def reject_control_tokens(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]]) -> None:
    """A message that spells out one of the template's own tokens would forge a turn, and so train on a prompt."""
    control = [token for token in special_tokens(tokenizer) if token in (tokenizer.chat_template or "")]
    for message in messages:
        for token in control:
            if token in message["content"]:
                raise BadInput(
                    f"a message contains the template's own token {token}", "take it out of the row, or write it apart"
                )


def encode_rows(
    tokenizer: PreTrainedTokenizerBase, rows: dict[int, Any], kind: str, loss: str, max_length: int, overlong: str
) -> Encoded:
    """Encodes a split. What has no trained token becomes no row, and its line is kept: it would be a silent zero."""
    encoded = Encoded()
    for line, row in rows.items():
        if kind == "text":
            add_text(encoded, tokenizer, line, row, max_length, overlong)
            continue
        try:
            ids, mask = encode_chat(tokenizer, row)
        except BadInput as error:
            raise BadInput(f"line {line}: {error.message}", error.hint) from None
        if loss == "full":
            mask = [1] * len(ids)
        if len(ids) > max_length and overlong == "drop":
            encoded.dropped_overlong += 1
            continue
        encoded.truncated += len(ids) > max_length
        add(encoded, line, ids[:max_length], mask[:max_length])
    return encoded


def add_text(
    encoded: Encoded, tokenizer: PreTrainedTokenizerBase, line: int, text: str, max_length: int, overlong: str
) -> None:
    pieces = encode_text(tokenizer, text, max_length, overlong)
    if not pieces and text.strip():
        encoded.dropped_overlong += 1
        return
    # A piece that stops before the end-of-sequence token was cut out of a longer document.
    encoded.truncated += overlong == "truncate" and bool(pieces) and pieces[-1][-1] != tokenizer.eos_token_id
    for piece in pieces or [[]]:
        add(encoded, line, piece, [1] * len(piece))


def add(encoded: Encoded, line: int, ids: list[int], mask: list[int]) -> None:
    labels = [IGNORE, *(token if bit else IGNORE for token, bit in zip(ids[1:], mask[1:], strict=True))]
    if any(label != IGNORE for label in labels):
        encoded.rows.append({"input_ids": ids, "labels": labels})
        encoded.lines.append(line)
    else:
        encoded.zero_lines.append(line)


Expected = dict[tuple[int, ...], list[list[int]]]


def expect(rows: list[dict[str, list[int]]]) -> Expected:
    """The labels that the rows may have, by their ids: what verify_batch looks the documents of a batch up in."""
    expected: Expected = {}
    for row in rows:
        known = expected.setdefault(tuple(row["input_ids"]), [])
        if row["labels"] not in known:
            known.append(row["labels"])
    return expected


def verify_batch(batch: dict[str, Any], expected: Expected) -> None:
    """Compares a batch, as the trainer's own data loader yields it, with the labels decided here.

    Works on padded batches (attention_mask) and on flattened packed ones (position_ids restart at each document).
    """
    trained = 0
    for ids, labels in documents(batch):
        if labels not in expected.get(tuple(ids), []):
            raise BadInput(
                "the batch that reaches the model does not carry the labels of the data",
                "this is a fault between the installed trl and this worker: use the pinned versions",
            )
        trained += sum(label != IGNORE for label in labels)
    if trained == 0:
        raise BadInput("a batch would train on no token at all")


def documents(batch: dict[str, Any]) -> list[tuple[list[int], list[int]]]:
    """The (input_ids, labels) of each document in a batch, without padding."""
    ids, labels = batch["input_ids"].tolist(), batch["labels"].tolist()
    if "attention_mask" in batch:
        lengths = batch["attention_mask"].sum(dim=1).tolist()
        return [(row[:n], label[:n]) for row, label, n in zip(ids, labels, lengths, strict=True)]
    places = batch["position_ids"][0].tolist()
    starts = [place for place, position in enumerate(places) if position == 0] + [len(places)]
    return [(ids[0][a:b], labels[0][a:b]) for a, b in pairwise(starts)]
