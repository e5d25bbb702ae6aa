"""The command line: each command parses, calls one library function and shows the result.

Nothing heavy is imported at the top of these modules, so that `stylesearch --help` answers at once.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings

from stylesearch.cli import (  # each adds its commands to the app
    atlas,  # noqa: F401
    bench,  # noqa: F401
    bench_transfer,  # noqa: F401
    boards,  # noqa: F401
    catalogue,  # noqa: F401
    collection,  # noqa: F401
    describe,  # noqa: F401
    find,  # noqa: F401
    formats,  # noqa: F401
    ingest,  # noqa: F401
    keeping,  # noqa: F401
    page,  # noqa: F401
    reasons,  # noqa: F401
    spaces,  # noqa: F401
    transfer,  # noqa: F401
    upkeep,  # noqa: F401
    vectors,  # noqa: F401
)
from stylesearch.cli.app import app

__all__ = ["app", "main"]


def main() -> None:
    """Entry point of the `stylesearch` command."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may not know every letter of a file name
    # Decoders remark on odd files; what counts here is whether they can be read.
    warnings.filterwarnings("ignore", module="PIL")
    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    try:
        app()
    finally:
        try:
            sys.stdout.flush()
        except OSError:  # told by the app; what is left must not be tried, and told, again when Python ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
