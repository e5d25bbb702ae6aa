"""Searches in a library, and what is worked out from all of its vectors."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np
from PIL.Image import Image, Resampling

from stylesearch.atlas import Atlas
from stylesearch.calibration import Calibration, calibrate
from stylesearch.charting import AtlasStore, Progress
from stylesearch.duplicates import (
    DISTANCE,
    LEAST_COSINE,
    SIMILAR_COSINE,
    DuplicateFinder,
    DuplicateGroup,
    DuplicateKind,
    Looks,
)
from stylesearch.encoders import reads_texts
from stylesearch.errors import ImageError
from stylesearch.explain import Explanation, explain
from stylesearch.folding import fold
from stylesearch.library_pictures import LibraryPictures
from stylesearch.query import Crop, PictureSource, Query
from stylesearch.records import Asset, Hit, Region
from stylesearch.references import LoadedReference
from stylesearch.search import combine, spread, to_hits
from stylesearch.spaces import SearchSpace
from stylesearch.vectors import VectorIndex

_REMEMBERED = 5_000  # assets that were hits lately
_ENCODED = 32  # pictures that are encoded together
_GROUPED_AMONG = 20_000  # neighbours that are looked at for hits of enough groups; a larger k raises it


class LibrarySearch(LibraryPictures):
    """A part of `Library`."""

    def search(self, query: Query, *, space: str | None = None, min_score: float | None = None) -> list[Hit]:
        """Finds what shares the style of the query's references.

        Args:
            query: what to look for; vectors in it are of the space.
            space: name of the space to search in; None: `self.space`.
            min_score: leave out hits with a lower `Hit.score`, from 0 to 1, so that there may be none; None: no scores.

        Returns:
            at most `query.k` hits, best first; equal cosines by ascending asset id.

        Raises:
            ImageError: a reference cannot be read as an image.
            UsageError: a reference is no asset of this library, references cancel out, there is no such space,
                or scores are asked for and not calibrated.
            SpaceMismatchError: a vector is not of this library's space, or the encoder is not the one that filled it.
            EncoderError: a text, and an encoder without a text tower.
        """
        positives, negatives = query.positives(), query.negatives()
        searching = self.searching(space)
        index = searching.index()
        if not len(index):
            searching.check_filled()
        vectors, own_ids = searching.references.read(positives + negatives)
        weights = [reference.weight for reference in positives + negatives]
        split = len(positives)
        vector = combine(vectors[:split], weights[:split], vectors[split:], weights[split:])
        left_out = own_ids if query.exclude_references else set()
        hits = self._with_regions(self._nearest(searching, index, query, vector, left_out), searching.space.region)
        if min_score is None or not hits:
            return hits
        scores = searching.scores(vector, own_ids, [hit.asset.id for hit in hits])
        scored = [replace(hit, score=score) for hit, score in zip(hits, scores.tolist(), strict=True)]
        return [hit for hit in scored if hit.score is not None and hit.score >= min_score]

    def _nearest(
        self, searching: SearchSpace, index: VectorIndex, query: Query, vector: np.ndarray, left_out: set[int]
    ) -> list[Hit]:
        """At most `query.k` hits; where they are grouped, more and more neighbours are looked at until there are so
        many, as a Qdrant server does it: its groups are repeated searches, too."""
        allowed = searching.allowed(query)
        most = min(len(index), max(query.k, _GROUPED_AMONG) + len(left_out) if query.group_by else len(index))
        wanted = query.k + len(left_out)
        while True:
            count = max(1, min(wanted, most))
            neighbours = index.search(vector[None], count, allowed)
            found = neighbours.ids[0][neighbours.ids[0] >= 0].tolist()
            hits = to_hits(neighbours, self._located(found, searching.state), left_out, count)
            if query.group_by:
                hits = spread(hits, self._groups(hits, query.group_by), query.group_size)
            if not query.group_by or len(hits) >= query.k or len(found) < count or count >= most:
                return hits[: query.k]
            wanted *= 4

    def _groups(self, hits: Sequence[Hit], by: str) -> list[Hashable]:
        if by == "folder":
            return [hit.path.rpartition("/")[0] for hit in hits]
        creators = self.catalog.creators([hit.asset.id for hit in hits])
        return [creators.get(hit.asset.id, hit.asset.id) for hit in hits]

    def _with_regions(self, hits: list[Hit], region: Region) -> list[Hit]:
        masker = self.settings.masker
        if region == "whole" or masker is None:
            return hits
        whole = self.catalog.without_subject(masker.fingerprint, [hit.asset.id for hit in hits])
        return [hit if hit.asset.id in whole else replace(hit, region=region) for hit in hits]

    def fold(self, hits: Sequence[Hit]) -> list[list[Hit]]:
        """Hits that look the same, put together under the best of them; see `stylesearch.folding`."""
        by_id = {hit.asset.id: hit for hit in hits}
        looks = Looks(*self.catalog.perceptual_hashes(list(by_id)))
        groups = fold(list(by_id), looks, partial(self.catalog.vectors, self.searching().id))
        return [[by_id[asset_id] for asset_id in group] for group in groups]

    def explain(self, reference: PictureSource | Crop, asset_id: int) -> Explanation:
        """Why a picture of the library is like a reference in style, or is not: where, and in what.

        Args:
            reference: path, picture, asset id, or a part of one of these.
            asset_id: of the picture.

        Raises:
            UsageError: no such asset.
            ImageError: one of the two cannot be read, or all of its files are gone.
            SpaceMismatchError: the encoder is not the one that filled the library.
        """
        return explain(self.encoder, self.read(reference), self.read(asset_id))

    @property
    def reads_texts(self) -> bool:
        """Whether a search can ask for a style in words."""
        return reads_texts(self.space.encoder)

    @property
    def calibrated(self) -> bool:
        """Whether hits have scores, so that `min_score` can be asked for."""
        return self.searching().calibrated

    def calibrate(self, pictures: int = 400, *, space: str | None = None) -> Calibration:
        """Finds out what the scores of a space mean in this library, from the two halves of some of its pictures, and
        keeps that; see `stylesearch.calibration`. Do it again where the library has come to hold other pictures.

        Args:
            pictures: how many, at most.
            space: its name; None: `self.space`.

        Raises:
            UsageError: too few pictures can be read, or there is no such space.
        """
        searching = self.searching(space)
        index = searching.index()
        side = searching.encoder.preprocess.size
        read: dict[int, Image] = {}
        after = ""
        while len(read) < pictures and (some := self.browse(pictures, after=after)):
            after = some[-1].sha256
            known = set(self.catalog.vectors(searching.id, [asset.id for asset in some])[0].tolist())
            for asset in some[: pictures - len(read)]:
                with suppress(ImageError):
                    if asset.id in known:
                        picture = self.picture(asset)
                        # Hundreds of them are held, and the encoder sees no more than this.
                        picture.thumbnail((2 * side, 2 * side), Resampling.LANCZOS)
                        read[asset.id] = picture
        made = calibrate(list(read), list(read.values()), self._encode(searching), index, searching.space.key)
        made.write(searching.calibration_path)
        return made

    def _encode(self, searching: SearchSpace) -> Callable[[Sequence[Image]], np.ndarray]:
        def encode(images: Sequence[Image]) -> np.ndarray:
            starts = range(0, len(images), _ENCODED)
            return np.concatenate([searching.encoder.embed_batch(images[at : at + _ENCODED]) for at in starts])

        return encode

    def load_reference(self, data: bytes, *, name: str | None = None, space: str | None = None) -> LoadedReference:
        """Encodes a picture that is not (or not known to be) a file here, such as one dropped on a page.

        Args:
            data: bytes of an image file.
            name: what to call the picture in errors.
            space: name of the space that it will be searched with in; None: `self.space`.

        Raises:
            UsageError: there is no such space.
            ImageError: it cannot be read as an image.
            SpaceMismatchError: the encoder is not the one that filled the library.
        """
        return self.searching(space).references.load(data, name)

    def _located(self, ids: Sequence[int], state: int | None) -> Mapping[int, Asset]:
        """The assets by id, remembered while the catalog is in this state."""
        known_state, known = self._remembered
        if known_state != state or len(known) > _REMEMBERED:
            known = {}
        if missing := [asset_id for asset_id in ids if asset_id not in known]:
            known.update(self.catalog.assets(missing))
            self._remembered = state, known
        return known

    def atlas(self, progress: Progress = lambda share, doing: None, *, anew: bool = False) -> Atlas:
        """The map of the library by style. Drawing takes seconds, or minutes where there are 100,000 pictures; a map
        that is drawn already is brought up to date, which does not, until a quarter of the library is another.

        Args:
            progress: told how far the work has come, from 0 to 1, and what is being done, several times a second. It
                stops the work by raising: the exception goes through, and nothing is written.
            anew: draw it, whatever there is.

        Raises:
            MissingDependencyError: the extra `atlas` is not installed.
            LibraryError: it could not be drawn.
        """
        return self._atlas_store().draw(progress, anew=anew)

    def drawn_atlas(self) -> Atlas | None:
        """The map as it was drawn last, with what has come since; None where it has yet to be drawn. Never slow."""
        return self._atlas_store().drawn()

    def _atlas_store(self) -> AtlasStore:
        searching = self.searching()
        with self._lock:
            path = self.folder / "index" / f"{searching.space.key}.atlas"
            return self._atlases.setdefault(searching.space.key, AtlasStore(self.catalog, searching, path))

    def duplicates(
        self,
        kinds: Sequence[DuplicateKind] = ("exact", "near"),
        *,
        distance: int = DISTANCE,
        least_cosine: float = LEAST_COSINE,
        similar_cosine: float = SIMILAR_COSINE,
    ) -> Iterator[DuplicateGroup]:
        """Pictures that are there more than once, kind by kind in the order given.

        Args:
            kinds: "exact": the same bytes at several paths; "near": the same to the eye; "similar": other pictures of
                the same style, which are looked for with one search for each asset.
            distance: bits, at most, in which the perceptual hashes of near duplicates differ, 0 to 11.
            least_cosine: of the vectors of near duplicates.
            similar_cosine: of the vectors of similar ones.

        Raises:
            UsageError: an unknown kind, or a number out of range.
        """
        searching = self.searching()
        finder = DuplicateFinder(self.catalog, searching.id, searching.index(), distance, least_cosine, similar_cosine)
        return finder.find(kinds)
