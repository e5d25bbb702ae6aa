"""SVG and SVGZ, by resvg in a process of its own: it aborts where memory ends, and a small file can ask for any amount.

Nothing that lies outside the file is loaded and no script runs; see `stylesearch.decoders.svg_process`.
"""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import resvg_py  # noqa: F401  (its absence is told here, and not by the process)
from PIL import PngImagePlugin

from stylesearch.decoders import VECTOR_SIDE, Raster, Request
from stylesearch.errors import ImageError

SECONDS = 20.0
MAX_TEXT = 64 * 2**20  # bytes of XML, unpacked

_ENDS_EARLY = ("no element found", "unclosed token", "unclosed CDATA", "partial character")  # expat's words

_PROGRAM = Path(__file__).with_name("svg_process.py")


def decode(data: bytes, request: Request) -> Raster:
    """Draws the picture, `VECTOR_SIDE` pixels along its longest side whatever size it declares."""
    # -I: neither the environment nor the current folder decides what the process imports.
    command = [sys.executable, "-I", str(_PROGRAM), str(VECTOR_SIDE), f"{SECONDS:.0f}"]
    text = _unpacked(data)
    try:
        done = subprocess.run(command, input=text, capture_output=True, timeout=SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as exc:
        raise _timeout() from exc
    message = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    if done.returncode == -getattr(signal, "SIGXCPU", 0):
        raise _timeout()
    if done.returncode and "memory" in message.lower():
        raise ImageError("too-large", "The SVG picture needs more memory than it may have.")
    if done.returncode < 0:
        raise ImageError("crashed", f"The SVG renderer died (signal {-done.returncode}).")
    if done.returncode and any(sign in message for sign in _ENDS_EARLY):
        raise ImageError("truncated", f"The SVG file ends before the picture does ({message}).")
    if done.returncode:
        raise ValueError(message)
    image = PngImagePlugin.PngImageFile(io.BytesIO(done.stdout))
    image.load()
    return Raster(image, image.size)


def _unpacked(data: bytes) -> bytes:
    if data.startswith(b"\x1f\x8b"):
        inflate = zlib.decompressobj(wbits=31)
        data = inflate.decompress(data, MAX_TEXT + 1)
        if not inflate.eof and len(data) <= MAX_TEXT:
            raise ImageError("truncated", "The SVGZ file ends before its compressed stream does.")
    if len(data) > MAX_TEXT:
        raise ImageError("too-large", f"The SVG file unpacks to more than {MAX_TEXT:,} bytes.")
    return data


def _timeout() -> ImageError:
    return ImageError("timeout", f"The SVG renderer did not finish within {SECONDS:g} seconds.")
