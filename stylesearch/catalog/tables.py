"""The tables of the catalog. docs/catalog.md says what each is for; migrations/ builds them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# SQLite counts rows up by itself only in a column whose type is spelt INTEGER (which has 64 bits there).
Id = BigInteger().with_variant(Integer, "sqlite")

# Ordered by code point on both engines, so that "everything below this folder" is one range of the index.
Uri = Text().with_variant(Text(collation="C"), "postgresql")


# How many characters of a uri PostgreSQL keeps in order: its ordered indexes take about 2,700 bytes, which a path may
# well have. There migrations build, in the place of each `unique` uri, an index of this much of it, and a constraint by
# hash. What asks for a range or an order of uris goes by `selection.start` of them, too.
URI_START = 500


class Utc(TypeDecorator[datetime]):
    """A moment in UTC. SQLite keeps no time zone; without this, moments come back naive from it and aware from
    PostgreSQL."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(
        # Names that a later migration can rely on, on both engines.
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
        }
    )


class AssetRow(Base):
    """One content. A row goes by `prune` alone, and its id is never given again."""

    __tablename__ = "assets"
    __table_args__ = ({"sqlite_autoincrement": True},)  # an id is never given twice

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    size: Mapped[int] = mapped_column(BigInteger)
    format: Mapped[str] = mapped_column(String(16))
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    added_at: Mapped[datetime] = mapped_column(Utc)
    # Further pages or key frames of the file, "page=2 page=3"; "" where it has none, NULL where nobody has looked.
    parts: Mapped[str | None] = mapped_column(Text)


class ScanRow(Base):
    """One walk over one root."""

    __tablename__ = "scans"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    root: Mapped[str] = mapped_column(Uri)
    started_at: Mapped[datetime] = mapped_column(Utc)
    finished_at: Mapped[datetime | None] = mapped_column(Utc)


class LocationRow(Base):
    """Where the bytes of an asset lie, or lay."""

    __tablename__ = "locations"
    # All that is asked about which assets have a file, so that the table need not be read for it.
    __table_args__ = (Index("ix_locations_asset_id", "asset_id", "present", "missing_since"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    uri: Mapped[str] = mapped_column(Uri, unique=True)
    asset_id: Mapped[int] = mapped_column(ForeignKey("assets.id"))
    size: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    scan_id: Mapped[int] = mapped_column(ForeignKey("scans.id"))  # the latest scan that saw it
    present: Mapped[bool]
    # Since when nothing was found there: of a present location because its disk is away, of another because it went.
    missing_since: Mapped[datetime | None] = mapped_column(Utc)


class ReplacementRow(Base):
    """An asset that lay at a location before the one that lies there now. It is kept until `prune`."""

    __tablename__ = "replacements"
    __table_args__ = (Index("ix_replacements_asset_id", "asset_id"),)

    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"), primary_key=True, autoincrement=False)
    asset_id: Mapped[int] = mapped_column(ForeignKey("assets.id"), primary_key=True, autoincrement=False)
    replaced_at: Mapped[datetime] = mapped_column(Utc)


class SpaceRow(Base):
    """Where vectors may be compared; see `records.Space`."""

    __tablename__ = "spaces"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(String(16), unique=True)
    encoder: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[str] = mapped_column(Text)
    dim: Mapped[int] = mapped_column(Integer)
    dtype: Mapped[str] = mapped_column(Text)
    preprocessing: Mapped[str] = mapped_column(Text)
    region: Mapped[str] = mapped_column(Text)


class VectorRow(Base):
    """The vector of an asset in a space. The row is its own tombstone: it is live exactly while its asset has a
    present location, and each time that turns it gets a fresh sequence number. The bytes stay."""

    __tablename__ = "vectors"
    __table_args__ = (Index("ix_vectors_sequence", "space_id", "sequence", unique=True),)

    # The asset first: what happens to a file happens to its vectors in all spaces.
    asset_id: Mapped[int] = mapped_column(ForeignKey("assets.id"), primary_key=True, autoincrement=False)
    space_id: Mapped[int] = mapped_column(ForeignKey("spaces.id"), primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(BigInteger)
    live: Mapped[bool]
    data: Mapped[bytes] = mapped_column(LargeBinary)  # float16, little endian, D of them


class RefusalRow(Base):
    """A file that could not be used; or, where `space_id` says in which space, one that holds the content that was
    indexed, and has no vector there."""

    __tablename__ = "refusals"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    uri: Mapped[str] = mapped_column(Uri, unique=True)
    space_id: Mapped[int | None] = mapped_column(ForeignKey("spaces.id"))
    size: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(String(32))
    message: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str | None] = mapped_column(String(64))
    decoder: Mapped[str | None] = mapped_column(String(32))
    attempts: Mapped[int] = mapped_column(Integer)
    scan_id: Mapped[int] = mapped_column(ForeignKey("scans.id"))
    last_tried_at: Mapped[datetime] = mapped_column(Utc)


class MetadataRow(Base):
    """What the file of an asset, and a sidecar beside it, say about the picture; see `records.Metadata`. An asset whose
    file says nothing has none."""

    __tablename__ = "metadata"
    __table_args__ = (Index("ix_metadata_year", "year"), Index("ix_metadata_generated", "generated"))

    asset_id: Mapped[int] = mapped_column(ForeignKey("assets.id"), primary_key=True, autoincrement=False)
    title: Mapped[str | None] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    creators: Mapped[str] = mapped_column(Text)  # JSON, a list of strings
    rights: Mapped[str | None] = mapped_column(Text)
    licence: Mapped[str | None] = mapped_column(Text)
    date: Mapped[str | None] = mapped_column(Text)
    year: Mapped[int | None] = mapped_column(Integer)
    software: Mapped[str | None] = mapped_column(Text)
    source_type: Mapped[str | None] = mapped_column(Text)
    generated: Mapped[bool]
    generation: Mapped[str] = mapped_column(Text)  # JSON, an object
    notes: Mapped[str] = mapped_column(Text)  # JSON, a list of strings


class TermRow(Base):
    """A word or name that assets are found by: one row for each spelling, however many assets have it."""

    __tablename__ = "terms"
    __table_args__ = (UniqueConstraint("kind", "name"), Index("ix_terms_folded", "kind", "folded"))

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))  # "tag", "creator", "licence" or "software"
    name: Mapped[str] = mapped_column(Text)
    folded: Mapped[str] = mapped_column(Text)  # as it is compared; see `stylesearch.catalog.terms`


class AssetTermRow(Base):
    """An asset has a term, and who says so."""

    __tablename__ = "asset_terms"
    __table_args__ = (Index("ix_asset_terms_term_id", "term_id", "asset_id"),)

    asset_id: Mapped[int] = mapped_column(ForeignKey("assets.id"), primary_key=True, autoincrement=False)
    term_id: Mapped[int] = mapped_column(ForeignKey("terms.id"), primary_key=True, autoincrement=False)
    source: Mapped[str] = mapped_column(String(8), primary_key=True)  # "file", "imported" or "user"


class AppearanceRow(Base):
    """What was worked out from the pixels of an asset; see `records.Appearance`. An asset that has none, or one of an
    older version, is read again by the next run of the indexer."""

    __tablename__ = "appearances"

    asset_id: Mapped[int] = mapped_column(ForeignKey("assets.id"), primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(Integer)
    palette: Mapped[bytes] = mapped_column(LargeBinary)  # float16, little endian: L, a, b, share of each colour
    perceptual_hash: Mapped[int] = mapped_column(BigInteger)  # 64 bits, read as a signed number
    # Which colours the palette has, as bits; see `stylesearch.colour_bins`.
    colours: Mapped[int] = mapped_column(BigInteger, server_default="0")


class MaskRow(Base):
    """What stands out in an asset, by one masker; see `records.StoredMask`. It is never overwritten."""

    __tablename__ = "masks"
    __table_args__ = (Index("ix_masks_usable", "masker", "usable"),)

    asset_id: Mapped[int] = mapped_column(ForeignKey("assets.id"), primary_key=True, autoincrement=False)
    masker: Mapped[str] = mapped_column(String(16), primary_key=True)  # first digits of its fingerprint
    confidence: Mapped[float] = mapped_column(Float)
    usable: Mapped[bool]
    data: Mapped[bytes] = mapped_column(LargeBinary)  # see `stylesearch.mask_codec`


class BoardRow(Base):
    """A board; see `records.Board`. A row goes by `prune` alone, and its id is never given again: links name it."""

    __tablename__ = "boards"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    notes: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Utc)
    changed_at: Mapped[datetime] = mapped_column(Utc)
    deleted_at: Mapped[datetime | None] = mapped_column(Utc)  # it can be brought back until `prune` drops it


class BoardItemRow(Base):
    """An asset on a board, where it lies once at most. It holds the asset against `prune`."""

    __tablename__ = "board_items"
    __table_args__ = (Index("ix_board_items_asset_id", "asset_id"),)

    board_id: Mapped[int] = mapped_column(ForeignKey("boards.id"), primary_key=True, autoincrement=False)
    asset_id: Mapped[int] = mapped_column(ForeignKey("assets.id"), primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(BigInteger)  # ascending, with gaps, so that most moves write one row
    weight: Mapped[float] = mapped_column(Float)
    note: Mapped[str] = mapped_column(Text)
    added_at: Mapped[datetime] = mapped_column(Utc)


class SavedSearchRow(Base):
    """A search that somebody keeps, under a name: the part of the page's address after the question mark."""

    __tablename__ = "saved_searches"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    address: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Utc)


class LineageRow(Base):
    """How a picture of this content was made here; see `stylesearch.lineage.Lineage`. It is written before the picture
    is an asset, and found by content: `prune` drops it where there is none."""

    __tablename__ = "lineage"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    made_at: Mapped[datetime] = mapped_column(Utc)
    backend: Mapped[str] = mapped_column(Text)
    models: Mapped[str] = mapped_column(Text)  # JSON, a list of lists: `stylesearch.lineage.Model`
    licence: Mapped[str] = mapped_column(Text)
    commercial: Mapped[bool | None]
    prompt: Mapped[str] = mapped_column(Text)
    seed: Mapped[int] = mapped_column(BigInteger)
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    strength: Mapped[float] = mapped_column(Float)
    steps: Mapped[int | None] = mapped_column(Integer)
    # `stylesearch.lineage.Fidelity`; all NULL where nobody has looked.
    space: Mapped[str | None] = mapped_column(Text)
    style: Mapped[float | None] = mapped_column(Float)
    probability: Mapped[float | None] = mapped_column(Float)
    leak: Mapped[float | None] = mapped_column(Float)


class IngredientRow(Base):
    """A picture that another one was made from; see `stylesearch.lineage.Ingredient`. It is known by its content, and
    holds nothing: the picture may be pruned, and be indexed again."""

    __tablename__ = "ingredients"
    __table_args__ = (Index("ix_ingredients_sha256", "sha256"),)

    result: Mapped[str] = mapped_column(ForeignKey("lineage.sha256"), primary_key=True)
    place: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    role: Mapped[str] = mapped_column(String(8))  # "style" or "content"
    sha256: Mapped[str | None] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(Text)
    weight: Mapped[float] = mapped_column(Float)
    box: Mapped[str | None] = mapped_column(Text)  # JSON, four shares of width and height
    likeness: Mapped[float | None] = mapped_column(Float)


class HistoryRow(Base):
    """A mark on the numbers up to `sequence` that one transaction gave out. Two catalogs that part, because one of them
    was restored from a backup, have different tokens from there on; see `Catalog.history`."""

    __tablename__ = "history"

    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    token: Mapped[str] = mapped_column(String(16))


class RunRow(Base):
    """What one run of the indexer did. The latest thousand are kept."""

    __tablename__ = "runs"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    started_at: Mapped[datetime] = mapped_column(Utc)
    finished_at: Mapped[datetime] = mapped_column(Utc)
    report: Mapped[str] = mapped_column(Text)  # JSON, an object; `indexer.report.Report`


class CounterRow(Base):
    """`sequence`: the last sequence number given out. `state`: another random number after every write; see
    `stylesearch.catalog.writing`. The others are totals; see `stylesearch.catalog.totals`."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)
