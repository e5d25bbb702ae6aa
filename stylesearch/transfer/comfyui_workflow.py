"""Where a workflow of ComfyUI takes pictures, prompt and numbers, and putting them there.

A place is found by the title of its node, where somebody has given it one of `TITLES` on ComfyUI's page, or else by
looking back from the nodes that show a result.
"""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stylesearch.errors import UsageError
from stylesearch.transfer.comfyui_graph import Graph, Nodes, quoted

TITLES = ("@reference", "@content", "@prompt", "@seed", "@steps", "@size", "@strength", "@result")
"""Titles that name a place; "@reference 1", "@reference 2" and so on where there are several."""

_TITLE = re.compile(r"@(?P<kind>[a-z]+)(?:\s+(?P<number>[0-9]{1,6}))?", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """Inputs of one node that take the same kind of value."""

    node: str
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Places:
    """Where a workflow takes what.

    Attributes:
        references: where they are loaded, in their order.
        strengths: for each reference, where it is said how much it counts; () where it is not said.
        overall: where the strength of the style goes as a whole, instead.
        content, prompts, seeds, steps, sizes: where these go.
        results: nodes whose pictures are the result.
    """

    references: tuple[Place, ...]
    strengths: tuple[tuple[Place, ...], ...]
    overall: tuple[Place, ...]
    content: tuple[Place, ...]
    prompts: tuple[Place, ...]
    seeds: tuple[Place, ...]
    steps: tuple[Place, ...]
    sizes: tuple[Place, ...]
    results: tuple[str, ...]


@dataclass(frozen=True)
class Values:
    """What goes into a workflow.

    Attributes:
        references: names of pictures on the server, at least one and no more than there are places.
        weights: for each, in (0, 1].
        content: name of a picture on the server; None where the workflow has no place for one.
        seed, strength, steps, width, height: as in `TransferRequest`.
    """

    references: Sequence[str]
    weights: Sequence[float]
    content: str | None
    prompt: str
    seed: int
    strength: float
    steps: int | None
    width: int
    height: int


def find_places(graph: Graph) -> Places:
    """Finds the places of a workflow all of whose nodes the server knows.

    Raises:
        UsageError: a title that is none, no result or reference, or several texts of which any may be the prompt.
    """
    titled = _titled(graph)
    results = tuple(titled["result"]) or tuple(
        key for key, node in graph.nodes.items() if graph.specs[node["class_type"]].get("output_node")
    )
    if not results:
        raise UsageError("The workflow shows no picture: it has no node such as SaveImage.")
    seen = sorted(graph.upstream(results), key=_order)

    def typed(kind: str, wanted: Callable[[str, str], bool], anything: str) -> tuple[Place, ...]:
        """All inputs of that type of the nodes that are titled so, else those among all that are wanted."""
        if not titled[kind]:
            return _places(graph, seen, lambda key, name: wanted(key, name) and graph.spec(key, name)[0] == anything)
        found = _places(graph, titled[kind], lambda key, name: graph.spec(key, name)[0] == anything)
        if len(found) < len(titled[kind]):
            raise UsageError(f"A node titled '@{kind}' has no input of the type {anything} to fill in.")
        return found

    content, references = _pictures(graph, titled, seen)
    prompts = typed("prompt", lambda key, name: graph.spec(key, name)[1].get("multiline") is True, "STRING")
    if len(prompts) > 1 and not titled["prompt"]:
        names = quoted([f"{graph.title(place.node)} (#{place.node})" for place in prompts])
        raise UsageError(f"Any of the nodes {names} may take the prompt. Title the right one '@prompt' in ComfyUI.")
    overall = typed("strength", lambda key, name: False, "FLOAT")
    return Places(
        references=references,
        strengths=tuple(() if overall else tuple(_own_strength(graph, place.node)) for place in references),
        overall=overall,
        content=content,
        prompts=prompts,
        seeds=typed("seed", lambda key, name: name in ("seed", "noise_seed"), "INT"),
        steps=typed("steps", lambda key, name: name in ("steps", "num_inference_steps"), "INT"),
        sizes=tuple(
            place
            for place in _places(graph, titled["size"] or seen, lambda key, name: name in ("width", "height"))
            if len(place.inputs) == 2
        ),
        results=results,
    )


def fill(graph: Graph, places: Places, values: Values) -> Nodes:
    """A copy of a workflow with everything in its place; what loads references that are not there is bypassed.

    Raises:
        UsageError: it cannot do without the references that are not there.
    """
    filled = Graph(copy.deepcopy(graph.nodes), graph.specs)

    def change(some: Sequence[Place], new: Callable[[Any, Mapping[str, Any]], Any]) -> None:
        """Sets inputs to what `new` makes of what they held and of their options."""
        for place in some:
            inputs = filled.nodes[place.node]["inputs"]
            for name in place.inputs:
                inputs[name] = new(inputs[name], filled.spec(place.node, name)[1])

    def put(some: Sequence[Place], value: object) -> None:
        change(some, lambda old, options: value)

    def scale(some: Sequence[Place], factor: float) -> None:
        change(some, lambda old, options: old * factor)

    for place, picture in zip(places.references, values.references, strict=False):
        put([place], picture)
    for some, weight in zip(places.strengths, values.weights, strict=False):
        scale(some, weight * values.strength)
    scale(places.overall, values.strength)
    put(places.content, values.content)
    put(places.prompts, values.prompt)
    # Samplers differ in how large a seed they take; the same seed still gives the same picture.
    change(places.seeds, lambda old, options: values.seed % (int(options.get("max", 2**63 - 1)) + 1))
    if values.steps is not None:
        put(places.steps, values.steps)
    for name, length in (("width", values.width), ("height", values.height)):
        change([Place(place.node, (name,)) for place in places.sizes], functools.partial(_on_grid, length))
    for place in places.references[len(values.references) :]:
        _take_out(filled, place.node)
    if not set(places.results) <= filled.nodes.keys():
        needed, given = len(places.references), len(values.references)
        raise UsageError(f"This workflow needs {needed} references and cannot do with {given}.")
    return filled.nodes


def _take_out(graph: Graph, gone: str) -> None:
    """Removes a node. Who needs it gets what ComfyUI gives in place of a bypassed one: its first input of that type."""
    outputs, inputs, users = graph.outputs(gone), graph.links(gone), graph.users(gone)
    del graph.nodes[gone]
    alive = [(graph.outputs(link[0])[link[1]], link) for _, link in inputs if link[0] in graph.nodes]
    for user in users:
        if user not in graph.nodes:  # has gone with another user
            continue
        for name, (source, slot) in graph.links(user):
            if source != gone:
                continue
            stand_in = next((link for kind, link in alive if kind == outputs[slot]), None)
            if stand_in is not None:
                graph.nodes[user]["inputs"][name] = list(stand_in)
            elif graph.is_optional(user, name):
                del graph.nodes[user]["inputs"][name]
            else:
                _take_out(graph, user)
                break


def _pictures(
    graph: Graph, titled: Mapping[str, list[str]], seen: Sequence[str]
) -> tuple[tuple[Place, ...], tuple[Place, ...]]:
    """Where the content and where the references are loaded."""

    def loads(key: str, name: str) -> bool:
        return "image_upload" in graph.spec(key, name)[1]

    for key in (*titled["content"], *titled["reference"]):
        if not graph.values(key, loads):
            raise UsageError(f"The node '{graph.title(key)}' loads no picture; the node LoadImage does.")
    pictures = [place.node for place in _places(graph, seen, loads)]
    content, references = titled["content"], titled["reference"]
    if not content and not references:
        starts = [link[0] for key in seen for name, link in graph.links(key) if name == "latent_image"]
        canvas = graph.upstream(starts)  # a sampler starts from it
        content = [key for key in pictures if key in canvas]
    references = references or [key for key in pictures if key not in content]
    if not references:
        raise UsageError("No node loads a reference. Title the LoadImage that takes it '@reference' in ComfyUI.")
    return _places(graph, content, loads), _places(graph, references, loads)


def _own_strength(graph: Graph, reference: str) -> Iterator[Place]:
    """Looking forward from a reference, the first nodes that say how much it counts."""

    def counts(key: str, name: str) -> bool:
        return name in ("strength", "weight") and graph.spec(key, name)[0] == "FLOAT"

    reached, to_see = {reference}, [reference]
    while to_see:
        for key in graph.users(to_see.pop(0)):
            if key in reached:
                continue
            reached.add(key)
            names = graph.values(key, counts)
            if names:
                yield Place(key, names)
            else:
                to_see.append(key)


def _titled(graph: Graph) -> dict[str, list[str]]:
    """Kind of place -> the nodes that are titled so, by their numbers."""
    found: dict[str, list[tuple[int, str]]] = {title[1:]: [] for title in TITLES}
    for key in sorted(graph.nodes, key=_order):
        if not (title := graph.title(key)).startswith("@"):
            continue
        match = _TITLE.fullmatch(title)
        if match is None or match["kind"].lower() not in found:
            raise UsageError(f"A node has the title '{title}', which names no place. There are: {', '.join(TITLES)}.")
        found[match["kind"].lower()].append((int(match["number"] or 1), key))
    return {kind: [key for _, key in sorted(some, key=lambda entry: entry[0])] for kind, some in found.items()}


def _places(graph: Graph, keys: Sequence[str], wanted: Callable[[str, str], bool]) -> tuple[Place, ...]:
    return tuple(Place(key, names) for key in keys if (names := graph.values(key, wanted)))


def _order(key: str) -> tuple[int, str]:
    return (int(key), "") if key.isdecimal() else (2**63, key)


def _on_grid(length: int, old: object, options: Mapping[str, Any]) -> int:
    step, least, most = int(options.get("step", 1)), int(options.get("min", 1)), int(options.get("max", length))
    return min(max(round(length / step) * step, least), most)
