"""The catalog: the truth about a library, in SQLite or PostgreSQL. See docs/catalog.md."""

from stylesearch.catalog.catalog import Catalog

__all__ = ["Catalog"]
