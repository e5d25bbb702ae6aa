"""StyleExpert in this process: what there is, known without loading anything.

A name is `styleexpert@FOLDER`. The folder is FLUX.1-Kontext-dev in diffusers' layout, with StyleExpert's files in its
subfolder `styleexpert`. docs/transfer.md says where each file comes from.
"""

from __future__ import annotations

from stylesearch.errors import UsageError
from stylesearch.transfer import BackendInfo
from stylesearch.transfer.base import Capabilities, LicenceNote, TransferBackend
from stylesearch.transfer.flux import DEV_LICENCE, Kind, info_of, model_folder

_REFERENCES = 8  # their latents are averaged, so the number costs nothing; more of them only blur the style
KIND = Kind(
    "StyleExpert: redraws a content image in the style of others, by LoRA experts that are chosen for that style.",
    "FLUX.1-Kontext-dev and, in 'styleexpert', StyleExpert's weights and its SigLIP",
    Capabilities(references=_REFERENCES, content=True, text=True, weights=True, needs_content=True),
    LicenceNote(f"StyleExpert: CC BY-NC 4.0, not for commercial use. {DEV_LICENCE}.", commercial=False),
)


def load(rest: str) -> TransferBackend:
    """The backend of a folder.

    Raises:
        UsageError: no folder, or no model in it.
        MissingDependencyError: diffusers, or what it needs, is not installed.
        TransferError: what lies in the folder cannot be used.
    """
    if not rest:
        raise UsageError(f"'styleexpert' names no folder. Write styleexpert@FOLDER with a folder of {KIND.layout}.")
    folder = model_folder("styleexpert", KIND, rest)
    from stylesearch.transfer.flux_backend import RecipeBackend
    from stylesearch.transfer.styleexpert_recipe import StyleExpert

    return RecipeBackend(f"styleexpert@{folder}", KIND, StyleExpert, folder)


def describe() -> list[BackendInfo]:
    """The one entry."""
    return [info_of("styleexpert", KIND)]
