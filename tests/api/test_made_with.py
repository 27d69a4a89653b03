"""Pictures say which LoRAs they were made with: read back by the pack, by its command, and by Pillow."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from graphs import FAMILIES, Graph, load_demo, ours, texts
from PIL import Image

from lora_core.cli import main
from tools.dev.host_client import HostClient
from tools.dev.host_server import HostServer

Json = dict[str, Any]
SD3 = next(family for family in FAMILIES if family.name == "sd3")


def hash_of(loras: Path, name: str) -> str:
    """AutoV2, computed here."""
    return hashlib.sha256((loras / f"{name}.safetensors").read_bytes()).hexdigest()[:10]


def saved(client: HostClient, graph: Graph, **how: Any) -> list[bytes]:
    """The files of the graph's savers, in the order of its nodes."""
    prompt = client.queue(graph.nodes, **how)
    outputs = client.wait(prompt)["outputs"]
    return [
        client.view(image["filename"], image["subfolder"], image["type"])
        for node in graph.nodes
        if node in outputs
        for image in outputs[node].get("images", [])
    ]


def record(picture: bytes) -> list[Json]:
    """By a reader that is not ours: Pillow."""
    said = json.loads(Image.open(io.BytesIO(picture)).info["lora_rack"])
    assert said["version"] == 1
    return list(said["applied"])


def rows(server: HostServer, data: bytes) -> list[str]:
    """What the page is told when the picture is dropped."""
    headers = {"Content-Type": "application/octet-stream"}
    request = urllib.request.Request(f"http://{server.address}/lora_rack/stack_in_file", data, headers)
    with urllib.request.urlopen(request) as answer:
        return [row["text"] for row in json.load(answer)["rows"]]


def test_a_picture_holds_the_stack_that_was_applied(
    client: HostClient, server: HostServer, loras: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "<lora:style_1:0.5:lbw=J00-01=0.5:start=0.2>\n# <lora:gone:1>\n<lora:sd3/style_2:unet=1:te=0.25>"
    shutil.copy(loras / "sd3" / "style_1.safetensors", loras / "style_1.safetensors")
    graph = Graph()
    model, _ = SD3.load(graph)
    SD3.picture(graph, ours(graph, model, None, text)[0], None)
    (picture,) = saved(client, graph)
    one, two = hash_of(loras, "style_1"), hash_of(loras, "sd3/style_2")
    expected = [
        f"<lora:style_1.safetensors:0.5:lbw=J00-01=0.5:start=0.2:hash={one}>",
        "# <lora:gone:1>",
        f"<lora:sd3/style_2.safetensors:unet=1:te=0.25:hash={two}>",
    ]
    (node,) = record(picture)
    assert node["stack"].splitlines() == expected
    assert (node["node"], node["type"]) == ("3", "LoraRackApply")
    assert rows(server, picture) == expected
    (tmp_path / "a.png").write_bytes(picture)
    assert main(["read", str(tmp_path / "a.png")]) == 0
    assert capsys.readouterr().out.splitlines() == expected
    assert len(json.dumps(node)) < 3 * 1024


def test_a_node_that_did_not_run_again_is_in_the_picture(client: HostClient) -> None:
    graph = Graph()
    model, _ = SD3.load(graph)
    model = ours(graph, model, None, "<lora:sd3/style_3:0.75>")[0]
    SD3.picture(graph, model, None, seed=1)
    (first,) = saved(client, graph)
    sampler = next(node for node in graph.nodes.values() if node["class_type"] == "KSampler")
    sampler["inputs"]["seed"] = 2
    waiting = [client.queue(graph.nodes)]  # two in the queue before either has run
    saver = next(node for node in graph.nodes.values() if node["class_type"] == "SaveImage")
    saver["inputs"]["filename_prefix"] = "again"  # nothing but the saver runs
    waiting.append(client.queue(graph.nodes))
    for prompt in waiting:
        entry = client.wait(prompt)
        (image,) = [image for out in entry["outputs"].values() for image in out.get("images", [])]
        picture = client.view(image["filename"], image["subfolder"], image["type"])
        assert record(picture) == record(first)
        assert dict(entry["status"]["messages"])["execution_cached"]["nodes"]


def test_each_picture_names_what_stands_above_it(client: HostClient, loras: Path) -> None:
    graph = Graph()
    model, _ = SD3.load(graph)
    low = ours(graph, model, None, "<lora:sd3/style_0:0.5>")[0]
    high = graph.add(
        "LoraRackLoad", model=low, lora_name="sd3/style_1", strength_model=2.0, strength_clip=1.0
    )
    SD3.picture(graph, [high, 0], None)
    SD3.picture(graph, ours(graph, model, None, "<lora:sd3/style_2:1>")[0], None)
    SD3.picture(graph, model, None, seed=9)
    chained, other, plain = saved(client, graph)
    assert [node["type"] for node in record(chained)] == ["LoraRackApply", "LoraRackLoad"]
    hash = hash_of(loras, "sd3/style_1")
    assert record(chained)[1]["stack"] == f"<lora:sd3/style_1.safetensors:unet=2:te=1:hash={hash}>"
    assert [node["stack"][:17] for node in record(other)] == ["<lora:sd3/style_2"]
    assert record(plain) == []


def test_strengths_that_come_over_wires_are_those_of_each_run(client: HostClient) -> None:
    graph = Graph()
    model, _ = SD3.load(graph)
    strengths = [graph.add("FixtureFloats", values="0.25, 0.5"), 0]
    added = graph.add("LoraRackAdd", lora_name="sd3/style_4", strength_model=strengths, strength_clip=1.0)
    apply = graph.add("LoraRackApply", model=model, stack=[added, 0], mismatch="error")
    SD3.picture(graph, [apply, 0], None)
    said = [record(picture)[0]["stack"] for picture in saved(client, graph)]
    assert [text.split("unet=")[1].split(":")[0] for text in said] == ["0.25", "0.5"]


def test_the_workflow_that_the_page_sends_stays_beside_it(client: HostClient, server: HostServer) -> None:
    graph = Graph()
    model, _ = SD3.load(graph)
    chain = graph.add(
        "LoraLoaderModelOnly", model=model, lora_name="sd3/style_5.safetensors", strength_model=0.5
    )
    SD3.picture(graph, ours(graph, [chain, 0], None, "<lora:sd3/style_6:1>")[0], None)
    extra = {"extra_pnginfo": {"workflow": {"nodes": [], "id": "x"}}}
    (picture,) = saved(client, graph, extra_data=extra)
    info = Image.open(io.BytesIO(picture)).info
    assert json.loads(info["workflow"])["id"] == "x"
    assert set(info) == {"prompt", "workflow", "lora_rack"}
    # The host's own loader is named too, and nothing twice.
    names = [row.split(":")[1] for row in rows(server, picture)]
    assert names == ["sd3/style_5.safetensors", "sd3/style_6.safetensors"]


def test_apply_gives_the_words_of_a1111_and_of_civitai(client: HostClient, loras: Path) -> None:
    (loras / "known.civitai.info").write_text(
        json.dumps({"id": 77, "modelId": 7, "model": {"name": "Known"}}), encoding="utf-8"
    )
    shutil.copy(loras / "sd3" / "style_0.safetensors", loras / "known.safetensors")
    graph = Graph()
    model, _ = SD3.load(graph)
    text = "<lora:known:unet=0.8:te=0.3>\n# <lora:off:1>\n<lora:sd3/style_1:1>"
    _, _, report = ours(graph, model, None, text)
    graph.show([report[0], 3])
    graph.show([report[0], 4])
    infotext, resources = sorted(text for text in texts(client, graph) if "cache:" not in text)
    tags, hashes = infotext.splitlines()
    assert tags == "<lora:known:0.3:0.8> <lora:style_1:1>"
    tensors = [_autov3(loras / f"{name}.safetensors") for name in ("known", "sd3/style_1")]
    assert hashes == f'Lora hashes: "known: {tensors[0]}, style_1: {tensors[1]}"'
    assert json.loads(resources) == [
        {
            "type": "lora",
            "weight": 0.8,
            "modelVersionId": 77,
            "modelName": "known",
            "hash": hash_of(loras, "known"),
        },
        {"type": "lora", "weight": 1, "modelName": "style_1", "hash": hash_of(loras, "sd3/style_1")},
    ]


def test_previews_and_their_frames_say_it_too(client: HostClient, server: HostServer, loras: Path) -> None:
    graph = Graph()
    model, clip, vae = load_demo(graph)
    latent = [graph.add("EmptySD3LatentImage", width=64, height=64, batch_size=1), 0]
    rack = graph.add("LoraRackStack", text="<lora:add_saturation:0.5>")
    preview = graph.add(
        "LoraRackSliderPreview",
        **{
            "model": model,
            "clip": clip,
            "vae": vae,
            "positive": "day lake",
            "negative": "",
            "latent_image": latent,
        },
        **{"seed": 1, "steps": 1, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0},
        **{"slider": "detail", "lora_name": "auto", "values": "-1, 1", "pick": 0.5, "stack": [rack, 0]},
    )
    graph.add("SaveImage", images=[preview, 1], filename_prefix="sheet")
    outputs = client.run(graph.nodes)["outputs"]
    below = f"<lora:add_saturation.safetensors:0.5:hash={hash_of(loras, 'add_saturation')}>"
    slider = f"hash={hash_of(loras, 'add_detail')}>"
    frames = outputs[preview]["lora_rack_frames"]
    for frame, strength in zip(frames, (-1, 1), strict=True):
        picture = client.view(frame["filename"], frame["subfolder"], frame["type"])
        expected = [below, f"<lora:add_detail.safetensors:{strength}:{slider}"]
        assert rows(server, picture) == expected
    (sheet,) = [image for out in outputs.values() for image in out.get("images", [])]
    (node,) = record(client.view(sheet["filename"], sheet["subfolder"], sheet["type"]))
    assert node["stack"].splitlines() == [below, f"<lora:add_detail.safetensors:0.5:{slider}"]
    assert node["axes"] == f"<lora:add_detail.safetensors:1:{slider} -1, 1"


def _autov3(path: Path) -> str:
    data = path.read_bytes()
    return hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()[:12]
