"""Sliders and sweeps over HTTP: the shipped workflows, and pictures the host's loader makes alone."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from editor_format import to_prompt
from graphs import Graph, Link, demo_picture, load_demo, pictures, texts
from PIL import Image

from tools.dev.host_client import HostClient, HostError, Json

EXAMPLES = Path(__file__).resolve().parents[2] / "example_workflows"
STRENGTHS = (-2.0, 0.0, 2.0)
PROMPT = "day mountains lake"  # of demo_picture, as are the settings below


def seen(client: HostClient, image: Json) -> np.ndarray:
    data = client.view(image["filename"], image["subfolder"], image["type"])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=np.int16)


def images_of(outputs: Json) -> list[Json]:
    return [image for found in outputs.values() for image in found.get("images", [])]


def preview(graph: Graph, model: Link, clip: Link, vae: Link, **changed: Any) -> str:
    inputs = {
        "positive": PROMPT,
        "negative": "",
        "latent_image": [graph.add("EmptySD3LatentImage", width=128, height=128, batch_size=1), 0],
        "seed": 5,
        "steps": 6,
        "cfg": 2.5,
        "sampler_name": "euler",
        "scheduler": "simple",
        "denoise": 1.0,
        "slider": "detail",
        "lora_name": "auto",
        "values": "-2, 0, 2",
        "pick": 1.5,
    }
    return graph.add("LoraRackSliderPreview", model=model, clip=clip, vae=vae, **{**inputs, **changed})


def host_pictures(client: HostClient, name: str) -> list[np.ndarray]:
    """A slider at each of STRENGTHS by the host's LoraLoader, and at 1.5."""
    graph = Graph()
    model, clip, vae = load_demo(graph)
    for strength in (*STRENGTHS, 1.5):
        strengths = {"strength_model": strength, "strength_clip": strength}
        node = graph.add("LoraLoader", model=model, clip=clip, lora_name=f"{name}.safetensors", **strengths)
        demo_picture(graph, [node, 0], [node, 1], vae)
    return pictures(client, graph)


@pytest.mark.parametrize("slider", ["detail", "saturation", "brightness"])
def test_a_preview_shows_what_the_hosts_loader_paints(
    client: HostClient, record_property: Any, slider: str
) -> None:
    graph = Graph()
    model, clip, vae = load_demo(graph)
    node = preview(graph, model, clip, vae, slider=slider)
    applied = graph.add("LoraRackApply", model=model, clip=clip, stack=[node, 2], mismatch="error")
    demo_picture(graph, [applied, 0], [applied, 1], vae)
    shown = graph.show([node, 3])
    outputs = client.run(graph.nodes)["outputs"]
    frames = outputs[node]["lora_rack_frames"]
    assert [frame["strengths"] for frame in frames] == [[strength] for strength in STRENGTHS]
    assert outputs[node]["lora_rack_axes"] == [{"lora": f"add_{slider}.safetensors", "values": [*STRENGTHS]}]
    (sheet,) = outputs[node]["lora_rack_sheet"]
    assert seen(client, sheet).shape[1] > 3 * 128
    measured = json.loads(outputs[shown]["text"][0])
    assert [one["strengths"] for one in measured["pictures"]] == [[s] for s in STRENGTHS]
    assert measured["sampling"] == "all 3 strengths in one pass"
    assert measured["pictures"][0]["detail"] == frames[0]["measures"]["detail"]
    rises = {"brightness": "luma"}.get(slider, slider)
    assert measured["pictures"][0][rises] < measured["pictures"][1][rises] < measured["pictures"][2][rises]
    (picked,) = [image for image in images_of(outputs) if "demo" in image["filename"]]
    theirs = host_pictures(client, f"add_{slider}")
    ours = [*(seen(client, frame) for frame in frames), seen(client, picked)]
    differences = [int(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True)]
    record_property("largest_difference_of_255", max(differences))
    assert max(differences) <= 2, differences


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"values": "-2:2"}, "line 1, column 1: found '-2:2', expected one number, or from:to:count"),
        ({"slider": "other"}, "name the LoRA to preview"),
        ({"lora_name": "no_such"}, "no_such"),
    ],
)
def test_a_preview_that_cannot_be_is_refused_before_it_runs(
    client: HostClient, changed: Json, message: str
) -> None:
    graph = Graph()
    preview(graph, *load_demo(graph), **changed)
    with pytest.raises(HostError, match=message):
        client.run(graph.nodes)


def test_axes_that_cannot_be_are_refused_before_they_run(client: HostClient) -> None:
    graph = Graph()
    model, _, vae = load_demo(graph)
    latent = [graph.add("EmptySD3LatentImage", width=64, height=64, batch_size=1), 0]
    axes = "<lora:add_detail> -1, 1\n<lora:add_saturation> x"
    node = graph.add("LoraRackSweep", model=model, latent=latent, axes=axes)
    decoded = [graph.add("VAEDecode", samples=[node, 2], vae=vae), 0]
    graph.add("SaveImage", images=decoded, filename_prefix="x")
    with pytest.raises(HostError, match="line 2, column 23: found 'x', expected a number"):
        client.run(graph.nodes)


def test_sliders_at_0_leave_the_stack_as_it_is(client: HostClient) -> None:
    graph = Graph()
    auto = {f"{slider}_lora": "auto" for slider in ("detail", "saturation", "brightness")}
    below = graph.add("LoraRackStack", text="<lora:night_words:1>")
    for values in ((0.0, 0.0, 0.0), (1.0, 0.0, -0.5)):
        strengths = dict(zip(("detail", "saturation", "brightness"), values, strict=True))
        graph.show([graph.add("LoraRackSliders", stack=[below, 0], **strengths, **auto), 0])
    nothing, two = texts(client, graph)
    assert "night_words" in nothing
    assert "add_" not in nothing
    assert "add_detail" in two
    assert "add_brightness" in two
    assert "add_saturation" not in two


@pytest.mark.parametrize("name", ["lora_rack_slider_preview", "lora_rack_slider_grid", "lora_rack_sweep"])
def test_the_shipped_workflows_run(client: HostClient, name: str) -> None:
    workflow = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    outputs = client.run(to_prompt(workflow, client.get("/object_info")))["outputs"]
    found = [text for out in outputs.values() for text in out.get("text", []) if '"pictures"' in text]
    measured = json.loads(found[0])
    assert "one pass" in measured["sampling"]
    assert all(seen(client, image).std() > 5 for image in images_of(outputs))
    with Image.open(EXAMPLES / f"{name}.jpg") as thumbnail:
        assert thumbnail.size == (552, 552)
