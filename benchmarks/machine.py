"""Where a measurement was taken: what a number is worth nothing without."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

# Distributions whose version moves speed or results.
PACKAGES = (
    "stylesearch", "numpy", "torch", "pillow", "faiss-cpu", "faiss-gpu", "qdrant-edge-py", "open_clip_torch", "timm",
    "transformers", "sqlalchemy", "streamlit",
)  # fmt: skip


def machine() -> dict[str, str]:
    """Processor, cores this process may use, memory, system."""
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """Python and every one of `PACKAGES` that is installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """The commit of the checkout that this file lies in, "+changes" where it has any; "" outside a checkout."""
    git = shutil.which("git")
    root = Path(__file__).parent.parent
    if git is None or not (root / ".git").exists():
        return ""
    head = _run(git, "-C", str(root), "rev-parse", "--short=12", "HEAD")
    return head + ("+changes" if head and _run(git, "-C", str(root), "status", "--porcelain", "-uno") else "")


def _run(*program: str) -> str:
    done = subprocess.run(program, capture_output=True, text=True, check=False)  # noqa: S603 - git, with our arguments
    return done.stdout.strip() if done.returncode == 0 else ""


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> str:
    try:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows
        return "unknown"
    return f"{size / 2**30:.1f} GiB"
