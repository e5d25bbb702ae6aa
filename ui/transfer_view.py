"""New pictures in a found style: what is wanted on the left, what was made on the right."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import streamlit as st

from stylesearch.errors import StyleSearchError
from stylesearch.library import Library
from stylesearch.lineage import Lineage
from stylesearch.query import Crop, PictureSource
from stylesearch.records import Asset
from stylesearch.transfer.loop import Input
from ui import state
from ui.boards_view import choose_board
from ui.chosen import MOST_REFERENCES, WEIGHTS, Chosen, Key
from ui.component import component, on_event
from ui.gallery import tile
from ui.maker import Task
from ui.making import making
from ui.offered import as_choice, offered
from ui.opened import library
from ui.order import NUMBERS, SIZES, Order, clean, read_seed, share
from ui.origins import scores
from ui.painted import box_around, read_painting
from ui.serve import MAX_UPLOAD_MB
from ui.tray import chips, name_of, take_file
from ui.wording import verbatim

_KEY = "transfer"
_VISIT = "transfer_visit"  # in the session: what tells this visit's orders from those of others

_transfer = component("transfer")


def show() -> None:
    """Draws the view."""
    state.leave_search()
    opened = library()
    order = _known(opened, _with_what_was_made(Order.from_address(st.query_params)))
    _do_what_was_asked(order)
    work = making().work
    if work.running:
        _show_progress(mine=work.owner == _visit())
    choices = offered()
    data = {
        "references": chips(opened, state.Search(like=order.like)),
        "content": next(iter(chips(opened, state.Search(like=_listed(order.content)))), None),
        "form": _form(order),
        "backends": [as_choice(info) for info in choices.here],
        "others": [{"name": info.name, "what": info.what, "missing": info.missing} for info in choices.others],
        "sizes": [{"value": f"{width}x{height}", "label": label} for (width, height), label in SIZES.items()],
        "numbers": NUMBERS,
        "weights": WEIGHTS,
        "results": _results(opened, order.made),
        "busy": work.running,
        "maxBytes": MAX_UPLOAD_MB * 1_000_000,
        "notices": state.notices(),
        "step": state.steps(),
    }
    _transfer(key=_KEY, data=data, on_act_change=on_event(_KEY, _on_act))


def _visit() -> str:
    return cast("str", st.session_state.setdefault(_VISIT, uuid.uuid4().hex))


def _with_what_was_made(order: Order) -> Order:
    """The order, once what this visit asked for is there, or will not be."""
    ended = making().take(_visit())
    if ended is not None:
        if ended.error is not None:
            state.notify(ended.error)
        order = order.with_made(ended.made)
        st.query_params.from_dict(order.to_address())
    return order


def _known(opened: Library, order: Order) -> Order:
    """What of the order can be had here."""
    wanted = [one.key for one in (*order.like, *_listed(order.content))]
    assets = opened.assets([key for key in wanted if isinstance(key, int)])

    def there(one: Chosen) -> bool:
        return one.key in assets if isinstance(one.key, int) else one.key in state.uploads()

    like = tuple(filter(there, order.like))
    content = order.content if order.content is not None and there(order.content) else None
    backend = order.backend if offered().named(order.backend) else Order.backend
    if (like, content) != (order.like, order.content):
        state.notify("Some pictures of this link cannot be found here any more.")
    return replace(order, like=like, content=content, backend=backend)


def _listed(content: Chosen | None) -> tuple[Chosen, ...]:
    return () if content is None else (content,)


def _do_what_was_asked(order: Order) -> None:
    match state.asked():
        case ("board", ids):
            choose_board(ids)
        case ("open", (asset_id,)):
            state.open_page("asset", {"id": str(asset_id)})
        case ("like", ids):
            state.open_page("search", state.Search().with_references(ids).to_address())
        case ("find", _):
            state.open_page("search", state.Search(like=order.like).to_address())


@st.fragment(run_every=1)
def _show_progress(*, mine: bool) -> None:
    work = making().work
    if not work.running:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", key="transfer_progress"):
        if mine:
            st.progress(work.share, f"Making your pictures: {verbatim(work.doing)}")
            st.button("Cancel", key="cancel_transfer", on_click=making().cancel, args=(_visit(),))
        else:
            st.progress(work.share, "Pictures of another visitor are being made; yours can be made after that.")


def _form(order: Order) -> dict[str, Any]:
    return {
        "backend": order.backend,
        "prompt": order.prompt,
        "size": "x".join(map(str, order.size)),
        "number": order.number,
        "strength": order.strength,
        "seed": "" if order.seed is None else str(order.seed),
    }


def _results(opened: Library, ids: Sequence[int]) -> list[dict[str, Any]]:
    assets, lineages = opened.assets(ids), opened.catalog.lineages(ids)
    return [_result(opened, assets[one], lineages[one]) for one in ids if one in assets and one in lineages]


def _result(opened: Library, asset: Asset, lineage: Lineage) -> dict[str, Any]:
    return {
        **tile(opened, asset),
        **scores(lineage),
        "prompt": lineage.prompt,
        "seed": str(lineage.seed),  # JavaScript's numbers end at 2^53
        "backend": lineage.backend,
        "references": [
            {"name": one.name, "likeness": None if one.likeness is None else round(one.likeness, 2)}
            for one in lineage.references
        ],
    }


def _on_act(event: Any) -> None:
    order = _known(library(), Order.from_address(st.query_params))
    match event:
        case {"do": "make", "form": {**form}}:
            _start(_with_form(order, form))
            return
        case {"do": "vary", "id": int(asset_id)}:
            lineage = library().lineage(asset_id) if 0 < asset_id < 2**63 else None
            if lineage is not None:
                _start(_known(library(), order.varied(lineage)))
            return
        case {"do": "open" | "board" | "like" as what, "id": int(asset_id)}:
            state.ask(what, [asset_id])
            return
        case {"do": "find"}:
            state.ask("find", ())
            return
    changed = _changed(order, event)
    if changed != order:
        st.query_params.from_dict(changed.to_address())


def _changed(order: Order, event: Any) -> Order:
    """The order with what a visitor has changed of its pictures; what they wrote so far comes along."""
    match event:
        case {"form": {**form}}:
            order = _with_form(order, form)
    match event:
        case {"do": "use", "id": int(asset_id)}:
            return order.with_reference(asset_id)
        case {"do": "add", "files": [*files], "content": bool(as_content)}:
            keys: list[Key] = list(filter(None, map(take_file, files[:MOST_REFERENCES])))
            for key in keys:
                order = replace(order, content=Chosen(key)) if as_content else order.with_reference(key)
        case {"do": "remove", "key": int() | str() as gone}:
            return replace(order, like=tuple(one for one in order.like if one.key != gone))
        case {"do": "weigh", "key": int() | str() as key, "weight": int() | float() as weight} if weight in WEIGHTS:
            return replace(
                order, like=tuple(one._replace(weight=float(weight)) if one.key == key else one for one in order.like)
            )
        case {"do": "show", "key": int() | str() as key}:  # a reference becomes what is to be shown
            rest = tuple(one for one in order.like if one.key != key)
            picked = next((one for one in order.like if one.key == key), None)
            return order if picked is None else replace(order, like=rest, content=picked._replace(weight=1.0))
        case {"do": "drop_content"}:
            return replace(order, content=None)
    return order


def _with_form(order: Order, form: Mapping[Any, Any]) -> Order:
    """The order with what a visitor wrote; what makes no sense is left as it was."""
    written = {name: str(form.get(name, "")) for name in ("size", "number", "backend", "prompt")}
    chosen = Order.from_address({"size": written["size"], "n": written["number"]})
    named = offered().named(written["backend"])
    return replace(
        order,
        backend=order.backend if named is None else named.name,
        prompt=clean(written["prompt"]),
        size=chosen.size,
        number=chosen.number,
        strength=share(form.get("strength", 1)),
        seed=read_seed(form.get("seed", "")),
    )


def _start(order: Order) -> None:
    """Has the pictures of an order made."""
    st.query_params.from_dict(order.to_address())
    opened, info = library(), offered().named(order.backend)
    if info is None:
        return
    can = info.capabilities
    try:
        references = [_input(opened, one if can.weights else one._replace(weight=1.0)) for one in order.like]
        content = None if order.content is None or not can.content else _input(opened, order.content)
    except StyleSearchError as exc:
        state.notify(str(exc))
        return
    width, height = order.size
    wanted = {
        "content": content,
        "prompt": order.prompt if can.text and (content is None or can.text_beside_content) else "",
        "width": width,
        "height": height,
        "seed": order.seed,
        "count": order.number,
        "strength": order.strength,
    }
    task = Task(order.backend, tuple(references) if can.references else (), wanted)
    if not making().start(_visit(), task):
        state.notify("Pictures of another visitor are being made. Try again when they are there.")


def _input(opened: Library, one: Chosen) -> Input:
    source: PictureSource = one.key if isinstance(one.key, int) else state.picture_of_upload(one.key)
    cells = None if one.painted is None else read_painting(one.painted)
    box = one.box if cells is None else box_around(cells)  # a backend takes pictures, and those have four corners
    return Input(source if box is None else Crop(source, box), one.weight, name_of(opened, one.key))
