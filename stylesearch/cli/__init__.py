"""The command line: each command parses, calls one library function and shows the result.

Nothing heavy is imported at the top of these modules, so that `stylesearch --help` answers at once.
"""

from __future__ import annotations

from stylesearch.cli import collection, find, ingest, page  # noqa: F401  (each adds its commands to the app)
from stylesearch.cli.app import app

__all__ = ["app", "main"]


def main() -> None:
    """Entry point of the `stylesearch` command."""
    app()
