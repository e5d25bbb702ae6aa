"""`comfyui:URL#WORKFLOW`: pictures made by a ComfyUI server, by a workflow of ours or of the user's own."""

from __future__ import annotations

import hashlib
import io
import re
import threading
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

from stylesearch.errors import TransferError, UsageError
from stylesearch.transfer import BackendInfo
from stylesearch.transfer.base import (
    Capabilities,
    LicenceNote,
    ModelUsed,
    Report,
    TransferBackend,
    TransferProgress,
    TransferRequest,
    TransferResult,
)
from stylesearch.transfer.comfyui_graph import Graph, missing, read_workflow
from stylesearch.transfer.comfyui_server import ComfyServer, Patience, without_websockets
from stylesearch.transfer.comfyui_workflow import Places, Values, fill, find_places

if TYPE_CHECKING:
    from PIL.Image import Image

WORKFLOWS = Path(__file__).with_name("workflows")
DEFAULT_WORKFLOW = "flux-redux"

_PARTS = 100  # of a picture, for the progress
_LONGEST_SIDE = 2048  # of a reference that is uploaded; ComfyUI takes 100 MB, and models see 512 pixels or so
_GRID = 16  # pixels of FLUX's canvas: VAE by 8, patches by 2
_NAMES_MODEL = re.compile(r".+_(name[0-9]*|path|id)")  # inputs of nodes such as UNETLoader


@dataclass(frozen=True)
class _Template:
    """A workflow that comes with StyleSearch."""

    what: str
    capabilities: Capabilities
    licence: LicenceNote
    terms: str


_OWN = LicenceNote(
    "The terms of the models that your workflow loads apply; StyleSearch does not know them. The server sees the "
    "references and the prompt, and keeps them.",
    None,
)
_TEMPLATES = {
    "flux-redux": _Template(
        "FLUX.1 Redux on a ComfyUI server: a prompt in the style of up to four weighed references.",
        Capabilities(references=4, content=False, text=True, weights=True),
        LicenceNote(
            "FLUX.1 [dev] and FLUX.1 Redux [dev]: FLUX.1 [dev] Non-Commercial License. The server sees the references "
            "and the prompt, and keeps them.",
            False,
        ),
        "FLUX.1 [dev] Non-Commercial License",
    ),
    "megastyle": _Template(
        "MegaStyle-FLUX on a ComfyUI server with MegaStyle's nodes: a prompt in the style of one reference.",
        Capabilities(references=1, content=False, text=True, weights=False, needs_text=True),
        LicenceNote(
            "FLUX.1 [dev]: FLUX.1 [dev] Non-Commercial License; MegaStyle: research and education only. The server "
            "sees the reference and the prompt, and keeps them.",
            False,
        ),
        "FLUX.1 [dev] Non-Commercial License; MegaStyle: research and education only",
    ),
}


def load(argument: str) -> TransferBackend:
    """The backend for "URL" or "URL#WORKFLOW", where WORKFLOW is one of ours or the path of a JSON file.

    Raises:
        UsageError: no such address, or no such workflow, or one without a place for a reference.
        TransferError: the server does not answer, or lacks a node or a model.
        MissingDependencyError: the package for WebSockets is not there.
    """
    url, _, workflow = argument.partition("#")
    if not url:
        raise UsageError("The address of the server is missing. Write for example: comfyui:http://127.0.0.1:8188")
    return ComfyBackend(url, workflow or DEFAULT_WORKFLOW)


def describe() -> list[BackendInfo]:
    """What this family offers, whether or not a server runs."""
    lacking = "" if find_spec("websockets") else str(without_websockets())
    found = [
        BackendInfo(f"comfyui:URL#{name}", each.what, each.capabilities, each.licence, lacking)
        for name, each in _TEMPLATES.items()
    ]
    what = "Your own workflow on a ComfyUI server; what it takes is found in it."
    can = Capabilities(references=1, content=True, text=True, weights=False)
    return [*found, BackendInfo("comfyui:URL#WORKFLOW.json", what, can, _OWN, lacking)]


class ComfyBackend(TransferBackend):
    """A workflow on a server.

    Args:
        url: of the server.
        workflow: name of one of ours, or the path of a file that ComfyUI exported for its API.
        patience: how long the server is waited for.

    Raises:
        As `load`.
    """

    def __init__(self, url: str, workflow: str = DEFAULT_WORKFLOW, patience: Patience | None = None) -> None:
        template = _TEMPLATES.get(workflow)
        nodes = read_workflow(WORKFLOWS / f"{workflow}.json" if template else Path(workflow))
        self._server = ComfyServer(url, patience)
        self.name = f"comfyui:{self._server.url}#{workflow}"
        self._graph = Graph(nodes, self._server.specs([str(node["class_type"]) for node in nodes.values()]))
        if lacking := missing(self._graph):
            raise TransferError(
                f"The server at '{self._server.url}' cannot run the workflow '{workflow}': it has {'; '.join(lacking)}."
            )
        self._places = find_places(self._graph)
        self.capabilities = template.capabilities if template else _capabilities(self._places)
        self.licence = template.licence if template else _OWN
        self._models = tuple(
            ModelUsed(name, None, template.terms if template else None) for name in _models(self._graph)
        )

    def _run(self, request: TransferRequest, report: Report, cancel: threading.Event) -> list[TransferResult]:
        self._check_places(request)
        report(TransferProgress(0, _PARTS * request.count, "Uploading"))
        heaviest = max(reference.weight for reference in request.references)
        references = [self._upload(_shrunk(reference.picture)) for reference in request.references]
        content = self._upload(_canvas(request.content, request)) if request.content else None
        weights = [reference.weight / heaviest for reference in request.references]
        results = []
        for number in range(request.count):
            seed = request.seed + number

            def tell(share: float, what: str, done: int = _PARTS * number) -> None:
                report(TransferProgress(done + int(_PARTS * share), _PARTS * request.count, what))

            values = Values(
                references,
                weights,
                content,
                request.prompt,
                seed,
                request.strength,
                request.steps,
                request.width,
                request.height,
            )
            filled = Graph(fill(self._graph, self._places, values), self._graph.specs)
            shown, seconds = self._server.run(filled, self._places.results, tell, cancel)
            if len(shown) != 1:
                raise TransferError(
                    f"The workflow made {len(shown)} pictures where one is wanted. Title the node that shows it "
                    "'@result' in ComfyUI, and set the size of batches to 1."
                )
            results.append(TransferResult(self._server.picture(shown[0]), seed, seconds, self._models))
        return results

    def close(self) -> None:
        """Closes the connections to the server."""
        self._server.close()

    def _check_places(self, request: TransferRequest) -> None:
        places = self._places
        if request.steps is not None and not places.steps:
            raise UsageError(f"The workflow has no place for steps, and '{request.steps}' are asked for.")
        if request.strength != 1 and not places.overall and not all(places.strengths):
            raise UsageError(
                f"The workflow has no place for a strength, and '{request.strength}' is asked for. Title the node that "
                "takes it '@strength' in ComfyUI, or ask for 1."
            )
        if request.count > 1 and not places.seeds:
            raise UsageError(f"The workflow has no seed, so its {request.count} pictures would all be the same.")

    def _upload(self, picture: Image) -> str:
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", compress_level=1)
        data = buffer.getvalue()
        return self._server.upload(f"{hashlib.sha256(data).hexdigest()[:32]}.png", data)


def _capabilities(places: Places) -> Capabilities:
    return Capabilities(
        references=len(places.references),
        content=bool(places.content),
        text=bool(places.prompts),
        weights=len(places.references) > 1 and all(places.strengths),
        needs_content=bool(places.content),
    )


def _models(graph: Graph) -> list[str]:
    """What the loaders of a workflow load, without the folders of the server."""
    loaders = [node["inputs"] for node in graph.nodes.values() if "Loader" in str(node["class_type"])]
    names = [value for inputs in loaders for name, value in inputs.items() if _NAMES_MODEL.fullmatch(name)]
    said = (PureWindowsPath(value) for value in names if isinstance(value, str))
    return list(dict.fromkeys(path.name if path.root else path.as_posix() for path in said))


def _shrunk(picture: Image) -> Image:
    scale = min(1.0, _LONGEST_SIDE / max(picture.size))
    width, height = (max(1, round(length * scale)) for length in picture.size)
    return picture.resize((width, height), reducing_gap=3) if scale < 1 else picture


def _canvas(picture: Image, request: TransferRequest) -> Image:
    """The content in the shape of the result: samplers that start from it take their size from it."""
    from PIL import ImageOps

    return ImageOps.fit(picture, (round(request.width / _GRID) * _GRID, round(request.height / _GRID) * _GRID))
