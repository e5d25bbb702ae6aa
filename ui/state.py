"""What the page remembers, and every name that it is remembered by.

What is looked for stands in the address bar, and only there: a link can be kept or sent on, and the browser's Back
button undoes a step. The session holds what a link cannot: pictures that were dropped on the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias, cast

import streamlit as st

from stylesearch.references import LoadedReference
from ui.narrowing import Narrowing

# Names in the address.
LIKE = "like"
LESS = "less"
FORMAT = "format"
FOLDER = "folder"
COUNT = "n"

# Names in the session.
_UPLOADS = "uploads"
_NOTICES = "notices"
_SHOWN = "shown"
_LAST_SEARCH = "last_search"
_AWAY = "away"
_STEPS = "steps"

# Keys of widgets and components.
TRAY = "tray"
GALLERY = "gallery"
FORMAT_FILTER = "format_filter"
FOLDER_FILTER = "folder_filter"
COUNT_CHOICE = "count_choice"

COUNTS = (60, 120, 250, 500)  # how many pictures to show at once
MOST_SHOWN = 2_000
MOST_REFERENCES = 24
_LONGEST_FOLDER = 200
_MOST_UPLOADS = 100  # of about 30 kB each; the oldest goes first

# A reference: the id of a picture of the library, or "u" and the first 12 digits of the digest of one that was dropped.
Key: TypeAlias = int | str


@dataclass(frozen=True)
class Upload:
    """A picture that was dropped on the page.

    Attributes:
        name: of the file.
        reference: what to search with.
    """

    name: str
    reference: LoadedReference


@dataclass(frozen=True)
class Search:
    """What is looked for.

    Attributes:
        like, less: references and counter-references, in the order in which they were chosen.
        formats: upper-case names of formats to keep; none: all.
        folder: keep pictures in folders whose path contains this.
        count: how many pictures to show at first, one of `COUNTS`.
        narrowing: the other filters; `ui.filters.query_filters` makes all of them keywords of a `Query`.
    """

    like: tuple[Key, ...] = ()
    less: tuple[Key, ...] = ()
    formats: tuple[str, ...] = ()
    folder: str = ""
    count: int = COUNTS[0]
    narrowing: Narrowing = field(default_factory=Narrowing)

    @classmethod
    def from_address(cls, parameters: Mapping[str, str]) -> Search:
        """Reads the query part of an address; what makes no sense there is left out."""
        like = _keys(parameters.get(LIKE, ""))
        formats = {name.upper() for name in parameters.get(FORMAT, "").split(",") if name.isalnum()}
        folder = "".join(filter(str.isprintable, parameters.get(FOLDER, "")))
        count = parameters.get(COUNT, "")
        return cls(
            like,
            tuple(key for key in _keys(parameters.get(LESS, "")) if key not in like),
            tuple(sorted(formats)),
            folder.strip()[:_LONGEST_FOLDER],
            int(count) if count.isdecimal() and int(count) in COUNTS else COUNTS[0],
            Narrowing.from_address(parameters),
        )

    def to_address(self) -> dict[str, str]:
        """The query part of an address; `from_address` reads it."""
        parts = {
            LIKE: ",".join(map(str, self.like)),
            LESS: ",".join(map(str, self.less)),
            FORMAT: ",".join(self.formats).lower(),
            FOLDER: self.folder,
            COUNT: "" if self.count == COUNTS[0] else str(self.count),
        }
        return {name: value for name, value in (parts | self.narrowing.to_address()).items() if value}

    def with_reference(self, key: Key, *, less: bool = False) -> Search:
        """This search with one reference more, or with a known one moved to the other side."""
        rest = self.without_reference(key)
        return replace(rest, less=(*rest.less, key)) if less else replace(rest, like=(*rest.like, key))

    def without_reference(self, key: Key) -> Search:
        """This search with one reference less."""
        return replace(self, like=tuple(k for k in self.like if k != key), less=tuple(k for k in self.less if k != key))

    def without_references(self) -> Search:
        """The filters alone."""
        return replace(self, like=(), less=())


def current() -> Search:
    """The search that the address bar holds; on coming back from another view, the one that was left there."""
    search = Search.from_address(st.query_params)
    if st.session_state.pop(_AWAY, False) and search == Search():
        search = st.session_state.get(_LAST_SEARCH, search)
        go_to(search)
    st.session_state[_LAST_SEARCH] = search
    return search


def leave_search() -> None:
    """Marks that another view is shown, whose address holds no search."""
    st.session_state[_AWAY] = True


def count_step() -> None:
    """Marks that a component has sent something."""
    st.session_state[_STEPS] = steps() + 1


def steps() -> int:
    """How often components have sent something. It goes back to them, so that each answer differs from the last."""
    return cast("int", st.session_state.get(_STEPS, 0))


def go_to(search: Search) -> None:
    """Puts a search into the address bar, as a step that Back undoes."""
    st.query_params.from_dict(search.to_address())


def keep_upload(name: str, digest: str, reference: LoadedReference) -> Key:
    """Remembers a dropped picture for this session; one that the library holds becomes that asset instead."""
    if isinstance(reference.source, int):
        return reference.source
    key = f"u{digest[:12]}"
    uploads = st.session_state.setdefault(_UPLOADS, {})
    uploads[key] = Upload(name, reference)
    while len(uploads) > _MOST_UPLOADS:
        del uploads[next(iter(uploads))]
    return key


def uploads() -> dict[str, Upload]:
    """The dropped pictures of this session, by key."""
    return cast("dict[str, Upload]", st.session_state.get(_UPLOADS, {}))


def notify(message: str) -> None:
    """Leaves a message for the next time the page is drawn."""
    st.session_state.setdefault(_NOTICES, []).append(message)


def notices() -> list[str]:
    """The messages that were left, once."""
    return cast("list[str]", st.session_state.pop(_NOTICES, []))


def shown(search: Search) -> int:
    """How many pictures of a search to show: as many as it asks for, and what was loaded since."""
    held, number = st.session_state.get(_SHOWN, (None, 0))
    return number if held == search else search.count


def show_more(search: Search) -> None:
    """Shows as many pictures again, up to `MOST_SHOWN`."""
    st.session_state[_SHOWN] = (search, min(shown(search) + search.count, MOST_SHOWN))


def _keys(text: str) -> tuple[Key, ...]:
    return tuple(_unique(filter(None, map(_key, text.split(",")))))[:MOST_REFERENCES]


def _key(text: str) -> Key | None:
    if text.isascii() and text.isdecimal() and len(text) < 16:
        return int(text)
    return text if len(text) == 13 and text[0] == "u" and set(text[1:]) <= set("0123456789abcdef") else None


def _unique(keys: Iterable[Key]) -> Iterable[Key]:
    return dict.fromkeys(keys)
