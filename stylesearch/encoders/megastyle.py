"""`megastyle:PATH`: MegaStyle-Encoder (arXiv 2604.08364), or any vision tower of SigLIP in Hugging Face's layout.

    megastyle:/models/megastyle_encoder.pth       the published checkpoint: SO400M/14 at 384 pixels, 1,152 numbers
    megastyle:/models/siglip-base-patch16-224     a folder with the `model.safetensors` of a SigLIP

The vector is the output of the attention pool, as in the published `style_score.py`. That script loads what fits and
says nothing of the rest; here a tensor that is missing or unexpected is an error.
"""

from __future__ import annotations

import numpy as np

from stylesearch.encoders.checkpoints import checkpoint_file, read_state
from stylesearch.encoders.compute import TorchEncoder
from stylesearch.encoders.fill import fill_in, is_kept
from stylesearch.encoders.places import pool_kept
from stylesearch.encoders.siglip import PIXEL_MEAN, PIXEL_STD, load_siglip_tower
from stylesearch.images import Preprocess


class MegaStyleEncoder(TorchEncoder):
    """The vision tower of a SigLIP with its attention pool.

    Args:
        name: as in the module's docstring.
        dtype: see `device_and_dtype`.

    Raises:
        EncoderError: no such file, or a checkpoint of another network.
    """

    def __init__(self, name: str, dtype: str | None = None) -> None:
        path = checkpoint_file(name, name.partition(":")[2])
        tower, sizes = load_siglip_tower(read_state(path), path)
        preprocess = Preprocess(sizes.image_size, "squash", "bicubic")
        super().__init__(f"megastyle:{path}", tower, preprocess, PIXEL_MEAN, PIXEL_STD, dtype, identity=(sizes,))
        self._siglip = tower

    def _embed_parts(self, pixels: np.ndarray) -> np.ndarray:
        return self._run(self._siglip.parts, pixels)

    def _embed_masked(self, pixels: np.ndarray, keep: np.ndarray) -> np.ndarray:
        tower, kept = self._siglip, is_kept(keep)
        filled = fill_in(pixels, keep)
        return self._run(lambda batch, here: pool_kept(tower.head, tower.tokens(batch), here), filled, kept)
