"""Writes tiny random Qwen2 models with ChatML tokens into folders: python make_tiny.py FOLDER… For tests only."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM, set_seed

from models import save_folder

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEXTS = [
    "system user assistant\nYou are a helpful assistant.\n",
    "The quick brown fox jumps over the lazy dog while 12345 birds sing in the morning sun.\n",
    "Write a program that prints the numbers from 1 to 10 and then their sum.\n",
    "for i = 1 to 10\n    print i\n    total = total + i\nnext i\nprint total\n",
    "if name$ = 'Hello' then print 'Hello, World!' else print 'Who are you?'\n",
    "open a file, read each line, count the words and close the file again\n",
]


def make_tiny(folder: Path, tied: bool = True, hidden: int = 64, seed: int = 7) -> None:
    """A model folder of about 0.2 M parameters. The same arguments give the same bytes."""
    set_seed(seed)
    tokenizer = make_tokenizer()
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=tied,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    save_folder(Qwen2ForCausalLM(config).to(torch.float32), tokenizer, folder)


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE with the special tokens of Qwen2.5."""
    backend = Tokenizer(models.BPE())
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1024, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=[], show_progress=False
    )
    backend.train_from_iterator(TEXTS, trainer)
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|endoftext|>", pad_token="<|endoftext|>", chat_template=CHATML
    )


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python make_tiny.py FOLDER…")
    for seed, name in enumerate(sys.argv[1:], 7):
        make_tiny(Path(name), seed=seed)
