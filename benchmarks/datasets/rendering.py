"""Pixels and files of a rendered set; this runs in worker processes, which `drawing` has prepared."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

import numpy as np
import PIL
import pyarrow
import pyarrow.parquet
import torch

from benchmarks.datasets.rendered import RenderedSet, contents_of, families_of, labels
from encoder_training import renderers
from stylesearch.errors import StyleSearchError

_BUILD_DIGITS = 12


def draw_style(wanted: RenderedSet, style: int, contents: renderers.Contents) -> np.ndarray:
    """All pictures of a style: uint8 (contents, size, size, 3), sRGB.

    One call draws them over all contents, so that the batch that a picture is drawn in is always the same.
    """
    families = families_of(wanted)
    hand = renderers.sample_style(wanted.style_seeds[style], [families[style % len(families)]])
    images = renderers.render([hand] * len(contents), contents, contents.seeds)
    return np.asarray((images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy())


def draw_shard(wanted: RenderedSet, styles: range, path: Path, expected: str) -> None:
    """Draws some styles and writes the file in one step.

    Args:
        wanted: the set.
        styles: those of the file.
        path: the file.
        expected: the `build` that its folder is named after.

    Raises:
        StyleSearchError: this process would draw other pixels.
        OSError: the file cannot be written.
    """
    if build() != expected:
        raise StyleSearchError("The renderers or their libraries changed while pictures were drawn. Run it again.")
    if torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
        raise StyleSearchError(
            "PyTorch computed something before a drawing process could tell it which instructions to use. Draw the set "
            "from a script that computes nothing when it is imported, or with: python -m benchmarks.datasets SPEC"
        )
    contents = renderers.draw_contents([seed for seed, _ in contents_of(wanted)], wanted.size)
    header = f"P6\n{wanted.size} {wanted.size}\n255\n".encode()
    pictures = (pixels for style in styles for pixels in draw_style(wanted, style, contents))
    table = pyarrow.Table.from_pylist(
        [
            {"image": {"bytes": header + pixels.tobytes(), "path": name}, "style": style, "content": content}
            for (style, content, name), pixels in zip(labels(wanted, styles), pictures, strict=True)
        ]
    )
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        pyarrow.parquet.write_table(
            table, partial, compression="zstd", row_group_size=wanted.contents, write_page_checksum=True
        )
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def build() -> str:
    """What decides pixels besides the set: the renderers' source, their libraries and the kind of processor; hex."""
    digest = hashlib.sha256()
    for path in sorted(Path(renderers.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    digest.update("\n".join((torch.__version__, np.__version__, PIL.__version__, platform.machine())).encode())
    return digest.hexdigest()[:_BUILD_DIGITS]
