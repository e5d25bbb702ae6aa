"""The machines of a Ray cluster: joining them, and looking whether each can do its part."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

from stylesearch.errors import MissingDependencyError, StyleSearchError, UsageError

if TYPE_CHECKING:
    from indexer.cluster.tasks import Job

_CHECK_SECONDS = 120  # a machine may have to load a gigabyte of packages from a slow disk
_REACH_SECONDS = 10

_RAYS_ADVICE = "\nFailed to apply UDF"  # and how to configure Ray, which it appends to what our code says

_START = "Start one: ray start --head --disable-usage-stats (docs/guide-cluster.md)"


@contextmanager
def joined(address: str | None) -> Iterator[None]:
    """This process belongs to the cluster within the `with` statement.

    Args:
        address: `HOST:PORT` of the cluster's head; None: the cluster that this machine belongs to.

    Raises:
        MissingDependencyError: Ray is not installed.
        UsageError: there is no such cluster, or this machine is not one of it.
    """
    # Ray's own log goes to files; on the terminal it remarks on what it is about to mend.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
    except ImportError as exc:
        raise MissingDependencyError("ray[data]", "cluster", "to index with many machines") from exc
    try:
        if address:
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), _REACH_SECONDS).close()  # Ray itself tries for minutes
        ray.init(address or "auto", log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as exc:
        where = f"at '{address}'" if address else "that this machine belongs to"
        said = str(exc).strip().split("\n")[0]
        raise UsageError(f"There is no Ray cluster {where} ({said}). {_START}") from exc
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # errors are raised, too, and told once
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.raise_original_map_exception = True  # or the errors of our own code arrive as text
    # Ray prints remarks on machines that went away, with pages of their logs, to the caller's standard output.
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        try:
            yield
        finally:
            ray.shutdown()


def alive() -> int:
    """How many machines there are now."""
    import ray

    return sum(node["Alive"] for node in ray.nodes())


def check_machines(job: Job) -> None:
    """Asks every machine whether it sees what the job needs.

    Raises:
        UsageError: one does not, or has another version of StyleSearch.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    look = ray.remote(num_cpus=0, max_retries=0)(_look)
    looking = {}
    for node in ray.nodes():
        if node["Alive"]:
            here = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            looking[look.options(scheduling_strategy=here).remote(job)] = node["NodeManagerAddress"]
    for answer, machine in looking.items():
        try:
            problem = ray.get(answer, timeout=_CHECK_SECONDS)
        except ray.exceptions.GetTimeoutError:
            problem = f"It did not answer within {_CHECK_SECONDS} seconds."
        except ray.exceptions.RayError as exc:
            problem = f"StyleSearch does not run there ({_last_line(exc)}). Install the same version on all machines."
        if problem:
            raise UsageError(
                f"Machine {machine} of the cluster cannot take part. {problem} All must reach the catalog, and see "
                "pictures and the library's folder under the same path: on a shared mount, or pictures in s3://."
            )


def _look(job: Job) -> str:
    try:
        job.check()
    except StyleSearchError as exc:
        return str(exc)
    return ""


@contextmanager
def own_errors() -> Iterator[None]:
    """Raises what our own code raised on another machine, and StyleSearchError for whatever else Ray reports."""
    import ray

    try:
        yield
    except ray.exceptions.RayError as exc:
        cause = _own(exc)
        if cause is not None:
            raise cause from exc
        raise StyleSearchError(
            f"The cluster gave up ({_last_line(exc)}). What was written is kept. Run the same command again to go on."
        ) from exc


def _own(error: BaseException) -> StyleSearchError | None:
    """The first error in a chain that is purely ours; Ray's own, made to look like it, show a traceback as text."""
    import ray

    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, StyleSearchError) and not isinstance(one, ray.exceptions.RayError):
            one.args = (str(one).partition(_RAYS_ADVICE)[0], *one.args[1:])
            return one
        waiting += [one.__context__, one.__cause__, getattr(one, "cause", None)]
    return None


def _last_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
