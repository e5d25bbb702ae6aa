"""The file that says how people sign in; see docs/guide-deployment.md."""

from __future__ import annotations

import importlib.util
import tomllib
from functools import lru_cache
from pathlib import Path

from stylesearch.errors import MissingDependencyError, UsageError

FILE = "sign-in.toml"
_NEEDED = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")
_EXAMPLE = "docs/guide-deployment.md has an example."


def sign_in_file(folder: Path) -> Path | None:
    """The file that says how people sign in; None where everybody who reaches the page may use it.

    Raises:
        UsageError: it cannot be read, or something is missing in it.
        MissingDependencyError: Authlib is not installed.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise UsageError(f"'{path}' cannot be read ({exc}). {_EXAMPLE}") from exc
    auth = said.get("auth", {})
    if missing := [name for name in _NEEDED if not isinstance(auth, dict) or not auth.get(name)]:
        raise UsageError(f"'{path}' lacks {', '.join(missing)} below [auth]. {_EXAMPLE}")
    allowed = said.get("people", {}).get("allowed", [])
    if not (isinstance(allowed, list) and all(isinstance(one, str) and "@" in one for one in allowed)):
        raise UsageError(f"'allowed' in '{path}' must list addresses such as 'ann@example.org' or '@example.org'.")
    if importlib.util.find_spec("authlib") is None:
        raise MissingDependencyError("authlib", "sign-in", "so that people can sign in")
    return path


@lru_cache
def allowed_people(folder: Path) -> tuple[str, ...] | None:
    """Who may use the library, as `sign-in.toml` lists them; None where nobody is asked to sign in.

    Raises as `sign_in_file` does. It is read once: whoever changes it starts the page again.
    """
    path = sign_in_file(folder)
    return None if path is None else tuple(tomllib.loads(path.read_text("utf-8")).get("people", {}).get("allowed", ()))
