"""From found style to new pictures of the library: made, stamped, indexed, measured.

A picture that is made here is a file below `created` in the library's folder, and an asset like any other. Its lineage
is in the catalog before the file has its place, and the file takes its place in one step: whatever is killed when,
there is no half of a picture and none without its lineage. A file that was not indexed any more is by the next run.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL.Image import Image

from indexer.run import index
from stylesearch.errors import TransferCancelled, TransferError
from stylesearch.export import in_one_step
from stylesearch.files import identity, part_of, read_bytes, uri_of
from stylesearch.library import Library
from stylesearch.lineage import Fidelity, Ingredient, Lineage, Model
from stylesearch.query import Box, Crop, PictureSource, Reference
from stylesearch.records import Asset
from stylesearch.search import combine
from stylesearch.settings import Settings
from stylesearch.transfer.base import (
    Report,
    StyleReference,
    TransferBackend,
    TransferRequest,
    TransferResult,
)
from stylesearch.transfer.leak import content_leak
from stylesearch.transfer.provenance import stamped_png
from stylesearch.uris import printable

FOLDER = "created"  # in the library's
_LONGEST_NAME = 40  # characters of what is asked for, in the name of a file
_SEEDS = 2**32  # that are drawn where none is named: programs of others take no larger ones


@dataclass(frozen=True)
class Input:
    """A picture to make others from.

    Attributes:
        source: path, decoded picture, id of an asset, or a part of one of these.
        weight: how much it counts beside the other references.
        name: what to call a decoded picture.
    """

    source: PictureSource | Crop
    weight: float = 1.0
    name: str = "picture"


@dataclass(frozen=True)
class Created:
    """A picture that was made and is in the library.

    Attributes:
        asset: what it is there.
        lineage: how it was made, and how well it has met the style.
        seconds: that it took to make, without loading the models.
    """

    asset: Asset
    lineage: Lineage
    seconds: float


def create(
    library: Library,
    backend: TransferBackend,
    references: Sequence[Input],
    *,
    settings: Settings,
    prompt: str = "",
    content: Input | None = None,
    width: int = 512,
    height: int = 512,
    seed: int | None = None,
    count: int = 1,
    strength: float = 1.0,
    steps: int | None = None,
    progress: Report | None = None,
    cancel: threading.Event | None = None,
) -> list[Created]:
    """Makes pictures in the style of others and brings them into the library.

    Args:
        library: gets them, in all of its spaces.
        backend: makes them.
        references: whose style is wanted.
        settings: of the indexer.
        prompt, width, height, count, strength, steps: see `TransferRequest`.
        content: what is to be shown.
        seed: of the first picture; None: drawn by lot, and remembered.
        progress: told how far the backend is.
        cancel: set it in another thread to stop; then nothing is kept.

    Returns:
        the pictures in the order of their seeds. Two that are the same to the byte are one asset.

    Raises:
        UsageError: no such asset, a request that cannot be met, or a folder that cannot be written.
        ImageError: a reference cannot be read.
        SpaceMismatchError: the encoder is not the one that filled the library; nothing was made.
        TransferCancelled: `cancel` was set.
        TransferError: the backend failed, or what it made cannot be indexed.
        CatalogError: the catalog refuses; a file that has its place is indexed by the next run.
    """
    sources = [Reference(one.source, one.weight) for one in references]
    vectors, own = library.searching().references.read(sources)
    request = TransferRequest(
        references=tuple(_style(library, one) for one in references),
        prompt=prompt.strip(),
        content=None if content is None else library.read(content.source),
        width=width,
        height=height,
        seed=random.SystemRandom().randrange(_SEEDS - count) if seed is None else seed,
        count=count,
        strength=strength,
        steps=steps,
    )
    ingredients = tuple(_ingredient(library, one, settings) for one in references)
    shown = None if content is None else _ingredient(library, content, settings)
    results = backend.run(request, progress, cancel)
    if cancel is not None and cancel.is_set():
        raise TransferCancelled(f"'{backend.name}' was cancelled; nothing was kept.")
    contents = [_keep(library, result, _lineage(backend, request, result, ingredients, shown)) for result in results]
    _index(library, settings)
    assets = _assets(library, contents)
    wanted = combine(vectors, [one.weight for one in references], vectors[:0], []) if references else None
    for sha256, result in zip(contents, results, strict=True):
        leak = max((content_leak(result.picture, one.picture) for one in request.references), default=None)
        library.catalog.set_fidelity(sha256, _fidelity(library, assets[sha256], vectors, wanted, own, leak))
    lineages = library.catalog.lineages([asset.id for asset in assets.values()])
    return [
        Created(assets[sha256], lineages[assets[sha256].id], result.seconds)
        for sha256, result in zip(contents, results, strict=True)
    ]


def _style(library: Library, given: Input) -> StyleReference:
    whole, box = _divided(given.source)
    return StyleReference(
        picture=library.read(given.source),
        weight=given.weight,
        asset_id=None if isinstance(whole, (str, os.PathLike, Image)) else int(whole),
        crop=box,
        name=_name(library, whole, given.name),
    )


def _ingredient(library: Library, given: Input, settings: Settings) -> Ingredient:
    whole, box = _divided(given.source)
    sha256 = None
    if isinstance(whole, (str, os.PathLike)):
        sha256 = identity(hashlib.sha256(read_bytes(whole, settings.limits)).hexdigest(), part_of(uri_of(whole)))
    elif not isinstance(whole, Image):
        sha256 = library.assets([int(whole)])[int(whole)].sha256
    return Ingredient(_name(library, whole, given.name), sha256, given.weight, box)


def _divided(source: PictureSource | Crop) -> tuple[PictureSource, Box | None]:
    return (source.source, source.box) if isinstance(source, Crop) else (source, None)


def _name(library: Library, source: PictureSource, name: str) -> str:
    if isinstance(source, Image):
        return name
    if isinstance(source, (str, os.PathLike)):
        return printable(Path(source).name)
    paths = library.assets([int(source)])[int(source)].paths
    return printable(paths[0]).rpartition("/")[2] if paths else f"picture {int(source)}"


def _lineage(
    backend: TransferBackend,
    request: TransferRequest,
    result: TransferResult,
    references: tuple[Ingredient, ...],
    content: Ingredient | None,
) -> Lineage:
    return Lineage(
        made_at=datetime.now(UTC),
        backend=backend.name,
        models=tuple(Model(used.name, used.sha256, used.licence, used.trained) for used in result.models),
        licence=backend.licence.text,
        commercial=backend.licence.commercial,
        prompt=request.prompt,
        seed=result.seed,
        width=result.picture.width,
        height=result.picture.height,
        strength=request.strength,
        steps=request.steps,
        references=references,
        content=content,
    )


def _keep(library: Library, result: TransferResult, lineage: Lineage) -> str:
    """Writes a picture and its lineage; returns the digest of the file."""
    said = lineage.prompt or (lineage.references[0].name.rpartition(".")[0] if lineage.references else "")
    slug = re.sub(r"[^\w]+", "-", said.casefold())[:_LONGEST_NAME].strip("-_") or "picture"
    title = f"{slug}-{result.seed}"
    data = stamped_png(result.picture, lineage, f"{title}.png")
    sha256 = hashlib.sha256(data).hexdigest()
    library.catalog.add_lineage(sha256, lineage)
    # The digest keeps pictures of one seed apart that were made in other ways.
    target = library.folder / FOLDER / f"{lineage.made_at:%Y-%m-%d}" / f"{title}-{sha256[:8]}.png"
    with in_one_step(target, parents=True) as file:
        file.write(data)
    return sha256


def _index(library: Library, settings: Settings) -> None:
    """Brings every space of the library up to what lies in the folder."""
    for space in library.spaces:
        index(
            library.catalog,
            library.searching(space.name).encoder,
            [library.folder / FOLDER],
            thumbnails=library.thumbnails,
            settings=replace(settings, workers=1),  # another process takes longer to start than a few pictures to read
        )


def _assets(library: Library, contents: Sequence[str]) -> dict[str, Asset]:
    known = library.catalog.assets_by_hash(contents, library.searching().id)
    for sha256 in contents:
        if sha256 not in known or not known[sha256].has_vector:
            raise TransferError(
                f"What was made lies in '{library.folder / FOLDER}' and cannot be indexed. See why with: "
                "stylesearch errors"
            )
    assets = library.assets([content.asset_id for content in known.values()])
    return {sha256: assets[content.asset_id] for sha256, content in known.items()}


def _fidelity(
    library: Library,
    asset: Asset,
    vectors: np.ndarray,
    wanted: np.ndarray | None,
    own: set[int],
    leak: float | None,
) -> Fidelity:
    """How well a picture has met its references.

    Args:
        vectors: float32 (N, D), of the references.
        wanted: float32 (D,), of all of them together; None: there are none.
        own: ids of the references that are assets.
    """
    searching = library.searching()
    vector = library.catalog.vectors(searching.id, [asset.id])[1][0]
    style = probability = None
    if wanted is not None:
        style = _cosine(wanted, vector)
        if searching.calibrated:
            probability = float(searching.scores(wanted, own, [asset.id])[0])
    return Fidelity(searching.space.name, tuple(_cosine(one, vector) for one in vectors), style, probability, leak)


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.clip(one.astype(np.float64) @ other, -1, 1))
