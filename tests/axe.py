"""What axe-core finds on a page that keeps people out: names, roles, focus order, contrast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it carries no types

_SERIOUS = ("serious", "critical")
_RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


def assert_accessible(page: Any, *, exclude: Sequence[str] = ()) -> None:
    """Fails where axe-core finds a serious or critical violation; moderate and minor ones are let pass.

    Looks into shadow roots, and at what is shown now: open a dialog or hover a tile first to have it looked at.

    Args:
        page: of Playwright, which has settled.
        exclude: CSS selectors of what is not ours, such as a part of Streamlit's own frame. Say why beside each.
    """
    context = {"include": [["body"]], "exclude": [[selector] for selector in exclude]}
    options = {"resultTypes": ["violations"], "runOnly": {"type": "tag", "values": list(_RULES)}}
    found = Axe().run(page, context=context, options=options).response["violations"]
    wrong = [
        f"{violation['impact']}: {violation['id']}: {violation['help']}\n"
        + "\n".join(f"    {node['target']}: {node['failureSummary']}" for node in violation["nodes"][:5])
        for violation in found
        if violation["impact"] in _SERIOUS
    ]
    assert not wrong, "\n".join(wrong)
