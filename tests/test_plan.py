"""What is read again and what is not."""

from __future__ import annotations

from indexer.plan import Plan, Task, plan
from stylesearch.records import FileStat, KnownFile, Refusal

FILE = FileStat("/a.png", 10, 100)


def plan_one(
    known: KnownFile | None, found: FileStat | Refusal = FILE, *, retry_failed: bool = False, rehash: bool = False
) -> Plan:
    return plan([found], {known.stat.uri: known} if known else {}, retry_failed=retry_failed, rehash=rehash)


def test_file_that_was_never_seen() -> None:
    assert plan_one(None) == Plan(tasks=[Task(FILE, "new")])


def test_file_that_is_as_it_was() -> None:
    assert plan_one(KnownFile(FILE, 1, True)) == Plan(unchanged=["/a.png"])


def test_file_that_had_gone_and_is_back() -> None:
    assert plan_one(KnownFile(FILE, 1, True, present=False)) == Plan(unchanged=["/a.png"])


def test_other_size_or_time() -> None:
    for other in (FileStat("/a.png", 11, 100), FileStat("/a.png", 10, 101), FileStat("/a.png", 10, 99)):
        assert plan_one(KnownFile(other, 1, True)) == Plan(tasks=[Task(FILE, "changed", 1)])
        assert plan_one(KnownFile(other, None, False)) == Plan(tasks=[Task(FILE, "changed")])


def test_file_without_a_vector_in_this_space() -> None:
    assert plan_one(KnownFile(FILE, 1, False)) == Plan(tasks=[Task(FILE, "again", 1, as_known=True)])


def test_refused_file_is_tried_again_only_on_request() -> None:
    refused = KnownFile(FILE, None, False)
    assert plan_one(refused) == Plan(still_refused=["/a.png"])
    assert plan_one(refused, retry_failed=True) == Plan(tasks=[Task(FILE, "retried")])


def test_what_the_scan_refused() -> None:
    link = Refusal(FileStat("/a.png", 0, 0), "missing", "")
    assert plan_one(None, link) == Plan(refused=[link])
    assert plan_one(KnownFile(FILE, 1, True), link) == Plan(refused=[link])
    refused = KnownFile(link.stat, None, False)
    assert plan_one(refused, link) == Plan(still_refused=["/a.png"])
    assert plan_one(refused, link, retry_failed=True) == Plan(refused=[link])
    assert plan_one(refused) == Plan(tasks=[Task(FILE, "changed")])  # the link has been mended


def test_distrusted_file_is_read_and_a_refused_one_is_not() -> None:
    assert plan_one(KnownFile(FILE, 1, True), rehash=True) == Plan(tasks=[Task(FILE, "changed", 1, as_known=True)])
    assert plan_one(KnownFile(FILE, None, False), rehash=True) == Plan(still_refused=["/a.png"])
