"""`mobilesam:FILE`: MobileSAM (Zhang et al. 2023), from a checkpoint in its published layout (`mobile_sam.pt`).

Its image encoder is timm's TinyViT, but for a last stage that keeps the resolution; prompts and masks are SAM's, by
transformers. The names of the tensors are turned here from those of the published file into theirs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from stylesearch.encoders.checkpoints import checkpoint_file, fill, read_state
from stylesearch.errors import MissingDependencyError
from stylesearch.masking.prompted import PromptedMasker

_SIZE = 1024
_CHANNELS = 256

_PERCEPTRONS = r"iou_prediction_head|output_hypernetworks_mlps\.\d"

# In this order, each in the result of those before.
_RENAMED = tuple(
    (re.compile(pattern), new)
    for pattern, new in (
        # TinyViT: stages are named layers, and what makes them smaller is kept with the stage before.
        (r"^image_encoder\.patch_embed\.seq\.0\.", "backbone.patch_embed.conv1."),
        (r"^image_encoder\.patch_embed\.seq\.2\.", "backbone.patch_embed.conv2."),
        (r"^image_encoder\.layers\.0\.downsample\.", "backbone.stages.1.downsample."),
        (r"^image_encoder\.layers\.1\.downsample\.", "backbone.stages.2.downsample."),
        (r"^image_encoder\.layers\.2\.downsample\.", "backbone.stages.3.downsample."),
        (r"^image_encoder\.layers\.", "backbone.stages."),
        (r"^(backbone\..*)\.c\.(weight)$", r"\1.conv.\2"),
        (r"^image_encoder\.neck\.", "neck."),
        # SAM's decoder, in transformers' words.
        (r"^prompt_encoder\.point_embeddings\.", "prompt_encoder.point_embed."),
        (r"^prompt_encoder\.mask_downscaling\.0\.", "prompt_encoder.mask_embed.conv1."),
        (r"^prompt_encoder\.mask_downscaling\.1\.", "prompt_encoder.mask_embed.layer_norm1."),
        (r"^prompt_encoder\.mask_downscaling\.3\.", "prompt_encoder.mask_embed.conv2."),
        (r"^prompt_encoder\.mask_downscaling\.4\.", "prompt_encoder.mask_embed.layer_norm2."),
        (r"^prompt_encoder\.mask_downscaling\.6\.", "prompt_encoder.mask_embed.conv3."),
        (r"^mask_decoder\.output_upscaling\.0\.", "mask_decoder.upscale_conv1."),
        (r"^mask_decoder\.output_upscaling\.1\.", "mask_decoder.upscale_layer_norm."),
        (r"^mask_decoder\.output_upscaling\.3\.", "mask_decoder.upscale_conv2."),
        (
            r"^mask_decoder\.(iou_prediction_head|output_hypernetworks_mlps\.\d)\.layers\.0\.",
            r"mask_decoder.\1.proj_in.",
        ),
        (
            r"^mask_decoder\.(iou_prediction_head|output_hypernetworks_mlps\.\d)\.layers\.1\.",
            r"mask_decoder.\1.layers.0.",
        ),
        (
            r"^mask_decoder\.(iou_prediction_head|output_hypernetworks_mlps\.\d)\.layers\.2\.",
            r"mask_decoder.\1.proj_out.",
        ),
        (r"^mask_decoder\.transformer\.(.*)\.norm(\d)\.", r"mask_decoder.transformer.\1.layer_norm\2."),
        (r"^mask_decoder\.transformer\.norm_final_attn\.", "mask_decoder.transformer.layer_norm_final_attn."),
        (r"^(prompt_encoder|mask_decoder)\.", r"sam.\1."),
    )
)
_POSITIONS = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
_UNUSED = re.compile(r"^image_encoder\.(norm_head|head)\.")  # a classifier that the published file carries along


class MobileSamMasker(PromptedMasker):
    """MobileSAM.

    Args:
        name: as in the module's docstring.
        dtype: see `PromptedMasker`.

    Raises:
        EncoderError: there is no such file, or it does not fit; it names the tensors.
        MissingDependencyError: timm or transformers is not installed.
    """

    def __init__(self, name: str, dtype: str | None = None) -> None:
        path = checkpoint_file(name, name.partition(":")[2])
        network = fill(MobileSam(), renamed(read_state(path)), path)
        super().__init__(f"mobilesam:{path}", network, _SIZE, dtype)
        self._mobile_sam = network

    def features(self, images: Tensor) -> Tensor:
        features: Tensor = self._mobile_sam(images)
        return features

    def answers(self, features: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        return self._mobile_sam.answers(features, points)


class MobileSam(nn.Module):
    """Pictures, float (N, 3, 1024, 1024), to features, float (N, 256, 64, 64); and points to masks."""

    def __init__(self) -> None:
        super().__init__()
        try:
            import timm
            from transformers import SamConfig, SamModel, SamVisionConfig
        except ImportError as exc:
            raise MissingDependencyError(exc.name or "timm", "sam", "for the masker MobileSAM") from exc
        self.backbone = timm.create_model("tiny_vit_5m_224", pretrained=False)
        self.backbone.reset_classifier(0, "")
        self.backbone.head = nn.Identity()
        last = self.backbone.stages[3]
        last.downsample.conv2.conv.stride = (1, 1)
        width = last.blocks[0].dim
        self.neck = nn.Sequential(
            nn.Conv2d(width, _CHANNELS, 1, bias=False),
            _ChannelNorm(_CHANNELS),
            nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1, bias=False),
            _ChannelNorm(_CHANNELS),
        )
        # An image encoder of next to no size, in whose place stands the one above.
        vision = SamVisionConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, mlp_dim=8)
        self.sam = SamModel(SamConfig(vision_config=vision.to_dict()))
        self.sam.vision_encoder = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        x = self.backbone.stages(self.backbone.patch_embed(images))
        features: Tensor = self.neck(x)
        return features

    def answers(self, features: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """See `PromptedMasker.answers`."""
        labels = torch.ones((1, len(points), 1), dtype=torch.int32, device=points.device)
        said = self.sam(
            input_points=points[None, :, None], input_labels=labels, image_embeddings=features, multimask_output=True
        )
        return said.pred_masks[0].flatten(0, 1), said.iou_scores[0].flatten()


class _ChannelNorm(nn.Module):
    """Layer normalisation over the channels of a map (SAM's LayerNorm2d)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, 1e-6)
        return y.permute(0, 3, 1, 2)


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a published file under the names of `MobileSam`; such names stay. A classifier is left out."""
    result = {}
    for name, tensor in state.items():
        if _UNUSED.match(name):
            continue
        if name == _POSITIONS:  # one matrix, which transformers names twice
            result["sam.shared_image_embedding.positional_embedding"] = tensor
            result["sam.prompt_encoder.shared_embedding.positional_embedding"] = tensor
            continue
        for pattern, new in _RENAMED:
            name = pattern.sub(new, name)
        result[name] = tensor
    return result
