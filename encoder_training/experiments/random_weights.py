"""A trunk that has learnt nothing: what the architecture alone is worth.

    python -m encoder_training.experiments.random_weights --out DIR
    python -m encoder_training.evaluate --data DIR --encoder compact:random --weights OUT

Seconds. Expect the row "random trunk" of docs/training.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from encoder_training.export import export
from stylesearch.encoders.compact_network import Compact, CompactConfig
from stylesearch.encoders.style_words import NEAREST, StyleWords


def main(arguments: Sequence[str] | None = None) -> Path:
    """Returns: the folder of the exported weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights")
    chosen = parser.parse_args(arguments)
    torch.manual_seed(0)
    config = CompactConfig(statistics_dim=0)
    nowhere = torch.empty(0, NEAREST)
    words = StyleWords([], torch.empty(0, config.dim), [], nowhere, nowhere)
    return export(Compact(config), words, "random", chosen.out, [])


if __name__ == "__main__":
    main()
