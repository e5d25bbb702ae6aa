"""What the user or the machine decides: the environment, read here and nowhere else, and a library's own file.

Everything below takes these values as arguments.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import parse_qs, urlsplit

from stylesearch.errors import LibraryError, UsageError
from stylesearch.records import Limits, Space

LIBRARY_FILE = "library.json"
LIBRARY_VERSION = 1

IndexKind: TypeAlias = str  # as `IndexChoice.parse` takes it
EngineName = Literal["auto", "exact", "faiss", "qdrant", "server"]
STRUCTURES = ("flat", "hnsw", "int8", "ivf-pq", "gpu")
_INDEXES = (
    "auto, exact, faiss, " + ", ".join(f"faiss:{name}" for name in STRUCTURES)
    + ", qdrant, qdrant:PATH, qdrant+http://HOST:PORT/NAME or qdrant+https://HOST:PORT/NAME"
)  # fmt: skip


@dataclass(frozen=True)
class IndexChoice:
    """A vector engine, as `init --index` names it.

    Attributes:
        engine: "auto" is FAISS where it is installed, else exact search; "server" is a Qdrant server.
        structure: of FAISS; None: chosen by size and memory. See `stylesearch.vectors.structures`.
        place: of "qdrant", the folder; "": within the library. Of "server", its URL, collection and options.
    """

    engine: EngineName
    structure: str | None = None
    place: str = ""

    @classmethod
    def parse(cls, text: str) -> IndexChoice:
        """Raises UsageError where the text names no engine."""
        if text.startswith(("qdrant+http://", "qdrant+https://")):
            parts = urlsplit(text.removeprefix("qdrant+"))
            if not parts.hostname or not parts.path.strip("/"):
                raise UsageError(
                    f"The index '{text}' lacks the name of this library on the server; libraries must not share one. "
                    f"Write: qdrant+http://{parts.netloc or 'HOST:6333'}/NAME"
                )
            if parts.username or parts.password:
                raise UsageError(
                    "The address of a Qdrant server takes no password. Set the key in STYLESEARCH_QDRANT_API_KEY."
                )
            return cls("server", place=text.removeprefix("qdrant+"))
        engine, colon, rest = text.partition(":")
        if engine == "faiss" and (not colon or rest in STRUCTURES):
            return cls("faiss", rest or None)
        if engine == "qdrant" and (not colon or rest):
            return cls("qdrant", place=rest)
        if text in ("auto", "exact"):
            return cls("auto" if text == "auto" else "exact")
        raise UsageError(f"There is no index '{text}'. There are: {_INDEXES}.")


@dataclass(frozen=True)
class Settings:
    """What the environment says.

    Attributes:
        library: folder of the library that commands use when none is named (`STYLESEARCH_LIBRARY`).
        workers: decoder processes (`STYLESEARCH_WORKERS`); by default one for each core this process may use.
        limits: size caps for input (`STYLESEARCH_MAX_PIXELS`, `STYLESEARCH_MAX_BYTES`).
        thumbnail_bytes: what a library's thumbnails may take on disk (`STYLESEARCH_MAX_THUMBNAIL_BYTES`); those that
            were not shown for longest are dropped, and made again when they are asked for.
        tile_bytes: what tiles of large pictures may take, likewise (`STYLESEARCH_MAX_TILE_BYTES`).
        index_memory: bytes that the vector index may take beside vectors mapped from its file, which decides how
            closely it packs them (`STYLESEARCH_INDEX_MEMORY`); by default a quarter of the machine's.
        qdrant_api_key: of a Qdrant server (`STYLESEARCH_QDRANT_API_KEY`); "": none.
        transfer_backends: names of what the page offers to make pictures with, beside the default
            (`STYLESEARCH_TRANSFER_BACKENDS`, separated by commas).
    """

    library: Path
    workers: int
    limits: Limits
    thumbnail_bytes: int = 20_000_000_000  # about 1.3 million of them
    tile_bytes: int = 4_000_000_000  # a few hundred pictures
    index_memory: int = 1 << 32
    qdrant_api_key: str = field(default="", repr=False)
    transfer_backends: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls) -> Settings:
        """Raises UsageError where a variable holds no valid value."""
        default = Limits()
        backends = os.environ.get("STYLESEARCH_TRANSFER_BACKENDS", "")
        return cls(
            library=Path(os.environ.get("STYLESEARCH_LIBRARY", "stylesearch-library")),
            workers=_positive("STYLESEARCH_WORKERS", _usable_cores()),
            limits=Limits(
                max_pixels=_positive("STYLESEARCH_MAX_PIXELS", default.max_pixels),
                max_bytes=_positive("STYLESEARCH_MAX_BYTES", default.max_bytes),
            ),
            thumbnail_bytes=_positive("STYLESEARCH_MAX_THUMBNAIL_BYTES", cls.thumbnail_bytes),
            tile_bytes=_positive("STYLESEARCH_MAX_TILE_BYTES", cls.tile_bytes),
            index_memory=_positive("STYLESEARCH_INDEX_MEMORY", _memory() // 4),
            qdrant_api_key=os.environ.get("STYLESEARCH_QDRANT_API_KEY", ""),
            transfer_backends=tuple(filter(None, map(str.strip, backends.split(",")))),
        )


@dataclass(frozen=True)
class MaskerChoice:
    """How a library tells the regions of its pictures apart.

    Attributes:
        name: of the masker, as `stylesearch.masking.load_masker` takes it.
        fingerprint: of its build; masks in the catalog are known by it.
        dtype: what it computes in.
        use: how a region is told from the rest, one of `stylesearch.masking.regions.USES`.
    """

    name: str
    fingerprint: str
    dtype: str
    use: str


@dataclass(frozen=True)
class LibrarySettings:
    """What was decided when a library was made; the file `library.json` in its folder.

    Attributes:
        space: the space that searches run in. It names the encoder and its dtype, so that another machine searches the
            same space, and its build, so that an encoder that has changed since is noticed.
        catalog: SQLAlchemy URL of the catalog; None: SQLite, in the folder itself.
        index: vector engine, as `IndexChoice.parse` takes it.
        version: version of this file's layout.
        others: further spaces that `index` fills.
        masker: what finds the regions; None where every space is of whole pictures.
    """

    space: Space
    catalog: str | None = None
    index: IndexKind = "auto"
    version: int = LIBRARY_VERSION
    others: tuple[Space, ...] = ()
    masker: MaskerChoice | None = None

    def __post_init__(self) -> None:
        IndexChoice.parse(self.index)

    @classmethod
    def read(cls, folder: Path) -> LibrarySettings:
        """Raises LibraryError where the folder holds no library, or one that this version cannot read."""
        path = folder / LIBRARY_FILE
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as exc:
            raise LibraryError(f"No library at '{folder}'. Make one with: stylesearch init '{folder}'") from exc
        except (OSError, ValueError) as exc:
            raise LibraryError(f"'{path}' cannot be read ({exc}). Restore it from a backup.") from exc
        known = {entry.name for entry in fields(cls)}
        if not isinstance(values, dict) or values.get("version") != LIBRARY_VERSION or set(values) - known:
            raise LibraryError(
                f"'{path}' was written by another version of StyleSearch; this one reads version {LIBRARY_VERSION}. "
                "Upgrade with: pip install -U stylesearch"
            )
        try:
            others = tuple(Space(**other) for other in values.get("others", ()))
            masker = MaskerChoice(**values["masker"]) if values.get("masker") else None
            return cls(**(values | {"space": Space(**values["space"]), "others": others, "masker": masker}))
        except (KeyError, TypeError) as exc:
            raise LibraryError(f"'{path}' is incomplete ({exc}). Restore it from a backup.") from exc

    def write(self, folder: Path) -> None:
        """Writes the file in one step, so that a crash leaves the old one or the new one.

        Only its owner may read one that holds a password. Raises LibraryError where the operating system refuses.
        """
        path = folder / LIBRARY_FILE
        partial = path.with_suffix(".partial")
        mode = 0o600 if self.catalog is not None and _holds_password(self.catalog) else 0o666
        try:
            partial.unlink(missing_ok=True)
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
                values = asdict(self)
                for name in ("others", "masker"):  # older versions, which do not know of them, read the file then
                    if not values[name]:
                        del values[name]
                file.write(json.dumps(values, indent=2) + "\n")
            os.replace(partial, path)
        except OSError as exc:
            raise LibraryError(f"'{path}' cannot be written ({exc.strerror}).") from exc


def _holds_password(url: str) -> bool:
    parts = urlsplit(url)
    return parts.password is not None or "password" in parse_qs(parts.query)


def _usable_cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # absent on macOS and Windows
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows
        return 1 << 34


def _positive(variable: str, default: int) -> int:
    text = os.environ.get(variable)
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise UsageError(f"{variable} is '{text}'; it must be a positive whole number.")
    return value
