"""What can make new pictures on this page, and under which terms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from stylesearch.settings import Settings
from stylesearch.transfer import DEFAULT_BACKEND, BackendInfo, backends

_TERMS = {True: "May be used commercially.", False: "Not for commercial use.", None: ""}


@dataclass(frozen=True)
class Offered:
    """Backends.

    Attributes:
        here: those that a visitor can choose, the default first: it, and those that whoever serves the page has named
            in `STYLESEARCH_TRANSFER_BACKENDS`. A name may hold a path, and no path comes from a browser.
        others: further ones, by the pattern of their names.
    """

    here: tuple[BackendInfo, ...]
    others: tuple[BackendInfo, ...]

    def named(self, name: str) -> BackendInfo | None:
        """The one of this name that can be chosen."""
        return next((info for info in self.here if info.name == name), None)


@lru_cache(maxsize=1)
def offered() -> Offered:
    """Those of this server."""
    known = backends()
    here = [info for info in known if info.name == DEFAULT_BACKEND]
    for name in Settings.from_environment().transfer_backends:
        like = _pattern(name, known)
        if like is not None:
            here.append(replace(like, name=name))
    return Offered(tuple(here), tuple(info for info in known if info.name != DEFAULT_BACKEND))


def _pattern(name: str, known: list[BackendInfo]) -> BackendInfo | None:
    """What is known of the backends that a name is one of: the pattern that it shares most with."""

    def shared(info: BackendInfo) -> int:
        kind = info.name.partition("@")[0]
        workflow = info.name.partition("#")[2]
        exactly = name.partition("@")[0] == kind or bool(workflow and name.endswith(f"#{workflow}"))
        return 2 * exactly + (_family(name) == _family(info.name))

    best = max(known, key=shared)
    return best if shared(best) else None


def _family(name: str) -> str:
    return name.partition("@")[0].partition(":")[0]


def as_choice(info: BackendInfo) -> dict[str, Any]:
    """What the browser needs to know of a backend."""
    can = info.capabilities
    return {
        "name": info.name,
        "what": info.what,
        "terms": " ".join(filter(None, (info.licence.text, _TERMS[info.licence.commercial]))),
        "missing": info.missing,
        "references": can.references,
        "content": can.content,
        "text": can.text,
        "weights": can.weights,
        "needsContent": can.needs_content,
        "textBesideContent": can.text_beside_content,
        "needsText": can.needs_text,
    }
