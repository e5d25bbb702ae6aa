"""What is known of a picture, in plain words."""

from __future__ import annotations

import re
from collections.abc import Mapping

from stylesearch.records import Details, Metadata

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DATE = re.compile(r"(\d{4})-(\d\d)(?:-(\d\d)(?:T(\d\d:\d\d).*)?)?")
_CREATIVE_COMMONS = re.compile(r"https?://creativecommons\.org/licenses/([a-z-]+)/(\d\.\d)\b.*")
_CC_ZERO = re.compile(r"https?://creativecommons\.org/publicdomain/zero/.*")

_GENERATION = {
    "tool": "Program",
    "model": "Model",
    "prompt": "Asked for",
    "negative_prompt": "Asked not to have",
    "seed": "Seed",
    "steps": "Steps",
    "cfg_scale": "Guidance",
    "sampler": "Sampler",
    "scheduler": "Scheduler",
    "width": "Width",
    "height": "Height",
}


def facts(details: Details) -> list[dict[str, str]]:
    """What the file says and what it is, as rows of "name", "value" and, where there is one, "link"."""
    asset, said = details.asset, details.metadata
    rows = [
        {"name": "Made by", "value": ", ".join(said.creators)},
        {"name": "Made", "value": _date(said.date or "")},
        {"name": "Made with", "value": said.software or ""},
        {"name": "About", "value": said.description or ""},
        _licence(said),
        {"name": "Rights", "value": said.rights or ""},
        {"name": "Origin", "value": "Made by a model, by its own account" if said.generated else ""},
        {"name": "Size", "value": f"{asset.width:,} × {asset.height:,} pixels"},
        {"name": "File", "value": f"{asset.format}, {_bytes(asset.size)}"},
        {"name": "Number", "value": str(asset.id)},
    ]
    return [row for row in rows if row["value"]]


def generation(said: Metadata) -> list[dict[str, str]]:
    """How a model made the picture, as rows of "name" and "value"; none where the file says nothing of it."""
    known: Mapping[str, str | int | float] = said.generation
    return [{"name": label, "value": str(known[key])} for key, label in _GENERATION.items() if key in known]


def _licence(said: Metadata) -> dict[str, str]:
    if not said.licence:
        unknown = "" if said.rights else "The file does not say. Ask before you use it."
        return {"name": "Licence", "value": unknown}
    licence = said.licence
    commons = _CREATIVE_COMMONS.fullmatch(licence)
    if commons:
        value = f"CC {commons[1].upper()} {commons[2]}"
    else:
        value = "CC0, no rights reserved" if _CC_ZERO.fullmatch(licence) else licence
    link = {"link": licence} if licence.startswith(("https://", "http://")) else {}
    return {"name": "Licence", "value": value, **link}


def _date(written: str) -> str:
    """ "1972-05-03" as "3 May 1972"; what is no such date stays as it is written."""
    match = _DATE.fullmatch(written)
    if match is None or not 1 <= int(match[2]) <= 12:
        return written
    day = f"{int(match[3])} " if match[3] else ""
    time = f", {match[4]}" if match[4] else ""
    return f"{day}{_MONTHS[int(match[2]) - 1]} {match[1]}{time}"


def _bytes(count: int) -> str:
    return f"{max(1, round(count / 1e3)):,} kB" if count < 1e6 else f"{count / 1e6:,.1f} MB"
