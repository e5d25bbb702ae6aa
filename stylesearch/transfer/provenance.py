"""Pictures that say of themselves how they were made: a PNG file with its lineage in it.

Three readers are served. Programs for pictures read PNG's own keywords; archives and agencies read XMP with IPTC's
digital source type; and the text `KEYWORD` holds a manifest definition for C2PA (Content Credentials), which whoever
has a certificate can sign as it is: `c2patool picture.png -m manifest.json`.
"""

from __future__ import annotations

import io
import json
from importlib.metadata import version
from pathlib import PureWindowsPath
from typing import Any

from PIL.Image import Image
from PIL.PngImagePlugin import PngInfo

from stylesearch.lineage import Ingredient, Lineage
from stylesearch.metadata import xmp_sidecar
from stylesearch.metadata.generation import OWN_ASSERTION, OWN_KEYWORD
from stylesearch.metadata.png import XMP_KEYWORD
from stylesearch.records import Metadata

# https://cv.iptc.org/newscodes/digitalsourcetype/: a trained model's work, and that of an algorithm without one.
_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
TRAINED, UNTRAINED = "trainedAlgorithmicMedia", "algorithmicMedia"


def stamped_png(picture: Image, lineage: Lineage, name: str) -> bytes:
    """A PNG file with the lineage in it.

    Args:
        picture: mode RGB, sRGB.
        name: of the file.
    """
    info = PngInfo()
    for keyword, text in (("Software", _software()), ("Description", lineage.prompt)):
        if text:
            info.add_itxt(keyword, text)
    info.add_itxt(XMP_KEYWORD, xmp_sidecar(_metadata(lineage), ()).decode())
    info.add_itxt(OWN_KEYWORD, json.dumps(manifest_definition(lineage, name), ensure_ascii=False))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def manifest_definition(lineage: Lineage, name: str) -> dict[str, Any]:
    """What a tool for C2PA takes to make a signed manifest of, as JSON.

    Args:
        name: of the file.
    """
    action = {
        "action": "c2pa.created",
        "when": lineage.made_at.isoformat(timespec="seconds"),
        "softwareAgent": {"name": "StyleSearch", "version": version("stylesearch")},
        "digitalSourceType": _SOURCE_TYPES + _source_type(lineage),
    }
    used = [*lineage.references, *([lineage.content] if lineage.content is not None else [])]
    # The ids within the library mean nothing outside of it, and where models and servers are is nobody's business.
    said = lineage.as_record()
    said["backend"] = _placeless(lineage.backend)
    for record in (*said["references"], said["content"] or {}):
        record.pop("id", None)
    return {
        "claim_generator_info": [{"name": "StyleSearch", "version": version("stylesearch")}],
        "title": name,
        "format": "image/png",
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [action]}},
            {"label": OWN_ASSERTION, "data": said},
        ],
        "ingredients": [_ingredient(number, one) for number, one in enumerate(used)],
    }


def _placeless(backend: str) -> str:
    """A backend's name without folders and addresses: "flux:redux@FLUX.1-dev", "comfyui#workflow.json"."""
    family, _, workflow = backend.partition("#")
    if family.partition(":")[0] == "comfyui":
        return f"comfyui#{_last(workflow)}"
    kind, at, folder = backend.partition("@")
    return kind + at + _last(folder)


def _last(path: str) -> str:
    return PureWindowsPath(path).name  # which knows both kinds of separators


def _ingredient(number: int, ingredient: Ingredient) -> dict[str, str]:
    instance = f"sha256:{ingredient.sha256}" if ingredient.sha256 else f"unknown:{number}"
    return {"title": ingredient.name, "instance_id": instance, "relationship": "inputTo"}


def _metadata(lineage: Lineage) -> Metadata:
    generation: dict[str, str | int | float] = {}
    if lineage.trained:
        generation["tool"] = ", ".join(model.name for model in lineage.models)
        if lineage.prompt:
            generation["prompt"] = lineage.prompt
    return Metadata(
        description=lineage.prompt or None,
        date=lineage.made_at.isoformat(timespec="seconds"),
        software=_software(),
        source_type=_source_type(lineage),
        generation=generation,
    )


def _source_type(lineage: Lineage) -> str:
    return TRAINED if lineage.trained else UNTRAINED


def _software() -> str:
    return f"StyleSearch {version('stylesearch')}"
