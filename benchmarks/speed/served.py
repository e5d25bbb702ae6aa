"""The page of a library, served by a process of its own, and a browser to look at it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stylesearch.errors import StyleSearchError

_SERVER_WAIT_S = 60


@dataclass(frozen=True)
class Served:
    """A page that answers.

    Attributes:
        url: without a slash at its end.
        pid: of the process whose descendants serve it.
    """

    url: str
    pid: int


@contextmanager
def served(library: Path) -> Iterator[Served]:
    """Serves the page as long as the block lasts.

    Raises:
        StyleSearchError: the server did not start.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "stylesearch", "ui", "--no-browser", "--port", str(port)]
    server = subprocess.Popen(  # noqa: S603 - this very program
        [*command, "--library", str(library)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(f"http://127.0.0.1:{port}/_stcore/health", server)
        yield Served(f"http://127.0.0.1:{port}", server.pid)
    finally:
        server.terminate()
        server.wait()


@contextmanager
def browser(chromium: Path | None) -> Iterator[Any]:
    """A Chromium without a window.

    Args:
        chromium: its program; None: the one on the path, or Playwright's own.

    Raises:
        StyleSearchError: none can be started.
    """
    from playwright.sync_api import Error, sync_playwright

    program = chromium or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    flags = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"]
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=program, args=flags)
        except Error as exc:
            raise StyleSearchError(
                f"no Chromium can be started ({exc.message.splitlines()[0]}). Install one: playwright install chromium"
            ) from exc
        yield started
        started.close()


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _SERVER_WAIT_S
    while server.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=1).close()  # noqa: S310 - our own server
            return
        except OSError:
            time.sleep(0.1)
    raise StyleSearchError("its server did not start. Try: stylesearch ui --no-browser")
