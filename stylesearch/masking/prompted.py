"""Maskers that answer prompts: a grid of points is asked, and the salient answers are put together."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from stylesearch.encoders.compute import device_and_dtype, weights_digest
from stylesearch.images import Preprocess
from stylesearch.masking.base import USABLE_RULE, Masker, Masks
from stylesearch.masking.proposals import grid, subject_of

_GRID = 6  # points along a side; a subject is larger than a sixth of the picture
_AT_ONCE = 12  # points
_MEAN, _STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # of ImageNet; segment_anything's build_sam


class PromptedMasker(Masker):
    """A masker of the family of SAM (Kirillov et al. 2023).

    A subclass implements `features` and `answers`.

    Args:
        name: see `Masker`.
        network: moved and made ready here.
        size: side of the squares that it takes, pixels.
        dtype: see `device_and_dtype`. Weights stay in float32; in bfloat16 only what autocast finds safe is computed.
    """

    def __init__(self, name: str, network: nn.Module, size: int, dtype: str | None) -> None:
        self.name = name
        self.preprocess = Preprocess(size)
        self._device, self._dtype = device_and_dtype(dtype)
        self.fingerprint = weights_digest(network, str(self._dtype), size, _GRID, USABLE_RULE)
        self._network = network.eval().requires_grad_(False).to(self._device)
        self._points = grid(_GRID, size).to(self._device)

    @abstractmethod
    def features(self, images: Tensor) -> Any:
        """Args: images float (1, 3, S, S), normalised. Returns: what `answers` is given for each handful of points."""

    @abstractmethod
    def answers(self, features: Any, points: Tensor) -> tuple[Tensor, Tensor]:
        """
        Args:
            points: float (P, 2), x before y, pixels.

        Returns:
            logits float (M, h, w) of the masks proposed for the points, and their predicted IoU, float (M,).
        """

    def _mask(self, pixels: np.ndarray) -> Masks:
        found = [self._mask_one(picture) for picture in pixels]
        return Masks(np.stack([values for values, _ in found]), np.array([sure for _, sure in found], np.float32))

    def _mask_one(self, picture: np.ndarray) -> tuple[np.ndarray, float]:
        image = torch.from_numpy(np.ascontiguousarray(picture)).to(self._device).permute(2, 0, 1)[None].float()
        mean, std = (torch.tensor(each, device=self._device).view(1, 3, 1, 1) for each in (_MEAN, _STD))
        with torch.inference_mode(), self.autocast():
            features = self.features((image - mean) / std)
            answers = [self.answers(features, points) for points in torch.split(self._points, _AT_ONCE)]
        subject = subject_of(torch.cat([logits for logits, _ in answers]), torch.cat([sure for _, sure in answers]))
        side = self.preprocess.size
        values = interpolate(subject.values[None, None], (side, side), mode="bilinear")[0, 0]
        return values.clamp(0, 1).numpy(), subject.confidence

    def autocast(self) -> AbstractContextManager[object]:
        """In which `features` and `answers` are called."""
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._dtype == torch.bfloat16)
