"""Starts the page as a process of its own and waits for it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import webbrowser
from pathlib import Path
from types import FrameType

from stylesearch.errors import UsageError
from ui.sign_in_file import FILE, sign_in_file

MAX_UPLOAD_MB = 50  # a reference picture; the page says so before it sends a larger file
_HERE = Path(__file__).parent


def serve(folder: Path, *, host: str = "127.0.0.1", port: int, open_browser: bool) -> int:
    """Serves the page of a library until it is stopped.

    Args:
        folder: of the library.
        host: address to bind to.
        port: of the page.
        open_browser: open a browser window once the page answers.

    Returns:
        Exit status of the server; 0 where Ctrl+C or SIGTERM ended it.

    Raises:
        UsageError: the port is taken, the address is none of this machine, or `sign-in.toml` is incomplete.
        MissingDependencyError: people are to sign in, and Authlib is not installed.
    """
    _check_free(host, port)
    # A session of its own: Ctrl+C in a terminal would reach the server a second time and cut its clean-up short.
    server = subprocess.Popen(_command(folder, host, port), stdout=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
    stopped = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        server.terminate()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        if open_browser:
            threading.Thread(target=_open_when_ready, args=(host, port, server), daemon=True).start()
        status = server.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0 if stopped else status


def _command(folder: Path, host: str, port: int) -> list[str]:
    settings: dict[str, object] = {
        "server.address": host,
        "server.port": port,
        "server.headless": True,
        "server.fileWatcherType": "none",  # it would import and scan every module, torch's among them
        "server.enableXsrfProtection": True,
        "server.maxUploadSize": MAX_UPLOAD_MB,
        # A message of the browser may carry a picture, a third larger in base64.
        "server.maxMessageSize": 2 * MAX_UPLOAD_MB,
        "browser.gatherUsageStats": False,
        # One run of the script after the other. A new one beside one that has not ended yet loses what was asked of the
        # page, and its fragments: the one that ends later throws away what it does not know.
        "runner.fastReruns": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "theme.base": str(_HERE / "assets" / "theme.toml"),
    }
    # Another site's page may not reach the server through a name of its own that points here.
    hosts = ["localhost", "127.0.0.1", host] if host in ("localhost", "127.0.0.1", "::1") else []
    command = [sys.executable, "-m", "streamlit", "run", str(_HERE / "app.py")]
    command += [f"--{name}={value}" for name, value in settings.items()]
    command += [f"--server.allowedHosts={name}" for name in hosts]
    sign_in_file(folder)  # complains where something is wrong with it
    command.append(f"--secrets.files={folder / FILE}")  # there or not: those of other programs mean nothing here
    return [*command, "--", str(folder)]


def _check_free(host: str, port: int) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as exc:
        raise UsageError(
            f"The page cannot be served at {host}:{port} ({exc.strerror}). "
            f"Name another port: stylesearch ui --port {port + 1}"
        ) from exc


def _open_when_ready(host: str, port: int, server: subprocess.Popen[bytes]) -> None:
    url = f"http://{host}:{port}"
    while server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1):  # noqa: S310 - our own server
                webbrowser.open(url)
                return
        except OSError:
            time.sleep(0.2)
