"""Chunks of pictures are encoded side by side, each on one thread; in a process of its own, because the tests allow
torch a single thread."""

import subprocess
import sys

_PROGRAM = """
import os
import signal
import threading
import numpy as np
import torch
from stylesearch.encoders import load_encoder
from stylesearch.encoders.compute import in_chunks

torch.set_num_threads(2)
seen = []
def double(some):
    seen.append((threading.current_thread() is threading.main_thread(), torch.get_num_threads(), len(some)))
    return 2 * some

numbers = np.arange(50).reshape(50, 1)
doubled = in_chunks(double, torch.device("cpu"), numbers)
assert np.array_equal(doubled, 2 * numbers), doubled
assert {(False, 1)} == {one[:2] for one in seen} and max(one[2] for one in seen) == 8, seen

def fail(some):
    raise ValueError(some[0, 0])
try:
    in_chunks(fail, torch.device("cpu"), numbers)
except ValueError as exc:
    assert exc.args == (0,)
else:
    raise AssertionError("an error is lost")

later = []
thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
thread.start()
thread.join()
assert [torch.get_num_threads(), *later] == [2, 2], later

sums = in_chunks(lambda one, other: one + other, torch.device("cpu"), numbers, numbers[::-1])
assert (sums == 49).all()

child = os.fork()
if not child:
    signal.alarm(30)
    os._exit(not np.array_equal(in_chunks(double, torch.device("cpu"), numbers), 2 * numbers))
assert os.waitpid(child, 0)[1] == 0, "threads of the parent are waited for"

encoder = load_encoder("compact:v3")
pixels = np.random.default_rng(0).integers(0, 256, (19, 256, 256, 3), np.uint8)
together = encoder.embed_pixels(pixels)
alone = np.concatenate([encoder.embed_pixels(one[None]) for one in pixels])
assert (together * alone).sum(1).min() > 0.9999, (together * alone).sum(1)

late = []
def after_the_end():
    threading.main_thread().join()
    late.append(in_chunks(double, torch.device("cpu"), numbers))
    os._exit(0 if np.array_equal(late[0], 2 * numbers) else 9)
threading.Thread(target=after_the_end).start()
"""


def test_each_chunk_has_a_thread_to_itself_and_the_others_keep_theirs() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
