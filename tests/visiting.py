"""A visitor of the page: a window of its own, and what there is to be seen in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

FOCUSED = "name => document.activeElement.shadowRoot?.activeElement?.ariaLabel === `Look closer at ${name}`"


@contextmanager
def visitor(chromium: Any, address: str, **options: Any) -> Iterator[Any]:
    """A visitor's window. Whatever happens in it, no script may fail and no traceback may show.

    Args:
        options: of `Browser.new_context`, such as `color_scheme`.
    """
    context = chromium.new_context(**{"viewport": {"width": 1200, "height": 900}, "base_url": address} | options)
    context.set_default_timeout(30_000)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    window = context.new_page()
    errors: list[str] = []
    window.on("pageerror", lambda error: errors.append(str(error)))
    window.on("dialog", lambda dialog: errors.append(f"a script of a file ran: {dialog.message}"))
    yield window
    assert errors == []
    assert window.get_by_test_id("stException").count() == 0
    context.close()


def open_page(page: Any, query: str = "") -> None:
    page.goto(f"/{query}")
    page.locator(".tile").first.wait_for()


def names(page: Any) -> list[str]:
    """The pictures of the gallery, in order."""
    found: list[str] = page.locator(".tile img").evaluate_all("images => images.map(image => image.alt)")
    return found


def answers(page: Any, expected: list[str]) -> None:
    """Waits until the page shows these pictures in this order."""
    page.wait_for_function(
        """names => {
          const host = [...document.querySelectorAll("*")].find((one) => one.shadowRoot?.querySelector(".gallery"));
          const images = [...(host?.shadowRoot.querySelectorAll(".tile img") ?? [])];
          return images.map((image) => image.alt).join("|") === names.join("|");
        }""",
        arg=expected,
    )


def tile_of(page: Any, name: str) -> Any:
    return page.locator(".tile", has=page.locator(f"img[alt='{name}']"))


def wait_for_heading(page: Any, text: str) -> None:
    page.locator(".gallery:not(.busy) h2", has_text=text).wait_for()


def upload(page: Any, name: str, data: bytes) -> None:
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "image/png", "buffer": data})


def focused(page: Any) -> str:
    """The picture of the gallery that has the focus."""
    label: str = page.evaluate("document.activeElement.shadowRoot.activeElement.ariaLabel")
    return label.removeprefix("Look closer at ")
