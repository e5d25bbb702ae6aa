"""Many visitors of one page who search at the same time, for a while: how long they wait, and whether anything fails.

    python -m benchmarks.sessions --sessions 20 --seconds 120
    python -m benchmarks.sessions --library FOLDER

Each visitor is a session of the page's own protocol, a web socket: it asks for pictures like some picture of the
library, takes everything that the page sends until it is done, thinks for a moment, and asks again; now and then with a
counter-reference, words, a part of a picture or more pictures. Browsers, which would need more of this machine than the
server does, are left out: add what `stylesearch bench speed page` finds for one. Prints answers, errors, the median and
the 95th percentile of the waits in seconds, and the server's memory at the start and at the end; exits with 1 where
there was an error.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from benchmarks.drawn import draw_files
from benchmarks.speed.memory import MB, memory_of
from benchmarks.speed.served import served
from indexer.run import index
from stylesearch.encoders import DEFAULT_ENCODER
from stylesearch.library import Library
from stylesearch.settings import Settings

PATIENCE_S = 60  # no answer by then is an error
THINKING_S = (0.5, 1.5)
WORDS = ("ink wash", "flat, bright colours", "grainy film", "neon at night")


@dataclass
class Answers:
    """What the sessions met with.

    Attributes:
        waits: seconds from a question to the end of its answer.
        errors: sentences.
    """

    waits: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--library", type=Path, help="Of at least 20 pictures; without it, one is drawn.")
    parser.add_argument("--pictures", type=int, default=1_000, help="To draw.")
    parser.add_argument("--encoder", default=DEFAULT_ENCODER)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        library = given.library or _drawn(Path(folder), given.pictures, given.encoder)
        with Library.open(library) as opened:
            ids = [asset.id for asset in opened.browse(1_000)]
            words = WORDS if opened.reads_texts else ()
        with served(library) as page:
            _question(page.url, f"like={ids[0]}")  # what comes first loads the encoder
            before = memory_of(page.pid)
            answers = search_at_once(page.url, ids, words, given.sessions, given.seconds, given.seed)
            after = memory_of(page.pid)
    return report(answers, given.sessions, given.seconds, before, after)


def search_at_once(
    url: str, ids: Sequence[int], words: Sequence[str], sessions: int, seconds: float, seed: int
) -> Answers:
    """Lets so many sessions search for so many seconds.

    Args:
        ids: of pictures to search with.
        words: styles to search with; none where the library reads none.
    """
    answers, end = Answers(), time.monotonic() + seconds

    def visit(number: int) -> None:
        rng = random.Random(f"{seed} {number}")
        time.sleep(rng.uniform(0, THINKING_S[1]))  # they do not come all at the same moment
        try:
            with _connected(url) as socket:
                while time.monotonic() < end:
                    start = time.monotonic()
                    problem = _ask(socket, _address(rng, ids, words))
                    answers.waits.append(time.monotonic() - start)
                    answers.errors += [problem] if problem else []
                    time.sleep(rng.uniform(*THINKING_S))
        except (WebSocketException, OSError, TimeoutError) as exc:
            answers.errors.append(f"session {number}: {type(exc).__name__}: {exc}")

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def report(answers: Answers, sessions: int, seconds: float, before: int, after: int) -> int:
    """Prints what came of it; returns the exit status."""
    p50, p95 = np.percentile(answers.waits, [50, 95]).tolist() if answers.waits else (float("nan"),) * 2
    print(f"{sessions} sessions, {seconds:g} s, {THINKING_S[0]} to {THINKING_S[1]} s of thinking between questions")
    print(f"answers {len(answers.waits):,}   errors {len(answers.errors)}   p50 {p50:.3f} s   p95 {p95:.3f} s")
    print(f"memory of the server {before / MB:,.0f} MB before, {after / MB:,.0f} MB after")
    for error in answers.errors[:10]:
        print(f"  {error}", file=sys.stderr)
    return 1 if answers.errors or not answers.waits else 0


def _drawn(folder: Path, pictures: int, encoder: str) -> Path:
    print(f"drawing and indexing {pictures:,} pictures", file=sys.stderr)
    draw_files(folder / "pictures", pictures)
    with Library.create(folder / "library", encoder=encoder) as library:
        settings = Settings.from_environment()
        roots = [folder / "pictures"]
        index(library.catalog, library.encoder, roots, thumbnails=library.thumbnails, settings=settings)
        library.refresh()
    return folder / "library"


def _address(rng: random.Random, ids: Sequence[int], words: Sequence[str]) -> str:
    """The query part of the address of a search."""
    one, other, third = rng.sample(list(ids), 3)
    kinds: list[dict[str, object]] = [
        {"like": one},
        {"like": f"{one}*2,{other}", "less": third},
        {"like": one, "n": 250},
        {"like": f"{one}@0-0-500-1000"},
        {"text": rng.choice(words) if words else "", "like": one},
    ]
    return urlencode(rng.choices(kinds, weights=[6, 3, 1, 1, 1])[0])


def _connected(url: str) -> ClientConnection:
    address = url.replace("http://", "ws://") + "/_stcore/stream"
    return connect(address, subprotocols=["streamlit"], max_size=None, open_timeout=PATIENCE_S)  # type: ignore[list-item]


def _question(url: str, query: str) -> None:
    with _connected(url) as socket:
        _ask(socket, query)


def _ask(socket: ClientConnection, query: str) -> str | None:
    """Sends the address of a search and takes the answer; what is wrong with it, or None."""
    message = BackMsg()
    message.rerun_script.query_string = query
    socket.send(message.SerializeToString())
    problem, galleries = None, 0
    while True:
        data = socket.recv(timeout=PATIENCE_S)
        answer = ForwardMsg.FromString(data if isinstance(data, bytes) else data.encode())
        kind = answer.WhichOneof("type")
        if kind == "delta" and answer.delta.new_element.WhichOneof("type") in ("exception", "alert"):
            problem = f"?{query}: {str(answer.delta.new_element)[:200]}"
        if kind == "delta" and answer.delta.new_element.WhichOneof("type") == "bidi_component":
            galleries += 1
        if kind == "script_finished":
            return problem or (None if galleries >= 2 else f"?{query}: neither references nor pictures")


if __name__ == "__main__":
    sys.exit(main())
