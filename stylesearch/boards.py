"""Boards in files of other programs: originals with a manifest, a flat folder for design tools, contact sheets, CSV.

Originals are opened for reading and nothing else, and what is written is what was indexed: a file that holds other
bytes than it did then is left out and named. The same board makes the same ZIP, byte for byte.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import unicodedata
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Literal

from PIL import Image

from stylesearch.errors import ImageError, UsageError
from stylesearch.export import COLUMNS, as_record, in_one_step, write_csv
from stylesearch.files import identity, named, open_uri, part_of, system_errors, uri_of
from stylesearch.images import read_image
from stylesearch.records import Asset, Board, BoardItem, Details, Limits
from stylesearch.sheets import Paper, SheetTile, board_sheet
from stylesearch.swatches import swatches_svg
from stylesearch.uris import divide_uri, printable
from stylesearch.zip_stream import Entry, zip_stream

ExportKind = Literal["originals", "figma", "sheet", "csv"]

MOST_BYTES = 20_000_000_000  # of originals in one ZIP
LONGEST_SIDE = 4_096  # pixels: what Figma takes without shrinking it
_CHUNK = 1 << 20
_HELD = 32 << 20  # bytes of a file that are held in memory while it is checked; more go to disk
_LONGEST_NAME = 100  # characters, before the extension

# What no file of Windows may be called, besides what Unix forbids.
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)

# Formats that design tools take as they are, with their transparency; and those of which a JPEG is the honest copy.
_AS_THEY_ARE = ("PNG", "GIF")
_PHOTOGRAPHIC = ("JPEG", "HEIC", "AVIF", "RAW", "JPEG2000", "MP4", "MATROSKA", "AVI")

# Columns of a board's CSV beside those of the catalogue.
_OWN_COLUMNS = ("position", "name", "weight", "note", "missing")


@dataclass
class Exported:
    """What an export has done.

    Attributes:
        written: pictures.
        missing: those of which no file holds the picture any more: asset id, name and reason.
    """

    written: int = 0
    missing: list[tuple[int, str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class BoardExport:
    """A board, ready to be written in any of the ways.

    Attributes:
        board: with all its items.
        details: of its assets, by id.
        picture: reads an asset's picture; raises ImageError.
        thumbnail: says where an asset's thumbnail lies; None where there is none.
        spare: refuses to write where a file of the library lies.
        limits: caps on input.
        most_bytes: of originals in one ZIP.
    """

    board: Board
    details: Mapping[int, Details]
    picture: Callable[[Asset], Image.Image]
    thumbnail: Callable[[Asset], Path | None]
    spare: Callable[[Path], None]
    limits: Limits
    most_bytes: int = MOST_BYTES

    def write(self, path: str | os.PathLike[str], kind: ExportKind | None = None, *, paper: Paper = "a4") -> Exported:
        """Writes a file in one step, or a new folder.

        Args:
            path: a .zip file; for "figma" also a folder, which does not exist or is empty; .pdf or .png for "sheet".
            kind: None: what the extension says: a ZIP of originals, a contact sheet or a table.
            paper: of a PDF.

        Raises:
            UsageError: another extension, too many bytes or pictures, or a place that cannot be written or that one of
                the library's own files has.
        """
        target = Path(path)
        self.spare(target)
        kinds: dict[str, ExportKind] = {".zip": "originals", ".pdf": "sheet", ".png": "sheet", ".csv": "csv"}
        kind = kind or kinds.get(target.suffix.lower())
        if kind == "figma" and target.suffix.lower() != ".zip":
            return self._write_folder(target)
        allowed = {"originals": ".zip", "figma": ".zip", "sheet": ".pdf or .png", "csv": ".csv"}
        if kind is None:
            raise UsageError(f"The export '{target}' must end in {', '.join(kinds)}; or choose a folder with --figma.")
        if target.suffix.lower() not in allowed[kind]:
            raise UsageError(f"The export '{target}' must end in {allowed[kind]}.")
        exported = Exported()
        with in_one_step(target) as file:
            if kind == "csv":
                write_csv(self._rows(exported), file, (*_OWN_COLUMNS, *COLUMNS))
            elif kind == "sheet":
                title, tiles = self.board.name, self._tiles(exported)
                board_sheet(title, self.board.notes, tiles, file, target.suffix.lower(), paper, self.board.count)
            else:
                for chunk in self.stream(kind, exported):
                    file.write(chunk)
        return exported

    def stream(
        self, kind: Literal["originals", "figma"], exported: Exported | None = None
    ) -> Generator[bytes, None, None]:
        """The bytes of a ZIP, a piece at a time; what it takes is no more than the largest file.

        Raises:
            UsageError: more than `most_bytes`; at once, before the first piece is asked for.
        """
        size = sum(item.asset.size for item in self.board.items)
        if kind == "originals" and size > self.most_bytes:
            raise UsageError(
                f"The originals of '{self.board.name}' have {_gigabytes(size)}; one ZIP may have "
                f"{_gigabytes(self.most_bytes)}. Take pictures off the board, or divide it in two."
            )
        exported = Exported() if exported is None else exported
        entries = self._originals(exported) if kind == "originals" else self._flat(exported)
        return zip_stream(safe_name(self.board.name), self.board.changed_at, entries)

    def _originals(self, exported: Exported) -> Iterator[Entry]:
        names, items, written = self._names(), [], dict[str, str]()
        for position, item in enumerate(self.board.items, 1):
            record = self._record(position, item)
            try:
                original, digest = _opened(item.asset, self.limits)
            except ImageError as exc:
                exported.missing.append((item.asset.id, item.name, str(exc)))
                items.append(record | {"file": None, "file_sha256": None, "missing": str(exc)})
                continue
            with original:
                if digest not in written:  # several pages of one document are one file
                    written[digest] = f"pictures/{names[item.asset.id]}"
                    yield Entry(written[digest], original)
            exported.written += 1
            items.append(record | {"file": written[digest], "file_sha256": digest, "missing": None})
        board = self.board
        manifest = {
            "format": "stylesearch-board",
            "version": 1,
            "name": board.name,
            "notes": board.notes,
            "created_at": board.created_at.isoformat(),
            "changed_at": board.changed_at.isoformat(),
            "items": items,
        }
        yield Entry("manifest.json", io.BytesIO(json.dumps(manifest, ensure_ascii=False, indent=2).encode()))

    def _flat(self, exported: Exported) -> Iterator[Entry]:
        digits = max(2, len(str(len(self.board.items))))
        for position, item in enumerate(self.board.items, 1):
            stem = f"{position:0{digits}} {Path(safe_name(item.name)).stem}"
            try:
                suffix, content = self._fitting(item.asset)
            except ImageError as exc:
                exported.missing.append((item.asset.id, item.name, str(exc)))
                continue
            with content:
                yield Entry(stem + suffix, content)
            exported.written += 1
        palettes = [(item.name, self._looks(item)) for item in self.board.items]
        yield Entry("palette.svg", io.BytesIO(swatches_svg(self.board.name, palettes).encode()))

    def _fitting(self, asset: Asset) -> tuple[str, IO[bytes]]:
        """Extension and content of a copy that is no longer than `LONGEST_SIDE`."""
        if asset.format in _AS_THEY_ARE and max(asset.width, asset.height) <= LONGEST_SIDE:
            return f".{asset.format.lower()}", _opened(asset, self.limits)[0]
        picture = self.picture(asset)
        picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
        content = io.BytesIO()
        if asset.format in _PHOTOGRAPHIC:
            picture.save(content, "JPEG", quality=92, subsampling=0)
        else:
            picture.save(content, "PNG")
        content.seek(0)
        return (".jpg" if asset.format in _PHOTOGRAPHIC else ".png"), content

    def _tiles(self, exported: Exported) -> Iterator[SheetTile]:
        for item in self.board.items:
            metadata = self.details[item.asset.id].metadata
            try:
                picture: Image.Image | None = self.picture(item.asset)
                exported.written += 1
            except ImageError as exc:
                small = self.thumbnail(item.asset)
                picture = None if small is None else read_image(small)
                exported.missing.append((item.asset.id, item.name, str(exc)))
            told = ", ".join([*metadata.creators, *filter(None, [metadata.date, metadata.licence or metadata.rights])])
            path = item.asset.paths[0] if item.asset.paths else item.last_path
            source = "" if path is None else printable(path)
            yield SheetTile(picture, metadata.title or item.name, told, source, item.note, item.missing)

    def _rows(self, exported: Exported) -> Iterator[dict[str, Any]]:
        for position, item in enumerate(self.board.items, 1):
            exported.written += 1
            yield self._record(position, item) | {"name": item.name, "missing": item.missing}

    def _record(self, position: int, item: BoardItem) -> dict[str, Any]:
        own = {"position": position, "weight": item.weight, "note": item.note}
        return own | as_record(self.details[item.asset.id])

    def _looks(self, item: BoardItem) -> tuple[Any, ...]:
        looks = self.details[item.asset.id].appearance
        return looks.palette if looks else ()

    def _names(self) -> dict[int, str]:
        """A file name for each asset, which differs from all others whatever their case, and which the order of the
        board does not change."""
        wanted = {item.asset.id: safe_name(_file_name(item)) for item in self.board.items}
        of_content = {item.asset.id: _content(item) for item in self.board.items}
        contents: dict[str, set[str]] = {}
        for asset_id, name in wanted.items():
            contents.setdefault(name.casefold(), set()).add(of_content[asset_id])
        used: dict[str, str] = {}
        names: dict[int, str] = {}
        for asset_id in sorted(wanted, key=of_content.__getitem__):
            content, path = of_content[asset_id], Path(wanted[asset_id])
            name, digits = path.name, 8
            if len(contents[name.casefold()]) > 1:
                name = f"{path.stem}-{content[:digits]}{path.suffix}"
            while used.setdefault(name.casefold(), content) != content:
                digits += 8
                name = f"{path.stem}-{content[:digits]}{path.suffix}"
            names[asset_id] = name
        return names

    def _write_folder(self, folder: Path) -> Exported:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"There is something at '{folder}' already. Name a new folder for the board.")
        exported = Exported()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in self._flat(exported):
                with open(folder / name, "xb") as file:
                    shutil.copyfileobj(content, file, _CHUNK)
        except OSError as exc:
            raise UsageError(f"'{folder}' cannot be written ({exc.strerror or exc}).") from exc
        return exported


def safe_name(text: str) -> str:
    """A file name that any system takes, as much like the text as can be; never empty, never a path."""
    name = _FORBIDDEN.sub("_", unicodedata.normalize("NFC", text)).strip(" .")
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) > 8:
        stem, suffix = name, ""
    stem = stem[:_LONGEST_NAME].strip(" .") or "picture"
    while len(stem.encode()) > 2 * _LONGEST_NAME:  # systems count bytes
        stem = stem[:-1].rstrip(" .")
    stem = f"_{stem}" if _DEVICES.match(stem) or stem.startswith("-") else stem
    return f"{stem}.{suffix}" if suffix else stem


def _file_name(item: BoardItem) -> str:
    """The name of the file that an item's picture is in, or of one inside an archive."""
    if not item.asset.paths:
        return item.name
    base, steps = divide_uri(uri_of(item.asset.paths[0]))
    inner = [step.value for step in steps if step.key == "member"]
    return printable(inner[-1] if inner else base).rpartition("/")[2]


def _content(item: BoardItem) -> str:
    """64 hexadecimal digits that differ where two items lie in different files."""
    uri = uri_of(item.asset.paths[0]) if item.asset.paths else ""
    if part_of(uri) is None:
        return item.asset.sha256
    return hashlib.sha256(uri.rpartition("#")[0].encode("utf-8", "surrogateescape")).hexdigest()


def _opened(asset: Asset, limits: Limits) -> tuple[IO[bytes], str]:
    """A copy of the file of an asset, checked to be the one that was indexed, and its digest.

    Raises:
        ImageError: "missing" where no file holds it any more.
    """
    for path in asset.paths:
        uri = uri_of(path)
        copy, digest = SpooledTemporaryFile(max_size=_HELD), hashlib.sha256()  # noqa: SIM115 - the caller closes it
        try:
            with named(path), open_uri(uri, limits) as file, system_errors():
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
                    copy.write(chunk)
        except ImageError:
            copy.close()
            continue
        if identity(digest.hexdigest(), part_of(uri)) == asset.sha256:
            copy.seek(0)
            return copy, digest.hexdigest()
        copy.close()
    raise ImageError("missing", "No file holds this picture any more. Index its folder again.")


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"
