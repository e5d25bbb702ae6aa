"""The catalog: the truth about a library, in SQLite or PostgreSQL. See docs/catalog.md."""

from stylesearch.catalog.boards import Boards
from stylesearch.catalog.catalog import Catalog
from stylesearch.catalog.engine import absolute_url, sqlite_url
from stylesearch.catalog.facets import FacetCounts
from stylesearch.catalog.saved import SavedSearches

__all__ = ["Boards", "Catalog", "FacetCounts", "SavedSearches", "absolute_url", "sqlite_url"]
