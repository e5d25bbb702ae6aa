"""Workflows of ComfyUI in its API format, as graphs.

An input of a node holds a value, or a link `[node, slot]` to an output of another node. What the inputs and outputs of
a class of nodes are, the server says (`GET /object_info/CLASS`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from stylesearch.errors import UsageError

_MOST_BYTES = 16 * 2**20  # of a file; those of hundreds of nodes are a hundredth of it
_CHOICES_TOLD = 8
_HOW_TO_EXPORT = "In ComfyUI, choose Export (API) in the menu Workflow, and name the file that it writes"

Nodes: TypeAlias = dict[str, dict[str, Any]]
"""Node id -> "class_type", "inputs" and "_meta"."""
Specs: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Class of nodes -> what the server says of it: "input" (required, optional), "output" (types), "output_node"."""
Link: TypeAlias = tuple[str, int]
"""Node and number of its output."""


@dataclass(frozen=True)
class Graph:
    """A workflow, and what a server says of its classes of nodes.

    Raises:
        UsageError: a link leads nowhere.
    """

    nodes: Nodes
    specs: Specs

    def __post_init__(self) -> None:
        for key in self.nodes:
            for _, (source, _) in self.links(key):
                if source not in self.nodes:
                    raise UsageError(f"The workflow has a link to the node '{source}', which it does not have.")

    def spec(self, key: str, name: str) -> tuple[Any, Mapping[str, Any]]:
        """Type of an input, or the list of what it may be, and its options; (None, {}) where the server knows none."""
        given = self.specs.get(self.nodes[key]["class_type"], {}).get("input", {})
        entry = given.get("required", {}).get(name) or given.get("optional", {}).get(name) or [None]
        return entry[0], entry[1] if len(entry) > 1 and isinstance(entry[1], Mapping) else {}

    def is_optional(self, key: str, name: str) -> bool:
        """Whether the node does without this input."""
        return name in self.specs[self.nodes[key]["class_type"]]["input"].get("optional", ())

    def outputs(self, key: str) -> Sequence[str]:
        """Types of the outputs of a node."""
        types: Sequence[str] = self.specs[self.nodes[key]["class_type"]]["output"]
        return types

    def links(self, key: str) -> list[tuple[str, Link]]:
        """Inputs of a node that come from others, by name."""
        inputs = self.nodes[key]["inputs"].items()
        return [(name, (value[0], value[1])) for name, value in inputs if _is_link(value)]

    def values(self, key: str, wanted: Callable[[str, str], bool]) -> tuple[str, ...]:
        """Names of the inputs of a node that hold a value and are wanted; `wanted` is asked with node and name."""
        inputs = self.nodes[key]["inputs"].items()
        return tuple(name for name, value in inputs if not _is_link(value) and wanted(key, name))

    def title(self, key: str) -> str:
        """What the node is called on ComfyUI's page."""
        about = self.nodes[key].get("_meta")
        title = about.get("title") if isinstance(about, dict) else None
        return str(title or self.nodes[key]["class_type"]).strip()

    def upstream(self, ends: Sequence[str]) -> list[str]:
        """Nodes that others depend on, these included, nearest first; what a sampler is to avoid is not followed."""
        found, to_see = dict.fromkeys(ends), list(ends)
        while to_see:
            for name, (source, _) in self.links(to_see.pop(0)):
                if source not in found and not name.startswith("negative"):
                    found[source] = None
                    to_see.append(source)
        return list(found)

    def users(self, key: str) -> list[str]:
        """Nodes that take an output of this one."""
        return [other for other in self.nodes if any(source == key for _, (source, _) in self.links(other))]


def read_workflow(path: Path) -> Nodes:
    """Reads a workflow that was exported for the API.

    Raises:
        UsageError: there is no such file, or it is something else; the message says how to export one.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"'{path}' is larger than {_MOST_BYTES >> 20} MiB; no workflow is.")
        found = json.loads(path.read_bytes())
    except OSError as exc:
        raise UsageError(f"The workflow '{path}' cannot be read ({exc.strerror}). {_HOW_TO_EXPORT}.") from exc
    except (ValueError, RecursionError) as exc:
        raise UsageError(f"'{path}' is no JSON ({exc}). {_HOW_TO_EXPORT}.") from exc
    if isinstance(found, dict) and isinstance(found.get("nodes"), list):
        raise UsageError(f"'{path}' is a workflow as ComfyUI's page saves it, not one for its API. {_HOW_TO_EXPORT}.")
    if not isinstance(found, dict) or not found or not all(_is_node(node) for node in found.values()):
        raise UsageError(f"'{path}' is no workflow of ComfyUI. {_HOW_TO_EXPORT}.")
    return found


def missing(graph: Graph) -> list[str]:
    """What the server lacks, all of it at once: classes of nodes, and files that the workflow names; half-sentences."""
    lacking = []
    if classes := sorted({str(node["class_type"]) for node in graph.nodes.values()} - graph.specs.keys()):
        lacking.append(f"no node {quoted(classes)} (install the custom nodes that bring it)")
    for key, node in graph.nodes.items():
        for name, value in node["inputs"].items():
            kind, options = graph.spec(key, name)
            choices = kind if isinstance(kind, list) else options.get("options") if kind == "COMBO" else None
            # Pictures are uploaded later.
            if choices is None or not isinstance(value, str) or value in choices or "image_upload" in options:
                continue
            there = quoted(choices[:_CHOICES_TOLD]) + (", ..." if len(choices) > _CHOICES_TOLD else "")
            lacking.append(f"no '{value}' for '{name}' of {node['class_type']} (there is {there or 'nothing'})")
    return lacking


def quoted(names: Sequence[object]) -> str:
    """For messages: 'one', 'two'."""
    return ", ".join(f"'{name}'" for name in names)


def _is_link(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)


def _is_node(node: object) -> bool:
    return isinstance(node, dict) and isinstance(node.get("class_type"), str) and isinstance(node.get("inputs"), dict)
