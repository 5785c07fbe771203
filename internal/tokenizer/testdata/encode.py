"""Tokens of texts as Hugging Face's tokenizers makes them: a JSON list of texts in, a list of lists of ids out."""

import json
import sys

from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file(sys.argv[1])
texts = json.load(sys.stdin)
json.dump([found.ids for found in tokenizer.encode_batch(texts, add_special_tokens=False)], sys.stdout)
