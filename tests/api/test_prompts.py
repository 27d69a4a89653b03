"""Prompt with LoRA Tags over HTTP: the words reach the host's encoder as typed, the tags reach the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graphs import FAMILIES, Graph, Link, host_chain, pictures, sample, texts
from safetensors.torch import save_file
from torch import Generator, randn

from tools.dev.host_client import ExecutionFailed, HostClient, PromptRejected

SD15 = next(family for family in FAMILIES if family.name == "sd15")
FIRST, SECOND = "sd15/style_0", "sd15/style_1"


def _picture(graph: Graph, model: Link, clip: Link, positive: Any, negative: Any = "") -> None:
    """One step of SD1.5, the two prompts through the host's own encoder."""
    encoded = [[graph.add("CLIPTextEncode", clip=clip, text=text), 0] for text in (positive, negative)]
    latent = [graph.add("EmptyLatentImage", width=64, height=64, batch_size=1), 0]
    samples = [sample(graph, model, *encoded, latent, seed=3, steps=1, cfg=4.0), 0]
    shown = [graph.add("FixtureLatentPicture", samples=samples), 0]
    graph.add("SaveImage", images=shown, filename_prefix="prompt")


def _apply(graph: Graph, model: Link, clip: Link | None, stack: Link) -> tuple[Link, Link]:
    node = graph.add("LoraRackApply", model=model, clip=clip, stack=stack, mismatch="error")
    return [node, 0], [node, 1]


def _rejected(client: HostClient, text: str) -> list[dict[str, Any]]:
    graph = Graph()
    graph.show([graph.add("LoraRackPrompt", text=text), 0])
    with pytest.raises(PromptRejected) as caught:
        client.queue(graph.nodes)
    (errors,) = caught.value.node_errors.values()
    assert errors["class_type"] == "LoraRackPrompt"
    found: list[dict[str, Any]] = errors["errors"]
    return found


@pytest.mark.parametrize(
    ("tagged", "typed"),
    [
        (f"a lake, <lora:{FIRST}:0.5:0.8>, (night:1.3) BREAK \\(a\\)", "a lake, (night:1.3) BREAK \\(a\\)"),
        (f"<lora:{FIRST}:unet=0.8:te=0.5>\nembedding:none [x|y:0.5], <3", "embedding:none [x|y:0.5], <3"),
    ],
)
def test_a_tagged_prompt_paints_what_loader_and_plain_prompt_paint(
    client: HostClient, tagged: str, typed: str
) -> None:
    graph = Graph()
    model, clip = SD15.load(graph)
    assert clip is not None
    prompt = graph.add("LoraRackPrompt", text=tagged)
    _picture(graph, *_apply(graph, model, clip, [prompt, 1]), [prompt, 0])
    host_model, host_clip = host_chain(graph, model, clip, [(f"{FIRST}.safetensors", 0.8, 0.5)])
    assert host_clip is not None
    _picture(graph, host_model, host_clip, typed)
    _picture(graph, model, clip, typed)
    graph.show([prompt, 0])
    ours, theirs, plain = pictures(client, graph)
    assert np.abs(ours - theirs).max() <= 1
    assert np.abs(theirs - plain).max() > 1, "this LoRA changes nothing, so equality says nothing"
    assert texts(client, graph) == [typed]


def test_positive_and_negative_chain_their_stacks(client: HostClient) -> None:
    graph = Graph()
    model, clip = SD15.load(graph)
    assert clip is not None
    positive = graph.add("LoraRackPrompt", text=f"a lake <lora:{FIRST}:0.8>")
    negative = graph.add("LoraRackPrompt", text=f"<lora:{SECOND}:-0.5> night", stack=[positive, 1])
    _picture(graph, *_apply(graph, model, clip, [negative, 1]), [positive, 0], [negative, 0])
    rack = graph.add("LoraRackStack", text=f"<lora:{FIRST}:0.8>\n<lora:{SECOND}:-0.5>")
    _picture(graph, *_apply(graph, model, clip, [rack, 0]), "a lake", "night")
    _picture(graph, model, clip, "a lake", "night")
    by_tags, by_rack, plain = pictures(client, graph)
    assert np.array_equal(by_tags, by_rack)
    assert not np.array_equal(by_tags, plain)


def test_bare_names_of_embeddings_are_an_option(client: HostClient, base: Path) -> None:
    folder = base / "models" / "embeddings" / "styles"
    folder.mkdir(parents=True)
    vectors = 0.3 * randn(2, 768, generator=Generator().manual_seed(1))
    save_file({"emb_params": vectors}, folder / "RackWords.safetensors")
    graph = Graph()
    model, clip = SD15.load(graph)
    assert clip is not None
    text = "a lake,(rackwords,night:1.3)"
    on = graph.add("LoraRackPrompt", text=text, embeddings=True)
    off = graph.add("LoraRackPrompt", text=text)
    graph.show([on, 0])
    graph.show([off, 0])
    for positive in ([on, 0], "a lake,(embedding:RackWords ,night:1.3)", [off, 0], text):
        _picture(graph, model, clip, positive)
    bare, prefixed, untouched, typed = pictures(client, graph)
    assert np.array_equal(bare, prefixed)
    assert np.array_equal(untouched, typed)
    assert np.abs(bare - typed).max() > 1
    assert texts(client, graph) == ["a lake,(embedding:RackWords ,night:1.3)", text]


def test_all_bad_tags_are_refused_at_once_with_their_places(client: HostClient) -> None:
    text = f"a lake <lora:{FIRST}:strong>, <lora:sd15/stile_1:1>\n"
    text += f"night <lora:{FIRST}:1> <lora:zzzzzzzz>\n<lora:x"
    (error,) = _rejected(client, text)
    assert error["type"] == "custom_validation_failed"
    assert error["extra_info"]["input_name"] == "text"
    lines = error["details"].removeprefix("text - ").splitlines()
    assert lines[0] == "line 1, column 27: found 'strong', expected a number such as 0.8 or -1"
    assert lines[1].startswith("line 1, column 36: ")
    assert "'sd15/stile_1'" in lines[1]
    assert "sd15/style_1.safetensors" in lines[1]
    assert lines[2].startswith("line 2, column 29: ")
    assert "'zzzzzzzz'" in lines[2]
    assert lines[3].startswith("line 3, column 8: found the end of the line, expected '>'")
    assert len(lines) == 4


def test_a_tag_on_a_line_with_a_hash_may_name_what_is_not_here(client: HostClient) -> None:
    graph = Graph()
    graph.show([graph.add("LoraRackPrompt", text="a lake\n# <lora:not_here:1>"), 0])
    assert texts(client, graph) == ["a lake"]


@pytest.mark.parametrize("class_type", ["LoraRackLoad", "LoraRackAdd"])
def test_a_window_the_wrong_way_round_says_so(client: HostClient, class_type: str) -> None:
    graph = Graph()
    inputs: dict[str, Any] = {
        "lora_name": f"{FIRST}.safetensors",
        "strength_model": 1.0,
        "strength_clip": 1.0,
    }
    if class_type == "LoraRackLoad":
        inputs["model"] = SD15.load(graph)[0]
    graph.show([graph.add(class_type, **inputs, start=0.7, stop=0.2), 1])
    with pytest.raises(PromptRejected, match=r"start 0\.7 comes after stop 0\.2"):
        client.queue(graph.nodes)


def test_a_window_known_by_one_end_is_checked_when_it_runs(client: HostClient) -> None:
    inputs = {"lora_name": f"{FIRST}.safetensors", "strength_model": 1.0, "strength_clip": 1.0}
    graph = Graph()
    stop = [graph.add("PrimitiveFloat", value=0.2), 0]
    graph.show([graph.add("LoraRackAdd", **inputs, start=0.7, stop=stop), 1])
    with pytest.raises(ExecutionFailed, match=r"start 0\.7 comes after stop 0\.2"):
        client.run(graph.nodes)
    graph.nodes["1"]["inputs"]["value"] = 0.9
    client.run(graph.nodes)


def test_a_window_out_of_range_is_refused_typed_and_over_a_wire(client: HostClient) -> None:
    inputs = {"lora_name": f"{FIRST}.safetensors", "strength_model": 1.0, "strength_clip": 1.0}
    typed = Graph()
    typed.show([typed.add("LoraRackAdd", **inputs, stop=10.0), 1])
    with pytest.raises(PromptRejected, match="stop is 10, expected a fraction of the sampling from 0 to 1"):
        client.queue(typed.nodes)
    wired = Graph()
    ten = [wired.add("PrimitiveFloat", value=10.0), 0]
    wired.show([wired.add("LoraRackAdd", **inputs, stop=ten), 1])
    with pytest.raises(ExecutionFailed, match="expected a fraction of the sampling from 0 to 1"):
        client.run(wired.nodes)
