"""A real server and a real browser for the tests of the page."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"

# The last --disable-features counts: what Playwright leaves out, then the address bar's own pages. Every window would
# open two of those and spend a second and a half of a processor on them.
_LEFT_OUT = (
    "AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,"
    "LensOverlay,MediaRouter,PaintHolding,ThirdPartyStoragePartitioning,AvoidCorsURLLoaderRestartOnRedirect,"
    "TcpPortRandomizationWin,OptimizationHints,NetworkTimeServiceQuerying,AimEnabled,PreconnectToSearch,"
    "WebUIOmniboxPopup,WebUIOmniboxAimPopup"
)

# Debian's Chromium talks to its maker's servers unless it is told not to.
_FLAGS = [
    f"--disable-features={_LEFT_OUT}",
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_page(library: Path, port: int) -> subprocess.Popen[str]:
    """Starts `stylesearch ui` and waits until it answers."""
    command = [sys.executable, "-c", "from stylesearch.cli import main; main()", "ui", "--no-browser"]
    server = subprocess.Popen(
        [*command, "--library", str(library), "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1).close()
            return server
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                server.kill()
                pytest.fail(f"The page did not start: {server.communicate()[0]}")
            time.sleep(0.1)


@contextmanager
def running_page(library: Path) -> Iterator[str]:
    """The address of a server that lives as long as the block."""
    port = free_port()
    server = start_page(library, port)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        output, _ = server.communicate(timeout=20)
    assert server.returncode == 0, output


@contextmanager
def running_chromium() -> Iterator[Any]:
    """A headless browser; skips the test where there is none."""
    if not Path(CHROMIUM).exists():
        pytest.skip("Chromium is not installed. Install it with: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=_FLAGS)
        yield browser
        browser.close()
