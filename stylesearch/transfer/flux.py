"""FLUX in this process: what there is, known without loading anything.

A name is `flux:KIND@FOLDER`. The folder is a model in diffusers' layout (`model_index.json` beside a folder for each
network); what a kind adds to it lies in the subfolder of that name. docs/transfer.md says where each file comes from.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from stylesearch.errors import MissingDependencyError, UsageError
from stylesearch.transfer import BackendInfo
from stylesearch.transfer.base import Capabilities, LicenceNote, TransferBackend

_PACKAGES = ("diffusers", "transformers", "peft", "accelerate")
DEV_LICENCE = (
    "FLUX.1 [dev] Non-Commercial License: not for commercial work without a licence from Black Forest Labs (of the "
    "pictures themselves speaks its section 2d)"
)


@dataclass(frozen=True)
class Kind:
    """A way to take over a style with a model of the FLUX family.

    Attributes:
        what: what it does, a sentence.
        layout: what must lie in its folder, as the end of a sentence.
        capabilities, licence: as those of `TransferBackend`.
    """

    what: str
    layout: str
    capabilities: Capabilities
    licence: LicenceNote


KINDS = {
    "mega": Kind(
        "MegaStyle-FLUX: what the prompt says, in the style of one picture.",
        "FLUX.1-dev and, in 'mega', MegaStyle's LoRA (.safetensors)",
        Capabilities(references=1, content=False, text=True, weights=False, needs_text=True),
        LicenceNote(f"MegaStyle: for research and education only. {DEV_LICENCE}.", commercial=False),
    ),
    "redux": Kind(
        "FLUX.1 Redux: variations on several pictures, steered by a prompt.",
        "FLUX.1-dev and, in 'redux', FLUX.1-Redux-dev",
        Capabilities(references=4, content=False, text=True, weights=True),
        LicenceNote(f"{DEV_LICENCE}.", commercial=False),
    ),
    "kontext": Kind(
        "FLUX.1 Kontext: redraws a content image in the style of others.",
        "FLUX.1-Kontext-dev",
        Capabilities(references=3, content=True, text=True, weights=True),
        LicenceNote(f"{DEV_LICENCE}.", commercial=False),
    ),
    "ip-adapter": Kind(
        "IP-Adapter for FLUX.1: what the prompt says, drawn towards pictures.",
        "FLUX.1-dev and, in 'ip-adapter', an IP-Adapter (.safetensors) and its CLIP in 'ip-adapter/image_encoder'",
        Capabilities(references=4, content=False, text=True, weights=True),
        LicenceNote(f"{DEV_LICENCE}; the adapter's own licence besides.", commercial=False),
    ),
    "lora": Kind(
        "FLUX.1 with a LoRA of one style: what the prompt says, in that style.",
        "FLUX.1-dev and, in 'lora', a LoRA (.safetensors)",
        Capabilities(references=0, content=False, text=True, weights=False, needs_text=True),
        LicenceNote(f"{DEV_LICENCE}; the LoRA's own licence besides.", commercial=False),
    ),
    "klein": Kind(
        "FLUX.2 [klein]: redraws a content image, or what the prompt says, in the style of pictures; few steps.",
        "FLUX.2-klein-4B or FLUX.2-klein-9B",
        Capabilities(references=4, content=True, text=True, weights=True),
        LicenceNote("The 4B model: Apache 2.0. The 9B model: FLUX Non-Commercial License.", commercial=None),
    ),
}


def load(rest: str) -> TransferBackend:
    """The backend of a kind; `rest` is `KIND@FOLDER`.

    Raises:
        UsageError: no such kind, or no folder.
        MissingDependencyError: diffusers, or what it needs, is not installed.
        TransferError: what lies in the folder cannot be used.
    """
    kind, at, folder = rest.partition("@")
    if kind not in KINDS or not at or not folder:
        raise UsageError(
            f"There is no backend 'flux:{rest}'. Write flux:KIND@FOLDER; a kind is one of: {', '.join(KINDS)}."
        )
    path = model_folder(f"flux:{kind}", KINDS[kind], folder)
    from stylesearch.transfer.flux_backend import FluxBackend

    return FluxBackend(kind, path)


def describe() -> list[BackendInfo]:
    """One entry for each kind."""
    return [info_of(f"flux:{name}", kind) for name, kind in KINDS.items()]


def info_of(name: str, kind: Kind) -> BackendInfo:
    """How a kind is offered; `name` is what stands before "@FOLDER"."""
    what = f"{kind.what} FOLDER: {kind.layout}."
    return BackendInfo(f"{name}@FOLDER", what, kind.capabilities, kind.licence, str(_missing_package() or ""))


def model_folder(name: str, kind: Kind, folder: str) -> Path:
    """The absolute path of a folder that holds a model, where what runs it is installed too.

    Raises:
        UsageError: there is no model.
        MissingDependencyError: diffusers, or what it needs, is not installed.
    """
    path = Path(folder).expanduser().absolute()
    if not (path / "model_index.json").is_file():
        raise UsageError(
            f"There is no model in diffusers' layout at '{path}' (it has no model_index.json). "
            f"'{name}' needs a folder with {kind.layout}."
        )
    if (missing := _missing_package()) is not None:
        raise missing
    return path


def _missing_package() -> MissingDependencyError | None:
    absent = next((package for package in _PACKAGES if find_spec(package) is None), None)
    return None if absent is None else MissingDependencyError(absent, "flux", "for style transfer with FLUX")
