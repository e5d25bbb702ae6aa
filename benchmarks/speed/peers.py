"""Other programs over the same files, each installed into a folder of its own that is gone afterwards.

Their models cannot be had without their hosts, and a comparison of models is no comparison of programs; so each runs
with everything but its model, as `index` does beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stylesearch.errors import StyleSearchError

_INSTALL_SECONDS = 900
_RUN_SECONDS = 3600


@dataclass(frozen=True)
class Peer:
    """A program to measure against.

    Attributes:
        name, version: of its distribution.
        does: what of it is measured.
        script: file beside this one that measures it, under the Python of `install`, with the arguments folder of
            pictures, folder to write to, number of workers; it prints {"pictures": N, "seconds": S} as its last line.
        install: (folder, requirement) -> Python that can import it.
    """

    name: str
    version: str
    does: str
    script: str
    install: Callable[[Path, str], tuple[Path, dict[str, str]]]


def run_peer(peer: Peer, root: Path, workers: int) -> tuple[int, float]:
    """Pictures that it dealt with, which may be fewer than there are, and the seconds that took.

    Args:
        peer: out of `PEERS`.
        root: folder of the pictures.
        workers: processes that it may decode with, where it can be told.

    Raises:
        StyleSearchError: it cannot be installed or run; the message says which.
    """
    with tempfile.TemporaryDirectory() as folder:
        python, environment = peer.install(Path(folder, "installed"), f"{peer.name}=={peer.version}")
        work = Path(folder, "work")
        work.mkdir()
        script = Path(__file__).parent / peer.script
        out = _run([python, "-I", script, root, work, workers], f"{peer.name} failed", _RUN_SECONDS, environment)
    found = json.loads(out.splitlines()[-1])
    if not found["pictures"]:
        raise StyleSearchError("It read none of the pictures.")
    return found["pictures"], found["seconds"]


def _own_environment(folder: Path, requirement: str) -> tuple[Path, dict[str, str]]:
    """A virtual environment with all that the program asks for."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    _run([python, "-m", "pip", "install", "--quiet", requirement], f"{requirement} does not install", _INSTALL_SECONDS)
    return python, {}


def _beside_ours(folder: Path, requirement: str) -> tuple[Path, dict[str, str]]:
    """The program's own files alone, next to the packages of this environment."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, requirement]
    _run(pip, f"{requirement} does not install", _INSTALL_SECONDS)
    return Path(sys.executable), {"STYLESEARCH_PEER": str(folder)}


def _run(program: list[object], failure: str, seconds: float, environment: dict[str, str] | None = None) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - our Python, our script
            list(map(str, program)),
            env=os.environ | (environment or {}),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise StyleSearchError(f"{failure} ({exc}).") from exc
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise StyleSearchError(f"{failure} ({last}).")
    return done.stdout


PEERS = (
    Peer("rclip", "3.3.0", "all but its model", "peer_rclip.py", _own_environment),
    # What it asks for (NumPy 1, a torch of its own) cannot stand beside a current torch; its reader needs none of it.
    Peer("clip-retrieval", "2.45.0", "its reader alone", "peer_clip_retrieval.py", _beside_ours),
)
