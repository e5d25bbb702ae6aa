"""Run by `benchmarks.speed.peers` under a Python that has rclip: its indexer, with a model that answers at once."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from rclip.db import DB
from rclip.main import RClip

BATCH = 8  # its default


class NoModel:
    """Gives every picture the same vector, at once."""

    def compute_preprocessed_image_features(self, images: list[np.ndarray], for_indexing: bool) -> np.ndarray:
        np.stack(images)  # what the model would be given
        return np.full((len(images), 512), 512**-0.5, np.float32)


def main(pictures: str, work: str) -> None:
    """Prints how many pictures its database holds, and the seconds that took."""
    database = DB(Path(work, "db.sqlite3"))
    rclip = RClip(NoModel(), database, BATCH, None)
    start = time.perf_counter()
    rclip.ensure_index(pictures)
    seconds = time.perf_counter() - start
    rclip.close()
    count = sum(1 for _ in database.get_image_vectors_by_dir_path(pictures))
    database.close()
    print(json.dumps({"pictures": count, "seconds": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:3])
