"""What the page remembers, and every name that it is remembered by.

What is looked for stands in the address bar, and only there: a link can be kept or sent on, and the browser's Back
button undoes a step. The session holds what a link cannot: pictures that were dropped on the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, NoReturn, TypeVar, cast

import streamlit as st
from PIL.Image import Image

from stylesearch.images import read_image
from stylesearch.query import GROUPS
from stylesearch.records import REGIONS, Region
from stylesearch.references import LoadedReference
from ui.chosen import MOST_REFERENCES, Chosen, Key, read_chosen
from ui.narrowing import Narrowing

# Names in the address.
LIKE = "like"
LESS = "less"
TEXT = "text"
REGION = "region"
SURE = "sure"
SPREAD = "each"
FORMAT = "format"
FOLDER = "folder"
COUNT = "n"

# Names in the session.
_UPLOADS = "uploads"
_NOTICES = "notices"
_SHOWN = "shown"
_ASKED = "asked"
_CROPPED = "cropped"
_LAST_SEARCH = "last_search"
_AWAY = "away"
_STEPS = "steps"
EXPLAINED = "explained"
LOOKED_AT = "looked_at"  # dropped pictures: whether nothing stands out in them

# Keys of widgets and components.
TRAY = "tray"
GALLERY = "gallery"
CROP = "crop"
ASSET = "asset"

_Number = TypeVar("_Number", int, float)

COUNTS = (60, 120, 250, 500)  # how many pictures to show at once
AT_FIRST = COUNTS[0]  # of those, so many before the rest: an answer to a click must not wait for hundreds
MOST_SHOWN = 5_000
SURENESS = (0.0, 0.25, 0.5, 0.75)  # least scores that the page offers; 0: whatever comes closest
_LONGEST_FOLDER = 200
_LONGEST_TEXT = 300
_MOST_UPLOADS = 40  # of about 0.2 MB each; the oldest goes first


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
        text: the style in words, beside the references or without any.
        region: the region of the pictures whose style counts; None: that of the library's own searches.
        sure: least score of what is shown, one of `SURENESS`.
        spread: show one picture of each creator or folder, one of `stylesearch.query.GROUPS`; "": every picture.
        formats: upper-case names of formats to keep; none: all.
        folder: keep pictures in folders whose path contains this.
        count: how many pictures to show at first, one of `COUNTS`.
        narrowing: the other filters; `ui.filters.query_filters` makes all of them keywords of a `Query`.
    """

    like: tuple[Chosen, ...] = ()
    less: tuple[Chosen, ...] = ()
    text: str = ""
    region: Region | None = None
    sure: float = SURENESS[0]
    spread: str = ""
    formats: tuple[str, ...] = ()
    folder: str = ""
    count: int = COUNTS[0]
    narrowing: Narrowing = field(default_factory=Narrowing)

    @classmethod
    def from_address(cls, parameters: Mapping[str, str]) -> Search:
        """Reads the query part of an address; what makes no sense there is left out."""
        like = read_chosen(parameters.get(LIKE, ""))
        known = {chosen.key for chosen in like}
        formats = {name.upper() for name in parameters.get(FORMAT, "").split(",") if name.isalnum()}
        return cls(
            like=like,
            less=tuple(chosen for chosen in read_chosen(parameters.get(LESS, "")) if chosen.key not in known),
            text=_line(parameters.get(TEXT, ""), _LONGEST_TEXT),
            region=next((region for region in REGIONS if region == parameters.get(REGION)), None),
            sure=_one_of(SURENESS, parameters.get(SURE, "")),
            spread=next((group for group in GROUPS if group == parameters.get(SPREAD)), ""),
            formats=tuple(sorted(formats)),
            folder=_line(parameters.get(FOLDER, ""), _LONGEST_FOLDER),
            count=_one_of(COUNTS, parameters.get(COUNT, "")),
            narrowing=Narrowing.from_address(parameters),
        )

    def to_address(self) -> dict[str, str]:
        """The query part of an address; `from_address` reads it."""
        parts = {
            LIKE: ",".join(map(str, self.like)),
            LESS: ",".join(map(str, self.less)),
            TEXT: self.text,
            REGION: self.region or "",
            SURE: f"{self.sure:g}" if self.sure else "",
            SPREAD: self.spread,
            FORMAT: ",".join(self.formats).lower(),
            FOLDER: self.folder,
            COUNT: "" if self.count == COUNTS[0] else str(self.count),
        }
        return {name: value for name, value in (parts | self.narrowing.to_address()).items() if value}

    @property
    def looking(self) -> bool:
        """Whether there is something to look for; counter-references only steer."""
        return bool(self.like or self.text)

    def reference(self, key: Key) -> Chosen | None:
        """The reference or counter-reference of this picture."""
        return next((chosen for chosen in (*self.like, *self.less) if chosen.key == key), None)

    def with_reference(self, key: Key, *, less: bool = False) -> Search:
        """This search with one reference more, or with a known one, as it is, moved to the other side."""
        chosen, rest = self.reference(key) or Chosen(key), self.without_reference(key)
        return replace(rest, less=(*rest.less, chosen)) if less else replace(rest, like=(*rest.like, chosen))

    def with_references(self, keys: Sequence[Key], *, less: bool = False) -> Search:
        """This search with several references more; those beyond `MOST_REFERENCES` are left out."""
        search = self
        for key in keys:
            more = search.with_reference(key, less=less)
            search = more if len(more.like) <= MOST_REFERENCES and len(more.less) <= MOST_REFERENCES else search
        return search

    def with_changed(self, changed: Chosen) -> Search:
        """This search with another weight or part of a reference it has."""

        def exchange(side: tuple[Chosen, ...]) -> tuple[Chosen, ...]:
            return tuple(changed if chosen.key == changed.key else chosen for chosen in side)

        return replace(self, like=exchange(self.like), less=exchange(self.less))

    def without_reference(self, key: Key) -> Search:
        """This search with one reference less."""
        like, less = (tuple(chosen for chosen in side if chosen.key != key) for side in (self.like, self.less))
        return replace(self, like=like, less=less)

    def without_references(self) -> Search:
        """The filters alone."""
        return replace(self, like=(), less=(), text="")


class Shown(NamedTuple):
    """How far into the answers to a search a visitor has come.

    Attributes:
        number: answers to show.
        sent: the first answers, which the browser has already.
    """

    number: int
    sent: int = 0


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


def open_page(url_path: str, parameters: Mapping[str, str]) -> NoReturn:
    """Leaves for another page of the list in `ui.page`. Only while the page is drawn, not in a callback."""
    # Streamlit knows a page by its address; what draws it is looked up in that list.
    st.switch_page(st.Page(_nothing, url_path=url_path, default=url_path == "search"), query_params=dict(parameters))


def _nothing() -> None:
    raise AssertionError("the page of this address is not in the list of pages")


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


def picture_of_upload(key: str) -> Image:
    """A dropped picture, at the size at which it is kept."""
    return read_image(uploads()[key].reference.picture)


def notify(message: str) -> None:
    """Leaves a message for the next time the page is drawn."""
    st.session_state.setdefault(_NOTICES, []).append(message)


def notices() -> list[str]:
    """The messages that were left, once."""
    return cast("list[str]", st.session_state.pop(_NOTICES, []))


def shown(search: Search) -> Shown:
    """The first answers that the search asks for, and what was loaded since."""
    held, so_far = st.session_state.get(_SHOWN, (None, Shown(0)))
    return cast("Shown", so_far) if held == search else Shown(min(search.count, AT_FIRST))


def show_more(search: Search) -> None:
    """Shows the rest of what the search asks for, or as many answers again, up to `MOST_SHOWN`."""
    number = shown(search).number
    more = search.count if number < search.count else number + search.count
    st.session_state[_SHOWN] = search, Shown(min(more, MOST_SHOWN), number)


def send_again(search: Search) -> None:
    """The browser has lost what it had."""
    st.session_state[_SHOWN] = search, Shown(shown(search).number)


def ask(what: str, ids: Sequence[int]) -> None:
    """Leaves something for the page to do when it is drawn next: a callback of a component cannot do it."""
    st.session_state[_ASKED] = what, tuple(ids)


def asked() -> tuple[str, tuple[int, ...]] | None:
    """What `ask` left, once."""
    return cast("tuple[str, tuple[int, ...]] | None", st.session_state.pop(_ASKED, None))


def crop(key: Key | None) -> None:
    """Opens the reference to have a part of it chosen; None: closes it."""
    st.session_state[_CROPPED] = key


def cropped() -> Key | None:
    """The reference that is opened to have a part of it chosen."""
    return cast("Key | None", st.session_state.get(_CROPPED))


def _line(text: str, longest: int) -> str:
    return "".join(filter(str.isprintable, text)).strip()[:longest].strip()


def _one_of(choices: tuple[_Number, ...], text: str) -> _Number:
    return next((choice for choice in choices if f"{choice:g}" == text), choices[0])
