"""What things are: the plain values that pass between catalog, index, search, indexer and pages.

Nothing here opens a file, a database or a model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from stylesearch.errors import ImageReason
from stylesearch.uris import printable

if TYPE_CHECKING:
    import numpy as np

Region = Literal["whole", "background", "subject"]
REGIONS: tuple[Region, ...] = get_args(Region)


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on input, checked before anything is allocated.

    Attributes:
        max_pixels: width x height; 200 million are 0.6 GB once decoded.
        max_bytes: size of the file.
    """

    max_pixels: int = 200_000_000
    max_bytes: int = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Space:
    """Where vectors may be compared: one encoder build, one region of the image, one way to prepare pixels.

    Attributes:
        encoder: name of the encoder, `family:architecture.tag`.
        fingerprint: hexadecimal digest over the encoder's weights, configuration and compute dtype.
        dim: length of a vector.
        dtype: dtype that the encoder computes in ("float32", "bfloat16"); vectors are float32 outside of it.
        preprocessing: version string of decoder, fit and filter (`Preprocess.version`).
        region: which part of the image the vector describes.
    """

    encoder: str
    fingerprint: str
    dim: int
    dtype: str
    preprocessing: str
    region: Region = "whole"

    @property
    def name(self) -> str:
        """What people call the space: its encoder, and the region where that is not the whole picture."""
        return self.encoder if self.region == "whole" else f"{self.encoder}@{self.region}"

    @property
    def key(self) -> str:
        """Short name that is safe in a file name and differs whenever two spaces must not meet."""
        identity = "\n".join((self.fingerprint, self.region, self.preprocessing))
        return hashlib.sha256(identity.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a file, and a sidecar beside it, say about the picture. Text is NFC, bounded, without control characters.

    Attributes:
        title, description: of the picture.
        creators: who made it.
        rights: the copyright notice.
        licence: how it may be used: an address, or terms in words.
        keywords: in the order of the file.
        date: when the picture was made, ISO 8601 as far as it is known ("1972", "1972-05", "2024-01-31T10:00:00").
        year: of `date`; negative before the common era.
        software: the program that made or last wrote it.
        source_type: last part of IPTC's digital source type, such as "trainedAlgorithmicMedia".
        generation: parameters of a picture that a model made: "tool", "prompt", "negative_prompt", "model", "sampler",
            "scheduler", "steps", "cfg_scale", "seed", "width", "height", those that are known.
        notes: sentences on metadata that could not be read.
    """

    title: str | None = None
    description: str | None = None
    creators: tuple[str, ...] = ()
    rights: str | None = None
    licence: str | None = None
    keywords: tuple[str, ...] = ()
    date: str | None = None
    year: int | None = None
    software: str | None = None
    source_type: str | None = None
    generation: Mapping[str, str | int | float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def generated(self) -> bool:
        """Whether the file says that a trained model made the picture, or a part of it."""
        trained = ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia")
        return bool(self.generation) or self.source_type in trained


class Colour(NamedTuple):
    """A colour of a palette, in OKLab.

    Attributes:
        lightness: 0 black to 1 white.
        a, b: green to red, blue to yellow; about -0.4 to 0.4.
        share: of the picture's area, 0 to 1.
    """

    lightness: float
    a: float
    b: float
    share: float


# Version of what works out an appearance: those of two versions are never compared, and older ones are made again.
APPEARANCE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Appearance:
    """What was worked out from the pixels.

    Attributes:
        palette: up to eight colours, the largest share first.
        perceptual_hash: 64 bits, which differ in few places where two pictures look the same.
    """

    palette: tuple[Colour, ...]
    perceptual_hash: int


@dataclass(frozen=True, slots=True)
class StoredMask:
    """What stands out in a picture, as the catalog keeps it.

    Attributes:
        values: float32 (H, W) in [0, 1], 1 on the subject, over the picture squashed to a square; 0 everywhere where it
            is not usable.
        confidence: in [0, 1], how sure the masker was that anything stands out.
        usable: False where nothing does, or not clearly: every region of the picture is then the whole of it.
    """

    values: np.ndarray
    confidence: float
    usable: bool


@dataclass(frozen=True, slots=True)
class FileStat:
    """A file as the scan saw it.

    Attributes:
        uri: absolute path (or URI) in the catalog's spelling; see `uri_of_path` and `uri_inside`.
        size: bytes; -1 where only reading it tells.
        mtime_ns: modification time in nanoseconds since the epoch; what lies inside a file has that of the file. Where
            a server tells no time: a number made from what it tells instead, which changes with the content.
    """

    uri: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What the catalog remembers of one location.

    Attributes:
        stat: the file as last indexed or refused.
        asset_id: its asset, or None where the file was refused.
        has_vector: whether that asset has a vector in the space that is being filled.
        present: False where an earlier scan found the file gone.
        described: whether the asset's metadata and appearance are in the catalog.
    """

    stat: FileStat
    asset_id: int | None
    has_vector: bool
    present: bool = True
    described: bool = True


class KnownContent(NamedTuple):
    """What the catalog has of a content.

    Attributes:
        asset_id: its asset.
        has_vector: whether it has a vector in the space that is asked for.
        described: whether its metadata and appearance are there.
        parts: further pages or key frames in it; None where nobody has looked.
    """

    asset_id: int
    has_vector: bool
    described: bool
    parts: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """One good file, ready to be written.

    Attributes:
        stat: the file.
        sha256: 64 hexadecimal digits over the file's bytes; the identity of the asset.
        format: decoder's name of the format, upper case ("JPEG", "PNG").
        width, height: pixels of the upright image.
        vector: float32 (D,), unit length; None where the catalog holds the asset's vector already.
        metadata, appearance: None where the file was not decoded; what the catalog holds stays.
        parts: further pages or key frames in the file, such as "page=2"; None where nobody has looked.
        mask: what stands out in it; None where the catalog has the mask already, or nobody has looked.
    """

    stat: FileStat
    sha256: str
    format: str
    width: int
    height: int
    vector: np.ndarray | None
    metadata: Metadata | None = None
    appearance: Appearance | None = None
    parts: tuple[str, ...] | None = None
    mask: StoredMask | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """One file that could not be used, and why.

    Attributes:
        stat: the file; size and time are 0 where not even those could be read.
        reason: a fixed word, see `ImageReason`.
        message: the reason for a person.
        sha256: digest of the bytes where they could be read.
        attempts: how many runs have tried it.
        decoder: what was to decode it, a module of `stylesearch.decoders`; None where it did not come to that.
    """

    stat: FileStat
    reason: ImageReason
    message: str
    sha256: str | None = None
    attempts: int = 1
    decoder: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction of the indexer writes.

    Attributes:
        indexed, refused: files.
        unchanged: uris seen again as they were.
        masker: fingerprint of the masker whose masks the indexed files have.
    """

    indexed: Sequence[IndexedFile] = ()
    refused: Sequence[Refusal] = ()
    unchanged: Sequence[str] = ()
    masker: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What filters look at, of one asset; words are folded, as they are compared.

    Attributes:
        format: of the file.
        tags, creators, licences, software: its terms.
        year: in which the picture was made; None: unknown.
        generated: whether a model made it, by its own account.
        uris: of its present locations, in NFC.
    """

    format: str
    tags: tuple[str, ...] = ()
    creators: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    software: tuple[str, ...] = ()
    year: int | None = None
    generated: bool = False
    uris: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Changes:
    """A stretch of a space's history, oldest first; an index applies them in order.

    A row may say what is known already: an asset comes again, too, when what filters look at has changed.

    Attributes:
        asset_ids: int64 (N,).
        vectors: float32 (N, D), rows of unit length; rows of removed assets are present and meaningless.
        live: bool (N,); False: remove the asset from the index.
        sequence: sequence number of the last row; the index stores it as 'seen so far'.
        history: what the catalog calls the transaction that gave that number; see `Catalog.history`.
        facts: of the assets by id, for an index that filters by them; those that are gone may be missing.
    """

    asset_ids: np.ndarray
    vectors: np.ndarray
    live: np.ndarray
    sequence: int
    history: str = ""
    facts: Mapping[int, Facts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asset:
    """A picture of the library: its content, and where copies of it lie now.

    Attributes:
        id: the catalog's integer, stable over moves and renames.
        sha256: 64 hexadecimal digits over the file's bytes.
        size: bytes.
        format: "JPEG", "PNG", ...
        width, height: pixels, upright.
        paths: present locations, the most recently seen first; empty where every copy is gone.
    """

    id: int
    sha256: str
    size: int
    format: str
    width: int
    height: int
    paths: tuple[str, ...] = ()


TagSource = Literal["file", "imported", "user"]


@dataclass(frozen=True, slots=True)
class Details:
    """Everything that is known about an asset.

    Attributes:
        asset: the picture, with its locations.
        metadata: what its file says; empty where it says nothing.
        tags: and who says so, by name.
        appearance: None where the picture was indexed by a version that did not work it out.
    """

    asset: Asset
    metadata: Metadata
    tags: Mapping[str, tuple[TagSource, ...]]
    appearance: Appearance | None


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer of a search.

    Attributes:
        asset: the picture, with its locations.
        cosine: similarity to the query in [-1, 1]; higher is more alike.
        score: probability in [0, 1] that it has the style of the query, where scores were asked for; see
            `stylesearch.calibration` for what that means.
        region: what of the picture was compared: the region of the space, or "whole" where nothing stands out in it.
    """

    asset: Asset
    cosine: float
    score: float | None = None
    region: Region = "whole"

    @property
    def path(self) -> str:
        """The first location of the asset."""
        return self.asset.paths[0]


@dataclass(frozen=True, slots=True)
class BoardItem:
    """An asset on a board.

    Attributes:
        asset: the picture; without paths where every file of it is gone.
        weight: how much it counts when the board is searched with, 0 (not at all) to 10.
        note: what people wrote beside it; may be empty.
        position: ascending within a board; the numbers mean nothing else.
        added_at: in UTC.
        missing: whether the last run of the indexer found no file of it: deleted, or on a disk that is away.
        last_path: where it lay before its last file went; None while it has paths, and where nobody remembers.
    """

    asset: Asset
    weight: float
    note: str
    position: int
    added_at: datetime
    missing: bool = False
    last_path: str | None = None

    @property
    def name(self) -> str:
        """What to call it: the name of its file, as people read it."""
        path = self.asset.paths[0] if self.asset.paths else self.last_path
        return f"picture {self.asset.id}" if path is None else printable(path).rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Board:
    """Pictures that somebody has put together.

    Attributes:
        id: never given to another board.
        name: one line.
        notes: what people wrote on it; may be empty.
        created_at, changed_at: in UTC.
        deleted_at: None while it is there; a deleted board can be brought back until the library is pruned.
        count: of its items.
        items: in their order; in a list of boards the first few alone.
    """

    id: int
    name: str
    notes: str
    created_at: datetime
    changed_at: datetime
    deleted_at: datetime | None
    count: int
    items: tuple[BoardItem, ...] = ()

    @property
    def references(self) -> list[tuple[int, float]]:
        """The board as a query: the assets that count, with their weights, for `Query.references`."""
        return [(item.asset.id, item.weight) for item in self.items if item.weight > 0]


@dataclass(frozen=True, slots=True)
class Counts:
    """Totals for `stylesearch status`.

    Attributes:
        assets: pictures with a present location.
        locations: present ones.
        missing: those of them whose disk is away.
        gone: locations that are not.
        refused: files that could not be used.
        undescribed: pictures with a present location that an older version indexed; the next run of the indexer adds
            their metadata and appearance.
        tagged: pictures with a present location and at least one tag.
    """

    assets: int
    locations: int
    gone: int
    refused: int
    undescribed: int = 0
    tagged: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Unused:
    """What `prune` drops.

    Attributes:
        locations: that are gone.
        assets: pictures that no file has any more, for long enough.
        tagged: those of them with tags that people gave.
        vectors: of those assets, in all spaces.
        vector_bytes: their size in the catalog.
    """

    locations: int
    assets: int
    tagged: int
    vectors: int
    vector_bytes: int


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the indexer, as the catalog remembers it.

    Attributes:
        started, finished: in UTC.
        report: what it did, as `stylesearch index --json` prints it.
    """

    started: datetime
    finished: datetime
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SavedSearch:
    """A search that somebody keeps.

    Attributes:
        id: never given again.
        name: unlike all others.
        address: the part of the page's address after the question mark.
        created: in UTC.
    """

    id: int
    name: str
    address: str
    created: datetime
