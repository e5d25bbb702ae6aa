"""Indexes a folder with a Ray cluster, a few files at a time, as a program.

python ray_index.py LIBRARY PICTURES ADDRESS
"""

from __future__ import annotations

import sys

from indexer.cluster import run
from stylesearch.library import Library
from stylesearch.settings import Settings

if __name__ == "__main__":
    folder, pictures, address = sys.argv[1:]
    run.FILES_IN_HAND, run.WRITTEN_TOGETHER = 8, 16
    with Library.open(folder) as library:
        report = run.index_on_cluster(
            run.Cluster(address),
            library.settings.catalog,
            library.catalog,
            library.encoder,
            [pictures],
            thumbnails=library.thumbnails,
            settings=Settings.from_environment(),
            batch_size=8,
            round_size=200,
        )
    print(report.new, report.encoded, report.refused)
