"""Batches of P styles x K images from labelled pictures, unlabelled pictures and renderers, mixed.

A batch is a function of (seed, step, rank) alone. So a run that was killed continues with the very batches it would
have seen, and there is no loader state to save.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch.nn.functional import interpolate
from torch.utils.data import Dataset

from stylesearch.errors import UsageError
from stylesearch.images import Preprocess, fit, read_image

IMAGE_SUFFIXES = frozenset({".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True)
class Batch:
    """Pictures of one step on one rank.

    Attributes:
        pixels: uint8 (B, S, S, 3), sRGB.
        styles: int64 (B,), equal for pictures of one style, also across ranks and sources.
        prompts: B descriptions of the styles.
    """

    pixels: torch.Tensor
    styles: torch.Tensor
    prompts: list[str]


class Source(Protocol):
    """Where pictures come from."""

    name: str

    def draw(self, random: np.random.Generator, styles: int, images: int, size: int) -> Drawn:
        """Up to `styles` styles with `images` pictures each, at `size` pixels; fewer styles where there are no more."""


@dataclass(frozen=True)
class Drawn:
    """What a source gives: pixels uint8 (N, S, S, 3), and for each picture its style's key and prompt."""

    pixels: torch.Tensor
    keys: list[str]
    prompts: list[str]


def is_validation(style: str) -> bool:
    """Whether a style is held out whole for validation: one style in ten, by the hash of its name."""
    return int(hashlib.md5(style.encode(), usedforsecurity=False).hexdigest(), 16) % 10 == 0


@dataclass(frozen=True)
class LabelledPictures:
    """Encoded pictures with style and content.

    Attributes:
        name: of the set.
        blobs: N files' bytes.
        styles, contents: N labels each.
        prompts: N descriptions of the style.
    """

    name: str
    blobs: Sequence[bytes]
    styles: Sequence[str]
    contents: Sequence[str]
    prompts: Sequence[str]

    def __len__(self) -> int:
        return len(self.blobs)

    def select(self, rows: Sequence[int]) -> LabelledPictures:
        """The given rows, in that order."""
        columns = (self.blobs, self.styles, self.contents, self.prompts)
        return LabelledPictures(self.name, *([column[row] for row in rows] for column in columns))  # type: ignore[arg-type]

    def split(self) -> tuple[LabelledPictures, LabelledPictures]:
        """(training, validation), with no style in both."""
        held = [row for row, style in enumerate(self.styles) if is_validation(style)]
        kept = [row for row, style in enumerate(self.styles) if not is_validation(style)]
        return self.select(kept), self.select(held)

    def pixels(self, row: int, preprocess: Preprocess) -> np.ndarray:
        """Picture `row` decoded and fitted: uint8 (S, S, 3)."""
        return fit(read_image(self.blobs[row]), preprocess)


def read_parquet(path: Path) -> LabelledPictures:
    """Reads a file of MegaStyle's layout: `image` (struct with `bytes`), `style`, `content`, and maybe `prompt`.

    Raises:
        UsageError: a column is missing.
    """
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    if missing := {"image", "style", "content"} - set(table.column_names):
        raise UsageError(f"'{path}' has no column '{sorted(missing)[0]}'; it needs image, style and content.")
    blobs = [image["bytes"] for image in table["image"].to_pylist()]
    styles = table["style"].to_pylist()
    prompts = table["prompt"].to_pylist() if "prompt" in table.column_names else [prompt_of(style) for style in styles]
    return LabelledPictures(path.stem, blobs, styles, table["content"].to_pylist(), prompts)


OPENING = "in the style of "
"""Of prompts that are made of labels."""


def prompt_of(style: str) -> str:
    """The label of a style as words: "fa6-solid" to "in the style of fa6 solid"; whole sentences stay as they are."""
    return style if " " in style else f"{OPENING}{style.replace('__', ' ').replace('-', ' ').replace('_', ' ')}"


def read_folder(folder: Path, labelled: bool = True) -> LabelledPictures:
    """Reads `folder/<style>/<content>.<suffix>`, or with `labelled=False` any pictures, each a style of its own.

    Files that are no pictures by their suffix are passed over; damaged ones are refused when they are decoded.

    Raises:
        UsageError: there is no picture.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise UsageError(f"There are no pictures in '{folder}'.")
    names = [path.relative_to(folder) for path in files]
    styles = [name.parts[0] if labelled else name.as_posix() for name in names]
    prompts = [prompt_of(style) if labelled else "" for style in styles]
    return LabelledPictures(
        folder.name, [path.read_bytes() for path in files], styles, [name.stem for name in names], prompts
    )


class PictureSource:
    """Draws from labelled pictures: crops, flips and small changes of scale, which keep the style; no colour changes.

    The pictures of one draw share contents where the set has contents in common: then only the style tells the classes
    apart. A style with too few pictures gives several crops of one, and so does an unlabelled picture.

    Args:
        pictures: decoded at first use, then kept if `keep`.
        decoded: side of the square that is decoded, pixels; crops are cut from it.
        keep: whether decoded pictures stay in memory (N * decoded^2 * 3 bytes).
    """

    def __init__(self, pictures: LabelledPictures, decoded: int, keep: bool = True) -> None:
        self.name = pictures.name
        self._pictures = pictures
        self._preprocess = Preprocess(decoded)
        self._kept: dict[int, np.ndarray] | None = {} if keep else None
        self._rows: dict[str, np.ndarray] = {}
        for style in dict.fromkeys(pictures.styles):
            self._rows[style] = np.flatnonzero(np.array(pictures.styles) == style)
        self._styles = list(self._rows)
        self._contents = np.array(pictures.contents)
        self._distinct_contents = np.unique(self._contents)

    def draw(self, random: np.random.Generator, styles: int, images: int, size: int) -> Drawn:
        """See `Source.draw`."""
        chosen = random.choice(len(self._styles), min(styles, len(self._styles)), replace=False)
        spare = min(images + 3, len(self._distinct_contents))
        shared = random.choice(self._distinct_contents, spare, replace=False)
        rows = np.concatenate([self._pick(random, self._rows[self._styles[i]], shared, images) for i in chosen])
        crops = [crop(random, self._decode(int(row)), size) for row in rows]
        keys = [f"{self.name}/{self._pictures.styles[row]}" for row in rows]
        return Drawn(torch.stack(crops), keys, [self._pictures.prompts[row] for row in rows])

    def _pick(self, random: np.random.Generator, rows: np.ndarray, shared: np.ndarray, images: int) -> np.ndarray:
        common = rows[np.isin(self._contents[rows], shared)]
        order = random.permutation(common if len(common) > 1 else rows)
        return np.resize(order, images)

    def _decode(self, row: int) -> np.ndarray:
        if self._kept is None:
            return self._pictures.pixels(row, self._preprocess)
        if row not in self._kept:
            self._kept[row] = self._pictures.pixels(row, self._preprocess)
        return self._kept[row]


def crop(random: np.random.Generator, pixels: np.ndarray, size: int) -> torch.Tensor:
    """A random square of `size` to 1.2 `size` pixels, brought to `size` and flipped half of the time."""
    whole = len(pixels)
    side = min(whole, round(size * random.uniform(1.0, 1.2)))
    top, left = random.integers(0, whole - side + 1, 2)
    square = torch.from_numpy(pixels[top : top + side, left : left + side].copy())
    if side != size:
        planes = square.permute(2, 0, 1)[None].float()
        planes = interpolate(planes, (size, size), mode="bilinear", antialias=True)
        square = planes[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8)
    return square.flip(1) if random.random() < 0.5 else square


class RenderedSource:
    """Draws new styles for ever from the procedural renderers, each over the same contents.

    Args:
        device: where to render; a GPU keeps up with training, a CPU wants pictures rendered beforehand.
        photos: pictures to use as contents for half of the draws, uint8 (N, S, S, 3).
        seed_offset: style seeds begin here, so that other seeds stay unseen.
    """

    def __init__(self, device: str = "cpu", photos: np.ndarray | None = None, seed_offset: int = 1 << 20) -> None:
        self.name = "rendered"
        self._device, self._photos, self._seed_offset = device, photos, seed_offset

    def draw(self, random: np.random.Generator, styles: int, images: int, size: int) -> Drawn:
        """See `Source.draw`."""
        from encoder_training import renderers

        families = [family for family in renderers.FAMILIES if family not in renderers.HELD_OUT_FAMILIES]
        seeds = [self._seed_offset + int(seed) for seed in random.integers(0, 1 << 40, styles)]
        drawn = [renderers.sample_style(seed, families) for seed in seeds]
        content_seeds = [int(seed) for seed in random.integers(0, 1 << 31, images)]
        if self._photos is not None and random.random() < 0.5:
            chosen = self._photos[random.choice(len(self._photos), images, replace=False)]
            planes = torch.from_numpy(chosen).to(self._device).permute(0, 3, 1, 2).float() / 255
            planes = interpolate(planes, (size, size), mode="bilinear", antialias=True)
            contents = renderers.contents_from_images(planes.clamp(0, 1))
        else:
            contents = renderers.draw_contents(content_seeds, size, self._device)
        each = [style for style in drawn for _ in range(images)]
        pixels = renderers.render(each, contents.select(list(range(images)) * styles), content_seeds * styles)
        keys = [f"rendered/{style.seed}" for style in each]
        bytes_ = (pixels * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        return Drawn(bytes_, keys, [style.prompt for style in each])


@dataclass(frozen=True)
class Share:
    """A source, and how many styles of it are in every batch of every rank."""

    source: Source
    styles: int


class Batches(Dataset[Batch]):
    """The batches of a run, by step; give it to a DataLoader with `batch_size=None` to draw in other processes.

    Args:
        shares: what a batch is made of.
        images_per_style: K.
        size: side of the training crops, pixels.
        seed, rank: with the step, all that decides a batch.
    """

    def __init__(self, shares: Sequence[Share], images_per_style: int, size: int, seed: int, rank: int = 0) -> None:
        self._shares, self._images, self._size = shares, images_per_style, size
        self._seed, self._rank = seed, rank

    def __getitem__(self, step: int) -> Batch:
        random = np.random.default_rng([self._seed, step, self._rank])
        drawn = [share.source.draw(random, share.styles, self._images, self._size) for share in self._shares]
        keys = [key for part in drawn for key in part.keys]
        styles = [int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big", signed=True) for key in keys]
        prompts = [prompt for part in drawn for prompt in part.prompts]
        return Batch(torch.cat([part.pixels for part in drawn]), torch.tensor(styles), prompts)
