"""Trains the later stages of the pretrained trunk by SSCL, with the projections over them.

The first stages see edges and colours, which pretraining has learnt well enough: their maps of whole pictures are
computed once (`maps.py`), and training crops these. Anchors are fresh crops; what they are compared with is
remembered, the features of thousands of pictures as they were seen last (XBM, Wang and others 2020, arXiv 1912.06798),
which is sound while weights move little. Normalisation is folded in and so stays as it was.

An interrupted run continues with the same command, with the batches that it would have seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, normalize

from encoder_training.discriminant import Basis
from encoder_training.head import FeatureSet, closed_form, labels_of
from encoder_training.losses import sscl_against
from encoder_training.maps import FIRST, Maps
from encoder_training.train import draw_curve, forget_after, log
from stylesearch.encoders.compact_network import Compact
from stylesearch.encoders.moments import CORRELATED, DESCRIBED

PARTS = ("moments", "correlations")


@dataclass(frozen=True)
class Plan:
    """How long and how fast.

    Attributes:
        steps: of one set each.
        styles, images: P styles x K crops of a step.
        gallery: remembered pictures that they are compared with.
        crop: side of a crop, as a share of the picture's.
        learning_rate: of the last stage; each stage before it has `decay` of that of the next.
        head_rate: of the projections, relative to the mean magnitude of the closed form.
        drop: share of the axes that is left out at each step.
        tether: weight of the squared distance from the pretrained weights (L2-SP, Li and others 2018).
        average: decay of the averaged weights (EMA).
        save_every, evaluate_every: steps.
        seed: of batches, crops and dropout.
    """

    steps: int = 1600
    styles: int = 24
    images: int = 4
    gallery: int = 3072
    crop: float = 0.75
    learning_rate: float = 1.5e-4
    decay: float = 0.75
    head_rate: float = 0.012
    drop: float = 0.3
    temperature: float = 0.07
    tether: float = 2e-3
    average: float = 0.995
    save_every: int = 100
    evaluate_every: int = 400
    seed: int = 0


class _Remembered:
    """A set: where its maps are, and along the axes of each part what its pictures were like when last seen."""

    def __init__(self, data: FeatureSet, maps: Maps, bases: Mapping[str, Basis]) -> None:
        self.name, self.maps = data.name, maps
        self.values = {part: basis(data.features[part]).half() for part, basis in bases.items()}
        self.styles = labels_of(data.styles)
        self.contents = labels_of(data.contents)
        self.groups = labels_of(data.groups if data.groups is not None else [""] * len(data.styles))

    def draw(self, random: np.random.Generator, plan: Plan) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the anchors, over few contents where these are shared; and rows of the gallery."""
        group = random.permutation(int(self.groups.max()) + 1)
        near = np.flatnonzero(self.groups == group[0])
        order = random.permutation(np.unique(self.styles[near]))
        shared = random.permutation(int(self.contents.max()) + 1)[: plan.images + 4]
        anchors = []
        for style in order[: plan.styles]:
            rows = near[self.styles[near] == style]
            common = rows[np.isin(self.contents[rows], shared)]
            anchors.append(np.resize(random.permutation(common if len(common) > 1 else rows), plan.images))
        others = np.flatnonzero(np.isin(self.groups, group[: 1 + plan.gallery // max(len(near), 1)]))
        if len(others) > plan.gallery:
            rank = np.full(int(self.styles.max()) + 1, len(order))
            rank[order] = np.arange(len(order))
            others = others[np.argsort(rank[self.styles[others]], kind="stable")][: plan.gallery]
        return np.concatenate(anchors), others


class Finetuning(nn.Module):
    """What is trained: the trunk's stages after the first ones, and a matrix for each part.

    Args:
        tower: whose trunk it is; changed in place.
        bases: axes of each part.
        sets: features with the pretrained trunk.
    """

    def __init__(self, tower: Compact, bases: Mapping[str, Basis], sets: Sequence[FeatureSet]) -> None:
        super().__init__()
        assert tower.trunk is not None  # noqa: S101 - for the type checker
        self.tower, self.bases = tower, bases
        self.stages = tower.trunk.stages[FIRST:]
        self.matrices = nn.ParameterDict()
        for part, basis in bases.items():
            start = closed_form([basis(data.features[part]) for data in sets], sets, _dim(tower, part))
            self.matrices[part] = nn.Parameter(start / start.abs().mean())

    def features(self, maps: Tensor) -> dict[str, Tensor]:
        """Maps after the first stages, (N, C, H, W), to features of each part."""
        stages = [maps]
        for stage in self.stages:
            stages.append(stage(stages[-1]))
        early = FIRST - 1  # stages whose maps are not here
        cut = {"moments": DESCRIBED, "correlations": CORRELATED}
        return {
            part: self.tower.parts[part](stages[cut[part].start - early : cut[part].stop - early])
            for part in self.bases
        }

    def trained(self) -> list[nn.Parameter]:
        """All of it, in one order."""
        return [*self.stages.parameters(), *self.matrices.values()]


def _dim(tower: Compact, part: str) -> int:
    return int(getattr(tower.config, f"{part}_dim"))


def finetune(
    tower: Compact,
    bases: Mapping[str, Basis],
    sets: Sequence[FeatureSet],
    maps: Sequence[Maps],
    out: Path,
    plan: Plan,
    evaluate: Callable[[Finetuning], dict[str, float]] | None = None,
) -> None:
    """Runs, or continues; at the end the tower's trunk has the averaged weights.

    Args:
        tower: with the pretrained trunk; changed in place.
        bases: principal axes of each part's features.
        sets: training sets.
        maps: theirs, in the same order.
        out: folder for `checkpoint.pt`, `metrics.jsonl` and `curve.png`.
        plan: how long and how fast.
        evaluate: called with the averaged weights in place; gives numbers to log.
    """
    out.mkdir(parents=True, exist_ok=True)
    model = Finetuning(tower, bases, sets)
    remembered = [_Remembered(data, each, bases) for data, each in zip(sets, maps, strict=True)]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    model.bases = {part: basis.to(device) for part, basis in bases.items()}
    share = np.array([data.weight for data in sets]) / sum(data.weight for data in sets)
    trained = model.trained()
    start = [parameter.detach().clone() for parameter in model.stages.parameters()]
    averaged = [parameter.detach().clone() for parameter in trained]
    optimiser = torch.optim.AdamW(_groups(model, plan), weight_decay=0, betas=(0.9, 0.98))
    first = _resume(out, model, optimiser, averaged)
    for step in range(first, plan.steps):
        random = np.random.default_rng([plan.seed, step])
        torch.manual_seed((plan.seed << 32) + step)
        for group in optimiser.param_groups:
            group["lr"] = group["base"] * min(1, (step + 1) / 30) * (1 + math.cos(math.pi * step / plan.steps)) / 2
        chosen = remembered[int(random.choice(len(sets), p=share))]
        loss = _loss(model, chosen, random, plan)
        far = sum((p - s).square().sum() for p, s in zip(model.stages.parameters(), start, strict=True))
        optimiser.zero_grad()
        (loss + plan.tether * far).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.stages.parameters(), 1.0)
        optimiser.step()
        decay = min(plan.average, (step + 1) / (step + 10))
        with torch.no_grad():
            for own, parameter in zip(averaged, trained, strict=True):
                own.lerp_(parameter, 1 - decay)
        log(out / "metrics.jsonl", {"step": step, "loss": loss.item()})
        done = step + 1
        if done % plan.save_every == 0 or done == plan.steps:
            _save(out, model, optimiser, averaged, done)
        if evaluate is not None and (done % plan.evaluate_every == 0 or done == plan.steps):
            with _swapped(trained, averaged):
                log(out / "metrics.jsonl", {"step": step, **evaluate(model)})
            draw_curve(out / "metrics.jsonl", out / "curve.png")
    with torch.no_grad():
        for parameter, own in zip(trained, averaged, strict=True):
            parameter.copy_(own)
    model.cpu()


def _groups(model: Finetuning, plan: Plan) -> list[dict[str, object]]:
    last = len(model.stages) - 1
    rates = [plan.learning_rate * plan.decay ** (last - place) for place in range(len(model.stages))]
    groups = [{"params": list(s.parameters()), "base": rate} for s, rate in zip(model.stages, rates, strict=True)]
    return [*groups, {"params": list(model.matrices.values()), "base": plan.head_rate}]


def _loss(model: Finetuning, data: _Remembered, random: np.random.Generator, plan: Plan) -> Tensor:
    anchors, gallery = data.draw(random, plan)
    device = next(model.parameters()).device
    found = model.features(data.maps.crops(anchors, plan.crop, random).to(device))
    styles, labels, own = (
        torch.from_numpy(each).to(device)
        for each in (data.styles[anchors], data.styles[gallery], anchors[:, None] == gallery[None])
    )
    losses = []
    for part, basis in model.bases.items():
        along, remembered = basis.of(found[part]), data.values[part][gallery].to(device).float()
        asked, answering = (
            normalize(dropout(values, plan.drop) @ model.matrices[part], dim=1) for values in (along, remembered)
        )
        losses.append(sscl_against(asked, styles, answering, labels, own, plan.temperature))
        data.values[part][anchors] = along.detach().half().cpu()
    return torch.stack(losses).mean()


class _swapped:  # noqa: N801 - reads as what it does
    """Inside, parameters have other values."""

    def __init__(self, parameters: Sequence[nn.Parameter], values: Sequence[Tensor]) -> None:
        self._parameters, self._values = parameters, values

    def __enter__(self) -> None:
        self._before = [parameter.detach().clone() for parameter in self._parameters]
        self._set(self._values)

    def __exit__(self, *_: object) -> None:
        self._set(self._before)

    @torch.no_grad()
    def _set(self, values: Sequence[Tensor]) -> None:
        for parameter, value in zip(self._parameters, values, strict=True):
            parameter.copy_(value)


def _save(
    out: Path, model: Finetuning, optimiser: torch.optim.Optimizer, averaged: Sequence[Tensor], step: int
) -> None:
    trained = [parameter.detach() for parameter in model.trained()]
    saved = {"trained": trained, "averaged": list(averaged), "optimiser": optimiser.state_dict(), "step": step}
    # Written beside and then moved: a kill in between leaves the previous checkpoint whole.
    torch.save(saved, out / "checkpoint.new")
    (out / "checkpoint.new").replace(out / "checkpoint.pt")


def _resume(out: Path, model: Finetuning, optimiser: torch.optim.Optimizer, averaged: list[Tensor]) -> int:
    if not (out / "checkpoint.pt").exists():
        return 0
    saved = torch.load(out / "checkpoint.pt", map_location=averaged[0].device, weights_only=True)
    with torch.no_grad():
        for parameter, value in zip(model.trained(), saved["trained"], strict=True):
            parameter.copy_(value)
    averaged[:] = saved["averaged"]
    optimiser.load_state_dict(saved["optimiser"])
    step: int = saved["step"]
    forget_after(out / "metrics.jsonl", step)
    return step
