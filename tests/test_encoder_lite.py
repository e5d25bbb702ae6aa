"""EfficientNet-Lite0 against timm's, with the published weights; and what is pooled over its maps, written out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from encoder_training import pretrained as package
from encoder_training.pretrained import pretrained, weights_file
from stylesearch.encoders.lite import STAGES, LiteNetwork, LiteTrunk
from stylesearch.encoders.moments import Correlations, Moments
from stylesearch.encoders.places import EVERYWHERE, Places
from stylesearch.errors import UsageError

TIMM = {  # of a block with an expansion, and of one without
    True: {
        "_expand_conv": "conv_pw",
        "_bn0": "bn1",
        "_depthwise_conv": "conv_dw",
        "_bn1": "bn2",
        "_project_conv": "conv_pwl",
        "_bn2": "bn3",
    },
    False: {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"},
}
OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}


@pytest.fixture(scope="module")
def ours() -> LiteNetwork:
    return pretrained()


@pytest.fixture(scope="module")
def theirs() -> Any:
    timm = pytest.importorskip("timm")
    model: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    published = torch.load(weights_file(), weights_only=True)
    blocks = [(stage, block) for stage, one in enumerate(STAGES) for block in range(one.depth)]

    def name(key: str) -> str:
        found = re.match(r"_blocks\.(\d+)\.(\w+)\.(.+)", key)
        if found is None:
            first, _, rest = key.partition(".")
            return f"{OUTSIDE[first]}.{rest}"
        stage, block = blocks[int(found[1])]
        return f"blocks.{stage}.{block}.{TIMM[STAGES[stage].expansion > 1][found[2]]}.{found[3]}"

    model.load_state_dict({name(key): tensor for key, tensor in published.items()})
    return model.eval()


def images(side: int = 96) -> Tensor:
    coarse = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    return nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("side", [96, 101])  # where padding is even, and where it is not
@pytest.mark.parametrize("fast", [False, True])
def test_equal_to_timm(ours: LiteNetwork, theirs: Any, side: int, fast: bool) -> None:
    given = images(side)
    with torch.inference_mode(mode=fast), torch.set_grad_enabled(False):
        maps, pooled = ours.trunk(given), ours(given)
        x = theirs.bn1(theirs.conv_stem((given * 255 - 127) / 128))
        for stage, found in zip(theirs.blocks, maps, strict=True):
            x = stage(x)
            torch.testing.assert_close(found, x, rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(pooled, theirs.bn2(theirs.conv_head(x)).mean((2, 3)), rtol=1e-4, atol=1e-4)


def test_it_knows_a_flower_when_it_sees_one(theirs: Any, ours: LiteNetwork) -> None:
    from sklearn.datasets import load_sample_image

    flower = torch.from_numpy(load_sample_image("flower.jpg").copy()).permute(2, 0, 1)[None].float() / 255
    square = nn.functional.interpolate(flower, (224, 224), mode="bilinear", antialias=True)
    with torch.inference_mode():
        likely = theirs.get_submodule("classifier")(ours(square))[0].topk(5).indices.tolist()
    assert {985, 308, 309, 323, 324, 322, 321, 326} & set(likely)  # a daisy, or what sits on flowers


def test_the_first_stages_are_a_trunk_of_their_own(ours: LiteNetwork) -> None:
    trunk = LiteTrunk(3)
    state = ours.trunk.state_dict()
    trunk.load_state_dict({name: state[name] for name in trunk.state_dict()})
    assert trunk.widths == (16, 24, 40)
    with torch.inference_mode():
        torch.testing.assert_close(trunk(images())[2], ours.trunk(images())[2])


def test_without_the_package_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "PACKAGE", "no_such_package")
    with pytest.raises(UsageError, match=r"stylesearch\[train\]"):
        pretrained()


def test_a_file_of_other_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(KeyError):
        pretrained(tmp_path / "other.pth")


def test_moments_and_correlations_written_out() -> None:
    stages = [torch.rand(2, 3, 6, 6), torch.rand(2, 4, 5, 5)]
    moments, correlations = Moments((3, 4)), Correlations((3, 4))
    found, together = moments(stages).numpy(), correlations(stages).numpy()
    assert found.shape == (2, moments.dim) == (2, 14) and together.shape == (2, correlations.dim) == (2, 9)
    for row in range(2):
        expected, pairs = [], []
        for maps in stages:
            values = maps[row].flatten(1).double().numpy()
            expected += [values.mean(1), values.std(1)]
            between = np.corrcoef(values)[np.triu_indices(len(values), 1)]
            pairs.append(between / np.sqrt(np.abs(between) + 0.01))
        np.testing.assert_allclose(found[row], np.concatenate(expected), atol=1e-4)
        np.testing.assert_allclose(together[row], np.concatenate(pairs), atol=1e-3)


@pytest.mark.parametrize("pool", [Moments((8,)), Correlations((8,))], ids=lambda one: type(one).__name__)
def test_pooling_places_is_pooling_a_crop(pool: nn.Module) -> None:
    maps = torch.rand(1, 8, 24, 24)
    kept = torch.zeros(96, 96, dtype=torch.bool)
    kept[16:64, 8:80] = True
    with torch.inference_mode():
        torch.testing.assert_close(pool([maps], Places(kept)), pool([maps[:, :, 4:16, 2:20]]))
    assert EVERYWHERE(maps) is maps
    assert Places(kept[:1].expand(96, 96))(maps) is maps  # nothing kept: all of it is
