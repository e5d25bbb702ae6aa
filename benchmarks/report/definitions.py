"""What the metrics and protocols mean, in the words of the report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A metric as it is printed.

    Attributes:
        symbol: short name; "{k}" stands for the cut-off.
        title: name in words.
        formula: for one query, with rel(i) = 1 where the i-th answer has the query’s style and 0 elsewhere, R = how
            many pictures of the gallery could have been right.
        meaning: what it says, and other names that the field uses for it.
    """

    symbol: str
    title: str
    formula: str
    meaning: str

    def at(self, k: int | None) -> str:
        """The symbol for this cut-off."""
        return self.symbol.format(k=k)


METRICS = {
    "precision": Metric(
        "P@{k}",
        "Precision at k",
        "P@k = (rel(1) + … + rel(k)) / k",
        "The share of the first k answers that have the query’s style. With fewer than k right pictures in the gallery "
        "it cannot reach 100.",
    ),
    "hit_rate": Metric(
        "Hit@{k}",
        "Hit rate at k",
        "Hit@k = 1 where one of rel(1) … rel(k) is 1, else 0",
        "Whether any of the first k answers has the query’s style. CSD and MegaStyle print this as “Recall@k”; it is "
        "not recall.",
    ),
    "mean_precision": Metric(
        "mP@{k}",
        "Mean precision at 1..k",
        "mP@k = (P@1 + P@2 + … + P@k) / k",
        "Precision, with the first answers counting most. CSD’s code and, as far as the published numbers tell, "
        "MegaStyle’s call this “mAP@k”. It is not average precision; compare published “mAP@k” with this column.",
    ),
    "average_precision": Metric(
        "AP@{k}",
        "Average precision at k",
        "AP@k = (rel(1)·P@1 + … + rel(k)·P@k) / min(k, R)",
        "Textbook average precision, cut at k: precision at each right answer, over the number of right answers that "
        "there could have been.",
    ),
    "recall": Metric(
        "R@{k}",
        "Recall at k (true recall)",
        "R@k = (rel(1) + … + rel(k)) / R",
        "The share of all right pictures that are among the first k answers. Cannot reach 100 where R exceeds k.",
    ),
    "ndcg": Metric(
        "nDCG@{k}",
        "Normalised discounted cumulative gain at k",
        "nDCG@k = Σ rel(i)/log₂(i+1) over i = 1..k, divided by its best possible value",
        "Right answers weighted by how high they stand (Järvelin and Kekäläinen 2002).",
    ),
    "map_at_r": Metric(
        "MAP@R",
        "Mean average precision at R",
        "MAP@R = (rel(1)·P@1 + … + rel(R)·P@R) / R",
        "Average precision over the first R answers (Musgrave et al. 2020): 100 only where all R right pictures come "
        "first, whatever the size of the style.",
    ),
    "reciprocal_rank": Metric(
        "MRR",
        "Mean reciprocal rank",
        "RR = 1 / rank of the first right answer",
        "How far down one looks for the first right answer.",
    ),
}

PROTOCOLS = {
    "leave_one_out": (
        "All other pictures",
        "Every picture is a query, and all other pictures of the set are the gallery. Pictures that show the query’s "
        "content in other styles are in the gallery too, and tempt an encoder that looks at content.",
    ),
    "own_content_left_out": (
        "Own content left out",
        "Every picture is a query, and all pictures of the set that show other contents are the gallery. The right "
        "answer never shows what the query shows, so content alone finds nothing.",
    ),
    "query_gallery": (
        "Queries against gallery",
        "The set itself says which pictures are queries and which are the gallery.",
    ),
    "cross_source": (
        "Across sources",
        "Queries from one set, the gallery from another: the same styles, made by other means.",
    ),
}
