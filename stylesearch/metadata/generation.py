"""The parameters of pictures that a model made, as the common programs write them.

The documents that are read: AUTOMATIC1111's "parameters" (also of Forge and SD.Next), ComfyUI's "prompt" graph,
InvokeAI's "invokeai_metadata" and "sd-metadata", NovelAI's "Comment", SwarmUI's and Fooocus' JSON in "parameters", and
the manifest definition of `stylesearch.transfer.provenance`.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Mapping
from typing import Any, TypeAlias

from stylesearch.metadata.text import LINE, PROMPT, line, paragraph

Parameters: TypeAlias = dict[str, str | int | float]

OWN_KEYWORD = "stylesearch"  # of the text in pictures that were made here
OWN_ASSERTION = "org.stylesearch.lineage"  # within it

_MOST_CHARACTERS = 4 * 2**20  # of a document

# What programs call the parameters -> what they are called here.
_NAMES = {
    "prompt": "prompt",
    "positive_prompt": "prompt",
    "negative_prompt": "negative_prompt",
    "negativeprompt": "negative_prompt",
    "uc": "negative_prompt",
    "model": "model",
    "base_model": "model",
    "model_weights": "model",
    "ckpt_name": "model",
    "unet_name": "model",
    "sampler": "sampler",
    "sampler_name": "sampler",
    "scheduler": "scheduler",
    "schedule type": "scheduler",
    "steps": "steps",
    "cfg scale": "cfg_scale",
    "cfg_scale": "cfg_scale",
    "cfgscale": "cfg_scale",
    "cfg": "cfg_scale",
    "guidance": "cfg_scale",
    "guidance_scale": "cfg_scale",
    "scale": "cfg_scale",
    "seed": "seed",
    "noise_seed": "seed",
    "width": "width",
    "height": "height",
}
_SETTING = re.compile(r'\s*([A-Za-z][\w \-/]{0,40}):\s*("(?:\\.|[^"\\])*"|[^,]*)(?:,|$)')
_NUMBER = re.compile(r"-?\d{1,20}(\.\d{1,20})?")

# Inputs of ComfyUI's nodes: what leads to words and what they are written in.
_TEXTS = ("text", "text_g", "text_l", "t5xxl", "clip_l", "prompt", "populated_text", "string", "value")
_NOT_WORDS = ("clip", "model", "vae", "image", "images", "pixels", "latent_image", "samples", "control_net", "mask")
_MOST_NODES = 2_000


def generation_of(texts: Mapping[str, str]) -> Parameters:
    """The parameters in the texts of a file; empty where no generator is recognised.

    Args:
        texts: those of PNG's chunks by keyword, and "user_comment" of EXIF.

    Raises:
        ValueError: a document is too long or no JSON.
    """
    lower = {name.lower(): text for name, text in texts.items()}
    if document := lower.get(OWN_KEYWORD):
        return _own(_object(document))
    if document := lower.get("invokeai_metadata"):
        return _named("InvokeAI", _object(document))
    if document := lower.get("sd-metadata"):
        old = _object(document)
        image = old.get("image")
        return _named("InvokeAI", old | (image if isinstance(image, dict) else {}))
    if "novelai" in (lower.get("software", "") + lower.get("source", "")).lower():
        comment = _object(lower["comment"]) if "comment" in lower else {}
        return _named("NovelAI", {"prompt": lower.get("description"), "model": lower.get("source")} | comment)
    if (document := lower.get("prompt", "")).lstrip().startswith("{"):
        return _comfy(_object(document))
    if "workflow" in lower and '"nodes"' in lower["workflow"]:
        return {"tool": "ComfyUI"}
    for name in ("parameters", "user_comment", "comment"):
        if found := _web_ui(lower.get(name, "")):
            return found
    return {}


def _own(manifest: dict[str, Any]) -> Parameters:
    """What was asked of a trained model; nothing where the picture is the work of an algorithm without one."""
    assertions = manifest.get("assertions")
    for assertion in assertions if isinstance(assertions, list) else ():
        match assertion:
            case {"label": label, "data": {"models": [*models]} as said} if label == OWN_ASSERTION:
                trained = [one for one in models if isinstance(one, dict) and one.get("trained") is True]
                return _named("StyleSearch", {**said, "model": trained[0].get("name")}) if trained else {}
    return {}


def _web_ui(text: str) -> Parameters:
    if text.lstrip().startswith("{"):
        try:
            document = _object(text)
        except ValueError:
            return {}  # comments may begin with a brace
        if isinstance(swarm := document.get("sui_image_params"), dict):
            return _named("SwarmUI", swarm)
        return _named("Fooocus", document) if "base_model" in document else {}
    words, _, settings = text.strip()[:_MOST_CHARACTERS].rpartition("\n")
    pairs = dict(_SETTING.findall(settings))
    if not settings.startswith("Steps:") or "Sampler" not in pairs:
        return {}
    prompt, _, negative = words.partition("Negative prompt:")
    width, _, height = pairs.get("Size", "").partition("x")
    values = {name: value.strip('"') for name, value in pairs.items()}
    return _named(
        "AUTOMATIC1111", values | {"prompt": prompt, "negative_prompt": negative, "width": width, "height": height}
    )


def _comfy(nodes: dict[str, Any]) -> Parameters:
    """Follows the graph upwards from the sampler that made the picture."""
    inputs = {
        str(name): node["inputs"]
        for name, node in nodes.items()
        if isinstance(node, dict) and isinstance(node.get("inputs"), dict)
    }
    saving = [name for name in inputs if "save" in str(nodes[name].get("class_type", "")).lower()]
    upstream = _upstream(inputs, saving or list(inputs), without=())
    sampler = next((name for name in upstream if inputs[name].keys() & {"positive", "guider", "conditioning"}), None)
    if sampler is None:
        return {"tool": "ComfyUI"}
    found: dict[str, object] = {}
    for name in _upstream(inputs, [sampler], without=("positive", "negative", "conditioning", "latent_image")):
        own = {key: value for key, value in inputs[name].items() if not isinstance(value, (list, dict))}
        found = {key: value for key, value in own.items() if key.lower() in _NAMES and key not in _TEXTS} | found
    for name in _upstream(inputs, [sampler], without=("positive", "negative", "conditioning", "model")):
        size = {key: inputs[name][key] for key in ("width", "height") if isinstance(inputs[name].get(key), int)}
        found = size | found
    for side, other in (("positive", "negative"), ("negative", "positive")):
        found[f"{side}_prompt"] = _words(inputs, sampler, side, other)
    return _named("ComfyUI", found)


def _words(inputs: dict[str, dict[str, Any]], sampler: str, side: str, other: str) -> str:
    """The texts that flow into one side of a sampler, or of the guider that it has instead."""
    starts = [sampler, *_targets(inputs, sampler, without=())]
    links = [
        value
        for name in starts
        for key, value in inputs[name].items()
        if key == side or (key == "conditioning" and side == "positive")
    ]
    heads = [str(link[0]) for link in links if isinstance(link, list) and link and str(link[0]) in inputs]
    texts: dict[str, None] = {}
    for name in _upstream(inputs, heads[:1], without=(other, *_NOT_WORDS)):
        for key in _TEXTS:
            text = inputs[name].get(key)
            if isinstance(text, str) and text.strip():
                texts[text.strip()] = None
    return "\n".join(texts)


def _upstream(inputs: dict[str, dict[str, Any]], starts: list[str], without: tuple[str, ...]) -> list[str]:
    """The nodes that these depend on, the nearest first, themselves among them."""
    seen = dict.fromkeys(starts)
    waiting = deque(starts)
    while waiting and len(seen) < _MOST_NODES:
        for target in _targets(inputs, waiting.popleft(), without):
            if target not in seen:
                seen[target] = None
                waiting.append(target)
    return list(seen)


def _targets(inputs: dict[str, dict[str, Any]], name: str, without: tuple[str, ...]) -> list[str]:
    links = [value for key, value in inputs[name].items() if key not in without]
    targets = [str(link[0]) for link in links if isinstance(link, list) and len(link) == 2]
    return [target for target in targets if target in inputs]


def _object(document: str) -> dict[str, Any]:
    if len(document) > _MOST_CHARACTERS:
        raise ValueError(f"it has {len(document):,} characters; at most {_MOST_CHARACTERS:,} are read")
    try:
        found = json.loads(document)
    except RecursionError as exc:
        raise ValueError("it is nested too deeply") from exc
    return found if isinstance(found, dict) else {}


def _named(tool: str, values: Mapping[str, object]) -> Parameters:
    """The parameters by the names of `records.Metadata.generation`, each in its type."""
    parameters: Parameters = {"tool": tool}
    for key, value in values.items():
        name = _NAMES.get(key.lower())
        if name is None or name in parameters:
            continue
        if isinstance(value, dict):  # InvokeAI's models are objects
            value = value.get("name") or value.get("model_name")
        if isinstance(value, list):  # InvokeAI's weighted prompts
            value = ", ".join(str(part.get("prompt", "")) for part in value[:20] if isinstance(part, dict))
        if name in ("prompt", "negative_prompt"):
            checked: str | int | float | None = paragraph(value, PROMPT)
        else:
            number = _number(value)
            checked = line(value, LINE) if number is None else number
        if checked is not None:
            parameters[name] = checked
    return parameters


def _number(value: object) -> int | float | None:
    if isinstance(value, str) and (found := _NUMBER.fullmatch(value.strip())):
        return float(found[0]) if found[1] else int(found[0])
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if abs(value) < 1e20 else None  # NaN is not, either
