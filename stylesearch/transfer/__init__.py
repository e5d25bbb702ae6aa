"""Transfer: from found style to new pictures.

A name is `family`, `family:ARGUMENT` or `family@FOLDER`; `load_backend` is the one place that turns a name into a
backend. docs/transfer.md describes the families.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from stylesearch.errors import UsageError
from stylesearch.transfer.base import Capabilities, LicenceNote, TransferBackend

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_BACKEND = "preview"


@dataclass(frozen=True)
class BackendInfo:
    """A backend as it is offered, known without loading it.

    Attributes:
        name: as `load_backend` takes it; what the user fills in is in capitals: "flux:redux@FOLDER".
        what: what it does, a sentence.
        capabilities, licence: as those of `TransferBackend`.
        missing: why it cannot be used here and the command that mends it; "": it can be used.
    """

    name: str
    what: str
    capabilities: Capabilities
    licence: LicenceNote
    missing: str = ""

    @property
    def usable(self) -> bool:
        """Whether it can be used here."""
        return not self.missing


class _Family(Protocol):
    """What the module of a family holds; importing it imports neither torch nor diffusers."""

    load: Callable[[str], TransferBackend]  # takes what follows the family in a name, without the first ":" or "@"
    describe: Callable[[], list[BackendInfo]]


# In the order in which they are offered; each is a module of this package.
_FAMILIES = ("preview", "flux", "styleexpert", "comfyui")


def load_backend(name: str = DEFAULT_BACKEND) -> TransferBackend:
    """Loads a backend by name.

    Args:
        name: "preview"; "flux:KIND@FOLDER" with KIND one of mega, redux, kontext, ip-adapter, lora, klein;
            "styleexpert@FOLDER"; "comfyui:URL" or "comfyui:URL#WORKFLOW.json".

    Raises:
        UsageError: no such backend, or a part of the name is missing.
        TransferError: its models cannot be loaded, or its server does not answer.
        MissingDependencyError: an optional package is needed.
    """
    family = name[: min((at for mark in ":@" if (at := name.find(mark)) >= 0), default=len(name))]
    if family not in _FAMILIES:
        raise UsageError(
            f"There is no transfer backend '{name}'. A name begins with one of: {', '.join(_FAMILIES)}. "
            "See them with: stylesearch backends"
        )
    return _module(family).load(name[len(family) + 1 :])


def backends() -> list[BackendInfo]:
    """Every backend there is, the default one first, and whether it can be used here. Loads no model."""
    return [info for family in _FAMILIES for info in _module(family).describe()]


def _module(family: str) -> _Family:
    return cast(_Family, import_module(f"stylesearch.transfer.{family}"))
