"""`compact` on one GPU: the recipe of `encoder_training.experiments.compact` at GPU sizes.

    python -m encoder_training.experiments.compact_gpu --data DIR --out DIR --tag v3

Written for ten minutes of an H200 per call: a checkpoint every 200 steps, and the same command continues. Renderers
run on the GPU. Only `--smoke` has been run, so expect no particular scores; those of the CPU recipe are in
docs/training.md.
"""

from __future__ import annotations

from encoder_training.experiments.compact import Settings, main
from stylesearch.encoders.compact_network import CompactConfig

# Half as wide again and deeper; the exported weights must stay under 24 MB.
CONFIG = CompactConfig(widths=(48, 96, 192, 288), depths=(0, 2, 3, 1))
GPU = Settings(CONFIG, trunk_steps=20_000, times=8, workers=0, rendered_styles=8000, head_steps=3000, chunk=None)

if __name__ == "__main__":
    main(GPU)
