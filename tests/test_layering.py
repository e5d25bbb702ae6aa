"""Imports point one way (docs/architecture.md), also those inside functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("stylesearch", "indexer", "encoder_training", "benchmarks", "ui")

# From the bottom up. A module may import what stands on its own line or on a line above it.
LAYERS = [
    [
        "stylesearch.errors",
        "stylesearch.facets",
        "stylesearch.lineage",
        "stylesearch.query",
        "stylesearch.records",
        "stylesearch.uris",
    ],
    [  # arrays in, arrays out: also for encoder_training
        "benchmarks.chance",
        "benchmarks.intervals",
        "benchmarks.metrics",
        "benchmarks.ranking",
        "benchmarks.similarity",
    ],
    [
        "stylesearch.settings",
        "stylesearch.appearance",
        "stylesearch.containers",
        "stylesearch.images",
        "stylesearch.mask_codec",
        "stylesearch.colour",
        "stylesearch.colour_bins",
        "stylesearch.files",
        "stylesearch.formats",
        "stylesearch.metadata",
        "stylesearch.palette",
        "stylesearch.remote",
        "stylesearch.running",
        "stylesearch.disk",
        "stylesearch.spool",
        "stylesearch.thumbnails",
        "stylesearch.decoders",
        "stylesearch.web",
    ],
    ["stylesearch.catalog", "stylesearch.encoders", "stylesearch.masking", "stylesearch.vectors"],
    [
        "stylesearch.atlas",
        "stylesearch.backup",
        "stylesearch.boards",
        "stylesearch.calibration",
        "stylesearch.charting",
        "stylesearch.doctor",
        "stylesearch.scores",
        "stylesearch.duplicates",
        "stylesearch.explain",
        "stylesearch.export",
        "stylesearch.families",
        "stylesearch.filtering",
        "stylesearch.folding",
        "stylesearch.projection",
        "stylesearch.pruning",
        "stylesearch.search",
        "stylesearch.swatches",
        "stylesearch.tagging",
        "stylesearch.traits",
        "stylesearch.sheets",
        "stylesearch.spaces",
        "stylesearch.references",
        "stylesearch.library",
        "stylesearch.library_pictures",
        "stylesearch.library_search",
        "stylesearch.library_spaces",
        "stylesearch.moving",
        "stylesearch.zip_stream",
        "stylesearch",
    ],
    ["indexer", "stylesearch.transfer", "encoder_training"],
    ["benchmarks", "ui"],
    ["stylesearch.cli", "stylesearch.__main__"],
]
# Neighbours on one line that must not know of each other.
STRANGERS = [
    ("stylesearch.catalog", "stylesearch.encoders"),
    ("stylesearch.catalog", "stylesearch.masking"),
    ("stylesearch.catalog", "stylesearch.vectors"),
    ("stylesearch.encoders", "stylesearch.vectors"),
    ("encoder_training", "stylesearch.catalog"),
    ("encoder_training", "indexer"),
    ("benchmarks", "ui"),
]
TORCH_BELONGS_TO = (
    "stylesearch.encoders",
    "stylesearch.masking",
    "stylesearch.transfer",
    "encoder_training",
    "benchmarks",
)


def modules() -> dict[str, Path]:
    """Dotted name of each module of the project, and its file."""
    found = {}
    for top in OURS:
        for path in sorted((ROOT / top).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            found[name] = path
    return found


MODULES = modules()


def layer_of(module: str) -> int:
    """Height of a module: that of its longest listed prefix."""
    matches = [
        (len(prefix), height)
        for height, prefixes in enumerate(LAYERS)
        for prefix in prefixes
        if module == prefix or (module.startswith(prefix + ".") and prefix != "stylesearch")
    ]
    assert matches, f"{module} has no layer: add it to LAYERS and to docs/architecture.md"
    return max(matches)[1]


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, at the top or inside a function; `if TYPE_CHECKING` too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module
            submodules = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else node.module for name in submodules)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_down(module: str) -> None:
    for imported in imports(MODULES[module]):
        if imported.partition(".")[0] in OURS:
            assert layer_of(imported) <= layer_of(module), f"{module} imports {imported}, which stands above it"
            for one, other in STRANGERS:
                pair = (module.startswith(one) and imported.startswith(other)) or (
                    module.startswith(other) and imported.startswith(one)
                )
                assert not pair, f"{module} imports {imported}"
        if imported.partition(".")[0] in {"torch", "open_clip", "timm"}:
            assert module.startswith(TORCH_BELONGS_TO), f"{module} imports {imported}"


def test_there_is_something_to_check() -> None:
    assert len(MODULES) > 30
