"""Places are found in workflows as people export them, and filled; what the server knows of nodes was recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from comfyui_replay import SPECS

from stylesearch.errors import UsageError
from stylesearch.transfer.comfyui import WORKFLOWS
from stylesearch.transfer.comfyui_graph import Graph, Nodes, missing, read_workflow
from stylesearch.transfer.comfyui_workflow import Place, Values, fill, find_places

VALUES = Values(["a.png"], [1.0], None, "a bench", 2**40, 1.0, None, 512, 300)


def node(kind: str, title: str | None = None, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs, **({"_meta": {"title": title}} if title else {})}


def image_to_image() -> Nodes:
    """As ComfyUI's users build it: one text to be followed, one to be avoided, and a picture to start from."""
    return {
        "1": node("CheckpointLoaderSimple", ckpt_name="model.safetensors"),
        "2": node("LoadImage", image="example.png"),
        "3": node("LoadImage", image="example.png"),
        "4": node("CLIPTextEncode", text="a cat", clip=["1", 1]),
        "5": node("CLIPTextEncode", text="ugly", clip=["1", 1]),
        "6": node("VAEEncode", pixels=["2", 0], vae=["1", 2]),
        "7": node("CLIPVisionLoader", clip_name="clip.safetensors"),
        "8": node("CLIPVisionEncode", clip_vision=["7", 0], image=["3", 0], crop="none"),
        "9": node("StyleModelLoader", style_model_name="style.safetensors"),
        "10": node(
            "StyleModelApply",
            conditioning=["4", 0],
            style_model=["9", 0],
            clip_vision_output=["8", 0],
            strength=0.8,
            strength_type="multiply",
        ),
        "11": node(
            "KSampler",
            model=["1", 0],
            positive=["10", 0],
            negative=["5", 0],
            latent_image=["6", 0],
            seed=1,
            steps=20,
            cfg=7.0,
            sampler_name="euler",
            scheduler="normal",
            denoise=0.7,
        ),
        "12": node("VAEDecode", samples=["11", 0], vae=["1", 2]),
        "13": node("SaveImage", images=["12", 0], filename_prefix="x"),
    }


def ours(name: str) -> Graph:
    return Graph(read_workflow(WORKFLOWS / f"{name}.json"), SPECS)


def test_places_are_found_without_titles():
    places = find_places(Graph(image_to_image(), SPECS))
    assert places.references == (Place("3", ("image",)),) and places.content == (Place("2", ("image",)),)
    assert places.prompts == (Place("4", ("text",)),)  # and not what is to be avoided
    assert places.seeds == (Place("11", ("seed",)),) and places.steps == (Place("11", ("steps",)),)
    assert places.strengths == ((Place("10", ("strength",)),),) and places.results == ("13",)


def test_titles_go_before_what_is_found():
    nodes = image_to_image()
    nodes["2"]["_meta"] = {"title": "@Reference"}
    nodes["3"]["_meta"] = {"title": "@content"}
    nodes["5"]["_meta"] = {"title": "@prompt"}
    places = find_places(Graph(nodes, SPECS))
    assert (places.references[0].node, places.content[0].node, places.prompts[0].node) == ("2", "3", "5")


def test_filling_leaves_the_workflow_as_it_was():
    graph = Graph(image_to_image(), SPECS)
    before = json.dumps(graph.nodes)
    values = Values(["r.png"], [1.0], "c.png", "a dog", 5, 0.5, 9, 512, 512)
    filled = fill(graph, find_places(graph), values)
    assert json.dumps(graph.nodes) == before
    assert filled["3"]["inputs"]["image"] == "r.png" and filled["2"]["inputs"]["image"] == "c.png"
    assert filled["4"]["inputs"]["text"] == "a dog" and filled["5"]["inputs"]["text"] == "ugly"
    assert (filled["11"]["inputs"]["seed"], filled["11"]["inputs"]["steps"]) == (5, 9)
    assert filled["10"]["inputs"]["strength"] == pytest.approx(0.4)


@pytest.mark.parametrize("given", [1, 2, 3, 4])
def test_redux_takes_one_to_four_references(given):
    graph = ours("flux-redux")
    assert missing(graph) == []
    weights = [1.0, 0.5, 0.25, 0.125][:given]
    names = [f"{number}.png" for number in range(given)]
    filled = fill(graph, find_places(graph), Values(names, weights, None, "x", 0, 0.5, None, 512, 300))
    # From the sampler back to the prompt, each reference once, with its weight.
    link, seen = filled["52"]["inputs"]["positive"], []
    while filled[link[0]]["class_type"] == "StyleModelApply":
        inputs = filled[link[0]]["inputs"]
        picture = filled[filled[inputs["clip_vision_output"][0]]["inputs"]["image"][0]]
        seen.append((picture["inputs"]["image"], inputs["strength"]))
        link = inputs["conditioning"]
    assert seen[::-1] == [(name, weight * 0.5) for name, weight in zip(names, weights, strict=True)]
    assert filled[link[0]]["class_type"] == "FluxGuidance"
    assert sum(entry["class_type"] == "LoadImage" for entry in filled.values()) == given
    Graph(filled, SPECS)  # no link leads nowhere


def test_megastyle_takes_sizes_and_seeds_as_its_nodes_do():
    graph = ours("megastyle")
    assert missing(graph) == []
    filled = fill(graph, find_places(graph), VALUES)
    assert [(filled[key]["inputs"]["width"], filled[key]["inputs"]["height"]) for key in "56"] == [(512, 304)] * 2
    assert filled["6"]["inputs"]["seed"] == 2**40 % 2**31
    assert filled["6"]["inputs"]["num_inference_steps"] == 30 and filled["4"]["inputs"]["prompt"] == "a bench"
    half = fill(graph, find_places(graph), Values(["a.png"], [1], None, "", 0, 0.5, 5, 512, 512))
    assert half["2"]["inputs"]["lora_alpha"] == 0.5 and half["6"]["inputs"]["num_inference_steps"] == 5


def test_references_in_a_batch_may_be_fewer():
    nodes = {
        "1": node("LoadImage", image="x"),
        "2": node("LoadImage", image="y"),
        "3": node("ImageBatch", image1=["1", 0], image2=["2", 0]),
        "4": node("ImageInvert", image=["3", 0]),
        "5": node("SaveImage", images=["4", 0], filename_prefix="x"),
    }
    graph = Graph(nodes, SPECS)
    filled = fill(graph, find_places(graph), VALUES)
    assert filled["4"]["inputs"]["image"] == ["1", 0] and set(filled) == {"1", "4", "5"}


def test_a_result_that_needs_both_references_is_refused():
    nodes = {
        "1": node("LoadImage", image="x"),
        "2": node("LoadImage", image="y"),
        "3": node("SaveImage", images=["1", 0], filename_prefix="x"),
        "4": node("SaveImage", images=["2", 0], filename_prefix="x"),
    }
    graph = Graph(nodes, SPECS)
    with pytest.raises(UsageError, match="needs 2 references and cannot do with 1"):
        fill(graph, find_places(graph), VALUES)


def several_texts() -> Nodes:
    nodes = image_to_image()
    nodes["14"] = node("CLIPTextEncodeFlux", clip=["1", 1], clip_l="a", t5xxl="b", guidance=3.5)
    nodes["10"]["inputs"]["conditioning"] = ["14", 0]
    nodes["11"]["inputs"]["negative"] = ["5", 0]
    nodes["11"]["inputs"]["positive_too"] = ["4", 0]
    return nodes


def test_a_node_may_take_the_prompt_twice():
    nodes = several_texts()
    del nodes["11"]["inputs"]["positive_too"]
    assert find_places(Graph(nodes, SPECS)).prompts == (Place("14", ("clip_l", "t5xxl")),)


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        (several_texts(), r"'CLIPTextEncode \(#4\)', 'CLIPTextEncodeFlux \(#14\)' may take the prompt. Title"),
        ({"1": node("LoadImage", image="x")}, "shows no picture"),
        ({"1": node("SaveImage", images=["9", 0], filename_prefix="x")}, "node '9', which it does not have"),
        (
            {
                "1": node("EmptySD3LatentImage", width=1, height=1, batch_size=1),
                "2": node("SaveImage", images=["1", 0], filename_prefix="x"),
            },
            "No node loads a reference",
        ),
        (image_to_image() | {"2": node("LoadImage", "@refrence", image="x")}, "'@refrence', which names no place"),
        (image_to_image() | {"4": node("VAEEncode", "@reference", pixels=["2", 0], vae=["1", 2])}, "loads no picture"),
        (
            image_to_image() | {"6": node("VAEEncode", "@seed", pixels=["2", 0], vae=["1", 2])},
            "no input of the type INT",
        ),
    ],
)
def test_what_cannot_be_made_out_is_told(nodes, words):
    with pytest.raises(UsageError, match=words):
        find_places(Graph(nodes, SPECS))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"nodes": [], "links": [], "version": 0.4}', "as ComfyUI's page saves it"),
        ("[1]", "no workflow of ComfyUI"),
        ('{"1": {"inputs": {}}}', "no workflow of ComfyUI"),
        ("{}", "no workflow of ComfyUI"),
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        (None, "cannot be read"),
    ],
)
def test_files_that_are_no_workflows_are_refused_with_how_to_export_one(tmp_path: Path, text, words):
    path = tmp_path / "w.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=f"{words}.*Export"):
        read_workflow(path)
