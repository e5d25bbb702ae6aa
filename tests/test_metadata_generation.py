"""The parameters of pictures that a model made, in the documents of the programs that write them."""

from __future__ import annotations

import json

import pytest
from pictures import draw, encode
from PIL import PngImagePlugin
from test_metadata import exif

from stylesearch.metadata import read_metadata
from stylesearch.metadata.generation import generation_of

WEB_UI = """a cat, (ink wash:1.2)
on paper
Negative prompt: dog, blurry
Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 0, Size: 512x768, Model hash: abc,\
 Model: dreamy, Lora hashes: "ink: 12, wash: 34", Version: v1.9"""
WEB_UI_PARAMETERS = {
    "tool": "AUTOMATIC1111",
    "prompt": "a cat, (ink wash:1.2)\non paper",
    "negative_prompt": "dog, blurry",
    "steps": 20,
    "sampler": "DPM++ 2M",
    "scheduler": "Karras",
    "cfg_scale": 7.5,
    "seed": 0,
    "width": 512,
    "height": 768,
    "model": "dreamy",
}


def png(**texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        info.add_text(name.replace("_", "-"), text)
    return encode(draw(), "PNG", pnginfo=info)


def test_web_ui_in_png() -> None:
    found = read_metadata(png(parameters=WEB_UI), "PNG")
    assert found.generation == WEB_UI_PARAMETERS and found.generated and found.software == "AUTOMATIC1111"


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF"])
@pytest.mark.parametrize(
    "comment",
    [
        b"UNICODE\0" + WEB_UI.encode("utf-16-be"),
        b"UNICODE\0" + WEB_UI.encode("utf-16-le"),
        b"ASCII\0\0\0" + WEB_UI.encode(),
        b"\0" * 8 + WEB_UI.encode(),
    ],
)
def test_web_ui_in_exif(kind: str, comment: bytes) -> None:
    found = read_metadata(encode(draw(), kind, exif=exif(comment)), kind)
    assert found.generation == WEB_UI_PARAMETERS


def test_a_comment_of_a_camera_is_no_prompt() -> None:
    for text in ("A cat. Steps: many, Sampler: none", "{broken", "{}", "Steps: 20"):
        assert generation_of({"user_comment": text}) == {}


def node(kind: str, **inputs: object) -> dict[str, object]:
    return {"class_type": kind, "inputs": inputs}


COMFY = {
    "3": node("KSampler", seed=5, steps=30, cfg=4.5, sampler_name="euler", scheduler="normal", model=["10", 0],
              positive=["11", 0], negative=["7", 0], latent_image=["5", 0]),
    "4": node("CheckpointLoaderSimple", ckpt_name="base.safetensors"),
    "5": node("EmptyLatentImage", width=640, height=480, batch_size=1),
    "6": node("CLIPTextEncode", text=["12", 0], clip=["4", 1]),
    "7": node("CLIPTextEncode", text="blurry", clip=["4", 1]),
    "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
    "9": node("SaveImage", filename_prefix="ComfyUI", images=["8", 0]),
    "10": node("LoraLoader", lora_name="ink", model=["4", 0], clip=["4", 1]),
    "11": node("ControlNetApplyAdvanced", positive=["6", 0], negative=["7", 0], control_net=["13", 0]),
    "12": node("String", string="a cat in ink"),
    "13": node("ControlNetLoader", control_net_name="edges"),
    "14": node("CLIPTextEncode", text="not in this picture", clip=["4", 1]),
}  # fmt: skip


def test_comfyui_takes_the_words_that_flow_into_the_sampler() -> None:
    assert read_metadata(png(prompt=json.dumps(COMFY), workflow="{}"), "PNG").generation == {
        "tool": "ComfyUI",
        "prompt": "a cat in ink",
        "negative_prompt": "blurry",
        "model": "base.safetensors",
        "seed": 5,
        "steps": 30,
        "cfg_scale": 4.5,
        "sampler": "euler",
        "scheduler": "normal",
        "width": 640,
        "height": 480,
    }


def test_comfyui_with_a_guider() -> None:
    flux = {
        "1": node("SaveImage", images=["2", 0]),
        "2": node("VAEDecode", samples=["3", 0]),
        "3": node("SamplerCustomAdvanced", noise=["4", 0], guider=["5", 0], sampler=["6", 0], sigmas=["7", 0]),
        "4": node("RandomNoise", noise_seed=9),
        "5": node("BasicGuider", model=["8", 0], conditioning=["9", 0]),
        "6": node("KSamplerSelect", sampler_name="euler"),
        "7": node("BasicScheduler", scheduler="simple", steps=20, model=["8", 0]),
        "8": node("UNETLoader", unet_name="flux"),
        "9": node("FluxGuidance", guidance=3.5, conditioning=["10", 0]),
        "10": node("CLIPTextEncode", text="a red poster", clip=["11", 0]),
        "11": node("DualCLIPLoader", clip_name1="t5"),
    }
    found = generation_of({"prompt": json.dumps(flux)})
    assert (found["prompt"], found["seed"], found["model"]) == ("a red poster", 9, "flux")
    assert (found["steps"], found["sampler"], found["scheduler"]) == (20, "euler", "simple")


def test_comfyui_graphs_that_run_in_circles_or_lead_nowhere() -> None:
    circle = {"1": node("SaveImage", images=["2", 0]), "2": node("KSampler", positive=["2", 0], model=["1", 0])}
    nowhere = {"2": node("KSampler", positive=["99", 0], seed=1), "3": {"inputs": None}, "4": 5}
    assert generation_of({"prompt": json.dumps(circle)}) == {"tool": "ComfyUI"}
    assert generation_of({"prompt": json.dumps(nowhere)}) == {"tool": "ComfyUI", "seed": 1}
    assert generation_of({"prompt": "{}"}) == generation_of({"workflow": '{"nodes": []}'}) == {"tool": "ComfyUI"}


def test_invokeai_of_both_ages() -> None:
    now = {"positive_prompt": "a cat", "negative_prompt": "", "seed": 3, "cfg_scale": 7, "model": {"name": "sdxl"}}
    assert read_metadata(png(invokeai_metadata="x"), "PNG").generation == {}, "another keyword"
    info = PngImagePlugin.PngInfo()
    info.add_itxt("invokeai_metadata", json.dumps(now))
    found = read_metadata(encode(draw(), "PNG", pnginfo=info), "PNG").generation
    assert found == {"tool": "InvokeAI", "prompt": "a cat", "seed": 3, "cfg_scale": 7, "model": "sdxl"}
    before = {"model_weights": "sd-1.5", "image": {"prompt": [{"prompt": "a cat", "weight": 1}], "seed": 3}}
    found = read_metadata(png(sd_metadata=json.dumps(before)), "PNG").generation
    assert found == {"tool": "InvokeAI", "prompt": "a cat", "seed": 3, "model": "sd-1.5"}


def test_novelai() -> None:
    comment = json.dumps({"steps": 28, "seed": 7, "scale": 5.0, "uc": "bad", "sampler": "k_euler", "v4_prompt": {}})
    found = read_metadata(
        png(Software="NovelAI", Source="Stable Diffusion 1234", Description="a cat", Comment=comment), "PNG"
    ).generation
    assert (found["tool"], found["prompt"], found["negative_prompt"]) == ("NovelAI", "a cat", "bad")
    assert (found["model"], found["steps"], found["seed"]) == ("Stable Diffusion 1234", 28, 7)


def test_swarmui_and_fooocus() -> None:
    swarm = {"sui_image_params": {"prompt": "a cat", "cfgscale": 1.0, "model": "Flux"}}
    found = generation_of({"parameters": json.dumps(swarm)})
    assert found == {"tool": "SwarmUI", "prompt": "a cat", "cfg_scale": 1.0, "model": "Flux"}
    fooocus = {"prompt": "a cat", "base_model": "juggernaut", "guidance_scale": 4}
    assert generation_of({"parameters": json.dumps(fooocus)})["tool"] == "Fooocus"


@pytest.mark.parametrize(
    "document", ['{"a": ' * 100_000, "{" + "x" * 5_000_000, '{"1": ' + "9" * 5_000 + "}", '{"seed": NaN}']
)
def test_hostile_documents_are_noted_or_say_nothing(document: str) -> None:
    found = read_metadata(png(invokeai="", prompt=document), "PNG")
    assert found.generation in ({}, {"tool": "ComfyUI"})
    assert bool(found.notes) is (found.generation == {})
