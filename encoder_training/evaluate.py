"""Style retrieval scores of encoders over style-labelled sets, with intervals.

    python -m encoder_training.evaluate --data DIR --encoder descriptors:lab-gradient --encoder compact

DIR holds `train/*.parquet`, of which the held-out styles are scored, and `dev/*.parquet`, of which all are.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.intervals import bootstrap
from benchmarks.metrics import hit_rate, mean_precision
from benchmarks.ranking import LEAVE_ONE_OUT, Labels, Ranking, rank
from encoder_training.data import LabelledPictures, read_parquet
from encoder_training.export import record_scores
from stylesearch.encoders import load_encoder
from stylesearch.encoders.base import Encoder
from stylesearch.encoders.compact import CompactEncoder
from stylesearch.errors import StyleSearchError
from stylesearch.images import Preprocess

DEPTH = 10
CROSS_GENERATOR = (("supagruen_artists", "gnickm_artists"), ("supagruen_artists", "stylepile_artists"))
"""(queries, gallery): the same artists' names given to another generator."""


@dataclass(frozen=True)
class Scores:
    """Shares in per cent; each with the half-width of its 95 % interval by resampling styles.

    Attributes:
        hit_1: queries whose nearest neighbour has their style (precision at 1).
        hit_10: queries with their style among the ten nearest.
        precision_10: mean over k = 1..10 of precision at k (the "mAP@10" of CSD's code).
        queries: number of queries, those with a possible answer; if there are none, the shares are NaN.
        intervals: half-widths for the three, in the same order; NaN for queries of a single style.
    """

    hit_1: float
    hit_10: float
    precision_10: float
    queries: int
    intervals: tuple[float, float, float]


def score(ranking: Ranking, styles: np.ndarray) -> Scores:
    """The scores of a ranking; `styles`, (N,), are those of its query side, and intervals resample them."""
    found = ranking.found
    if not len(found):
        nothing = float("nan")
        return Scores(nothing, nothing, nothing, 0, (nothing, nothing, nothing))
    each = np.stack([hit_rate(found, 1), hit_rate(found, DEPTH), mean_precision(found, DEPTH)], 1)
    interval = bootstrap(each, styles[ranking.queries])
    hit_1, hit_10, precision_10 = (100 * interval.mean).round(2).tolist()
    halves = (50 * (interval.high - interval.low)).round(2).tolist()
    return Scores(hit_1, hit_10, precision_10, len(found), tuple(halves))


@dataclass(frozen=True)
class Retrieval:
    """Scores of one encoder on one set.

    Attributes:
        everything: all other pictures are the gallery.
        other_content: pictures of the query's own content are left out.
        leak: per cent of pictures whose nearest neighbour has their content and another style.
    """

    everything: Scores
    other_content: Scores
    leak: float


def retrieval(vectors: np.ndarray, styles: Sequence[str], contents: Sequence[str]) -> Retrieval:
    """Every picture is a query among all others: float32 (N, D) unit rows, N styles, N contents."""
    labels = Labels(np.array(styles), np.array(contents))
    everything, other_content = rank(vectors, labels, vectors, labels, own_rows=np.arange(len(vectors)), depth=DEPTH)
    leak = 100 * float(np.asarray(everything.leaks).mean())
    return Retrieval(score(everything, labels.styles), score(other_content, labels.styles), round(leak, 2))


def cross_retrieval(
    queries: np.ndarray, query_styles: Sequence[str], gallery: np.ndarray, gallery_styles: Sequence[str]
) -> Scores:
    """Queries of the styles that both sets name, against the whole other set."""
    asking, answering = Labels(np.array(query_styles)), Labels(np.array(gallery_styles))
    (ranking,) = rank(queries, asking, gallery, answering, protocols=[LEAVE_ONE_OUT], depth=DEPTH)
    return score(ranking, asking.styles)


def embed(pictures: LabelledPictures, encoder: Encoder, batch: int = 32) -> np.ndarray:
    """All pictures of a set through an encoder: float32 (N, D), unit rows."""
    parts = []
    for start in range(0, len(pictures), batch):
        rows = range(start, min(start + batch, len(pictures)))
        parts.append(encoder.embed_pixels(np.stack([pictures.pixels(row, encoder.preprocess) for row in rows])))
    return np.concatenate(parts)


def evaluate(encoder: Encoder, data: Path) -> dict[str, Retrieval | Scores]:
    """Scores on the held-out styles of `data/train`, on all of `data/dev`, and across generators."""
    scores: dict[str, Retrieval | Scores] = {}
    vectors: dict[str, tuple[np.ndarray, Sequence[str]]] = {}
    queries = {first for first, _ in CROSS_GENERATOR}
    for path in [*sorted((data / "train").glob("*.parquet")), *sorted((data / "dev").glob("*.parquet"))]:
        whole = read_parquet(path)
        held_out = whole.split()[1] if path.parent.name == "train" else whole
        found = embed(held_out, encoder)
        scores[held_out.name] = retrieval(found, held_out.styles, held_out.contents)
        vectors[held_out.name] = found, held_out.styles
        if held_out.name in queries:
            # Styles across generators are few: training styles are queries here, too, under another generator's name.
            vectors[held_out.name] = embed(whole, encoder), whole.styles
    for first, second in CROSS_GENERATOR:
        if first in vectors and second in vectors:
            scores[f"{first} -> {second}"] = cross_retrieval(*vectors[first], *vectors[second])
    return scores


class Validation:
    """Scores a model during training, and draws what it takes for neighbours.

    Args:
        sets: pictures to score, decoded once.
        size: side of the square that is encoded, pixels.
    """

    def __init__(self, sets: Sequence[LabelledPictures], size: int) -> None:
        self._sets = sets
        preprocess = Preprocess(size)
        self._pixels = [np.stack([each.pixels(row, preprocess) for row in range(len(each))]) for each in sets]

    def __call__(self, model: nn.Module, out: Path) -> dict[str, float]:
        """Logs P@1 without the query's own content for each set, and writes `neighbours.png` into `out`."""
        numbers, rows = {}, []
        for pictures, pixels in zip(self._sets, self._pixels, strict=True):
            vectors = embed_with(model, pixels)
            found = retrieval(vectors, pictures.styles, pictures.contents)
            numbers[pictures.name] = found.other_content.hit_1
            rows += _neighbour_rows(vectors, pixels, np.array(pictures.styles))
        _save_contact_sheet(rows, out / "neighbours.png")
        return numbers


def embed_with(model: nn.Module, pixels: np.ndarray, batch: int = 32) -> np.ndarray:
    """uint8 (N, S, S, 3) through a model on its device: float32 (N, D)."""
    device = next(model.parameters()).device
    parts = []
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        for start in range(0, len(pixels), batch):
            images = torch.from_numpy(pixels[start : start + batch]).to(device).permute(0, 3, 1, 2).float() / 255
            parts.append(model(images.contiguous(memory_format=torch.channels_last)).float().cpu())
    return torch.cat(parts).numpy()


def _neighbour_rows(vectors: np.ndarray, pixels: np.ndarray, styles: np.ndarray, rows: int = 4) -> list[np.ndarray]:
    """For some queries: the query and its six neighbours, framed green where the style is the query's."""
    strips = []
    for query in np.linspace(0, len(vectors) - 1, rows).astype(int):
        nearest = np.argsort(-(vectors @ vectors[query]), kind="stable")
        tiles = [pixels[query].copy()]
        for hit in nearest[nearest != query][:6]:
            tile = pixels[hit].copy()
            colour = (0, 160, 60) if styles[hit] == styles[query] else (210, 40, 40)
            for band in (np.s_[:5], np.s_[-5:], np.s_[:, :5], np.s_[:, -5:]):
                tile[band] = colour
            tiles.append(tile)
        strips.append(np.concatenate(tiles, 1))
    return strips


def _save_contact_sheet(strips: list[np.ndarray], path: Path) -> None:
    from PIL import Image

    width = max(strip.shape[1] for strip in strips)
    padded = [np.pad(s, ((0, 4), (0, width - s.shape[1]), (0, 0)), constant_values=255) for s in strips]
    Image.fromarray(np.concatenate(padded)).save(path)


def _row(name: str, result: Retrieval | Scores, show: Callable[[Scores], str]) -> str:
    if isinstance(result, Scores):
        return f"| {name} | {show(result)} | | |"
    return f"| {name} | {show(result.everything)} | {show(result.other_content)} | {result.leak:.1f} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints one table for each encoder, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/*.parquet and dev/*.parquet")
    parser.add_argument("--encoder", action="append", required=True, help="name of an encoder; may be repeated")
    parser.add_argument("--weights", type=Path, help="folder of compact weights other than the package's")
    parser.add_argument("--record", action="store_true", help="put the scores of compact encoders into their manifest")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    chosen = parser.parse_args(arguments)

    def show(scores: Scores) -> str:
        return " / ".join(
            f"{value:.1f} ± {half:.1f}"
            for value, half in zip((scores.hit_1, scores.hit_10, scores.precision_10), scores.intervals, strict=True)
        )

    try:
        for name in chosen.encoder:
            inside = chosen.weights is None or not name.startswith("compact")
            encoder = load_encoder(name) if inside else CompactEncoder(name, None, chosen.weights)
            results = evaluate(encoder, chosen.data)
            if chosen.record and isinstance(encoder, CompactEncoder):
                record_scores(encoder.folder, {key: asdict(result) for key, result in results.items()})
            if chosen.json:
                print(json.dumps({"encoder": encoder.name, "sets": {key: asdict(r) for key, r in results.items()}}))
                continue
            print(f"\n{encoder.name}, {encoder.dtype}: P@1 / hit@10 / mean P@1..10, per cent\n")
            print("| set | all others | own content left out | leak |\n|---|---|---|---|")
            print("\n".join(_row(key, result, show) for key, result in results.items()))
    except StyleSearchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
