"""The public surface is a list: adding a name is a decision, and this test is where it is taken."""

from __future__ import annotations

import inspect
import subprocess
import sys

import stylesearch


def test_public_names_are_these() -> None:
    assert stylesearch.__all__ == [
        "CatalogError",
        "Details",
        "DuplicateGroup",
        "EncoderError",
        "Filters",
        "Hit",
        "ImageError",
        "Library",
        "LibraryError",
        "MissingDependencyError",
        "Query",
        "SpaceMismatchError",
        "StyleSearchError",
        "TransferCancelled",
        "TransferError",
        "UsageError",
        "VectorIndexError",
        "load_encoder",
        "read_image",
    ]


def test_every_public_name_can_be_had_and_is_documented() -> None:
    for name in stylesearch.__all__:
        assert inspect.getdoc(getattr(stylesearch, name)), name


def test_every_error_is_a_stylesearch_error() -> None:
    for name in stylesearch.__all__:
        if name.endswith("Error"):
            assert issubclass(getattr(stylesearch, name), stylesearch.StyleSearchError)


def test_importing_the_package_and_the_command_line_imports_nothing_heavy() -> None:
    heavy = {"torch", "numpy", "PIL", "sqlalchemy", "faiss", "streamlit", "open_clip"}
    code = "import sys, stylesearch, stylesearch.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not heavy & {name.partition(".")[0] for name in loaded}
