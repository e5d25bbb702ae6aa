"""`compact` on one GPU: the recipe of `encoder_training.experiments.compact` with more styles, longer.

    python -m encoder_training.experiments.compact_gpu --data DIR --out DIR --tag v3

Written for ten minutes of an H200 per call: a checkpoint every 100 steps, and the same command continues. Only
`--smoke` has been run, so expect no particular scores; those of the CPU recipe are in docs/training.md.
"""

from __future__ import annotations

from encoder_training.experiments.compact import Settings, main
from encoder_training.finetune import Plan
from stylesearch.encoders.compact_network import CompactConfig

PLAN = Plan(steps=20_000, styles=96, gallery=8192)
GPU = Settings(CompactConfig(), PLAN, drawers=8, rendered_styles=16_384, head_steps=1000)

if __name__ == "__main__":
    main(GPU)
