"""The losses, one per file; each is exact whether the batch lies on one rank or on many."""

from encoder_training.losses.infonce import two_batch_infonce
from encoder_training.losses.siglip import SigLIPLoss
from encoder_training.losses.sscl import sscl, sscl_against

__all__ = ["SigLIPLoss", "sscl", "sscl_against", "two_batch_infonce"]
