"""How well subjects are found: overlap with masks known by construction, abstention where there is none, and time.

    python -m benchmarks.masking                      # 480 pictures in families that no masker was trained on
    python -m benchmarks.masking --count 96 --masker masker:v1

Sides: the embedded masker; GrabCut (Rother et al. 2004, OpenCV) from a frame a twentieth of the side wide; what differs
in colour from the border (CIELAB distance, threshold of Otsu 1979). The two baselines cannot abstain: a mask of less
than 0.5 % or more than 98 % of the picture counts as abstention for everybody.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.intervals import bootstrap
from benchmarks.machine import machine
from encoder_training.composites import KINDS, Composites, draw_composites
from stylesearch.masking.base import Masker, Masks
from stylesearch.masking.embedded import EmbeddedMasker

BATCH = 16
_LEAST_SUBJECT = 0.01  # share of the picture

Side = Callable[[np.ndarray], Masks]
"""Pixels uint8 (N, S, S, 3) to masks."""


@dataclass(frozen=True)
class Scores:
    """Of one side: overlap per picture with a subject (NaN where it abstained: counts as 0), abstention, seconds."""

    overlap: np.ndarray
    abstained: np.ndarray
    seconds: float


def border_colour(pixels: np.ndarray) -> Masks:
    """What differs in colour from the border: uint8 (N, S, S, 3) to masks; always sure."""
    values = []
    for picture in pixels:
        lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB).astype(np.float32)
        frame = _frame(len(picture))
        distance = np.linalg.norm(lab - np.median(lab[frame], axis=0), axis=2)
        scaled = np.clip(distance * 2, 0, 255).astype(np.uint8)
        _, mask = cv2.threshold(scaled, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
        values.append(mask.astype(np.float32))
    return Masks(np.stack(values), np.ones(len(pixels), np.float32))


def grab_cut(pixels: np.ndarray, rounds: int = 3) -> Masks:
    """GrabCut inside a frame: uint8 (N, S, S, 3) to masks; always sure."""
    values = []
    for picture in pixels:
        side = len(picture)
        edge = max(1, side // 20)
        mask = np.zeros((side, side), np.uint8)
        rectangle = (edge, edge, side - 2 * edge, side - 2 * edge)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.setRNGSeed(0)
        cv2.grabCut(picture[..., ::-1].copy(), mask, rectangle, *models, rounds, cv2.GC_INIT_WITH_RECT)
        values.append(np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32))
    return Masks(np.stack(values), np.ones(len(pixels), np.float32))


def _frame(side: int) -> np.ndarray:
    frame = np.ones((side, side), bool)
    edge = max(1, side // 20)
    frame[edge:-edge, edge:-edge] = False
    return frame


def overlap(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Intersection over union of bool (N, H, W) masks: float64 (N,); two empty ones overlap wholly."""
    both = (found & wanted).sum((1, 2))
    either = (found | wanted).sum((1, 2))
    return np.where(either == 0, 1.0, both / np.maximum(either, 1))


def score(side: Side, pictures: Composites) -> Scores:
    """Runs one side over all pictures."""
    overlaps, abstained, seconds = [], [], []
    for start in range(0, len(pictures.pixels), BATCH):
        pixels = pictures.pixels[start : start + BATCH]
        began = time.perf_counter()
        masks = side(pixels)
        seconds.append((time.perf_counter() - began) / len(pixels))
        there = masks.found
        found = (masks.values >= 0.5) & there[:, None, None]
        overlaps.append(overlap(found, pictures.masks[start : start + BATCH] >= 128))
        abstained.append(~there)
    return Scores(np.concatenate(overlaps), np.concatenate(abstained), statistics.median(seconds))


def main(count: int = 480, masker: str = "masker", seed: int = 0) -> None:
    """Prints overlap by kind of picture, abstention and time."""
    embedded: Masker = EmbeddedMasker(masker)
    pictures = draw_composites(np.random.default_rng([7, seed]), count, embedded.preprocess.size, held_out=True)
    kinds = np.array(pictures.kinds)
    there = (pictures.masks >= 128).mean((1, 2)) >= _LEAST_SUBJECT
    sides: dict[str, Side] = {
        embedded.name: embedded.mask_pixels,
        "GrabCut": grab_cut,
        "border colour": border_colour,
    }
    table = Table("side", *(f"IoU {kind}" for kind in KINDS[:3]), "abstains, no subject", "abstains, subject", "ms")
    for name, side in sides.items():
        scores = score(side, pictures)
        cells = []
        for kind in KINDS[:3]:
            rows = there & (kinds == kind)
            groups = np.flatnonzero(rows) // 4  # drawn in one style
            interval = bootstrap(scores.overlap[rows, None], groups)
            low, high = 100 * interval.low[0], 100 * interval.high[0]
            cells.append(f"{100 * interval.mean[0]:.1f} ({low:.1f} to {high:.1f})")
        empty, full = scores.abstained[kinds == KINDS[3]], scores.abstained[there]
        cells += [f"{100 * empty.mean():.0f} %", f"{100 * full.mean():.0f} %", f"{1000 * scores.seconds:.1f}"]
        table.add_row(name, *cells)
    console = Console(soft_wrap=True, highlight=False)
    console.print(
        f"{count} pictures of {embedded.preprocess.size} px in held-out families, seed {seed}; "
        f"{torch.get_num_threads()} threads, {machine()['processor']}"
    )
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
