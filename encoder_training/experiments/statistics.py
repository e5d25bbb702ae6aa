"""The bar for every encoder: one linear layer, trained by SSCL, over the handmade statistics alone.

    python -m encoder_training.experiments.statistics --data DIR --out DIR --tag statistics
    python -m encoder_training.evaluate --data DIR --encoder compact:statistics --weights OUT

Some minutes on two cores, nearly all of them for the statistics. Expect the column "linear over statistics" of
docs/training.md.
"""

from __future__ import annotations

from encoder_training.experiments.compact import Settings, main
from encoder_training.finetune import Plan
from stylesearch.encoders.compact_network import CompactConfig

_CONFIG = CompactConfig(moments_dim=0, correlations_dim=0, statistics_dim=192)
STATISTICS = Settings(_CONFIG, Plan(steps=0))

if __name__ == "__main__":
    main(STATISTICS)
