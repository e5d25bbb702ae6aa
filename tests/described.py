"""A library whose pictures say something about themselves."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from pictures import draw
from PIL import PngImagePlugin
from test_library import fill

from stylesearch import Library
from stylesearch.metadata import xmp_sidecar
from stylesearch.records import Metadata

POSTER = Metadata(
    title="=Poster;\n1",
    creators=("Anna Müller", "Bo"),
    rights="© Anna Müller",
    licence="https://creativecommons.org/licenses/by/4.0/",
    date="1972-05-03",
    software="Adobe Photoshop",
)
MUSEUM = Metadata(title="Vase", creators=("Museum",), licence="Public domain", date="c. 1890")
PROMPT = "a cat\nSteps: 2, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 8x8, Model: m"


def draw_described(folder: Path) -> None:
    """poster.jpg with XMP, vase.png with a sidecar, cat.png with a prompt, plain.png with nothing, twice."""
    (folder / "deep").mkdir(parents=True)
    draw(1).save(folder / "poster.jpg", xmp=xmp_sidecar(POSTER, ["Poster", "Grün"]))
    draw(2).save(folder / "deep" / "vase.png")
    (folder / "deep" / "vase.xmp").write_bytes(xmp_sidecar(MUSEUM, ["vase", "grün"]))
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", PROMPT)
    draw(3).save(folder / "cat.png", pnginfo=info)
    plain = io.BytesIO()
    draw(4).save(plain, "PNG")
    for name in ("plain.png", "deep/plain.png"):
        (folder / name).write_bytes(plain.getvalue())


def described_library(folder: Path) -> Path:
    """The folder of a library of these pictures, which lie in `folder/pictures`."""
    draw_described(folder / "pictures")
    with Library.create(folder / "library", encoder="descriptors:lab-gradient") as library:
        fill(library, folder / "pictures")
    return folder / "library"


def names(library: Library, **filters: Any) -> list[str]:
    """Names of the pictures that meet the filters of a `Query`."""
    return sorted(Path(asset.paths[0]).name for asset in library.browse(99, **filters))
