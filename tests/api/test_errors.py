"""Nonsense in, a clear answer out: in node_errors before anything runs, or on the node that failed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from graphs import FAMILIES, Graph, ours, texts

from tools.dev.host_client import ExecutionFailed, HostClient, PromptRejected

SD3 = next(family for family in FAMILIES if family.name == "sd3")


@pytest.fixture(scope="module", autouse=True)
def _twins(loras: Path) -> None:
    """Two files of one stem, before any of these tests asks for it."""
    for folder in ("a", "b"):
        (loras / folder).mkdir()
        shutil.copy(loras / "sd3" / "style_0.safetensors", loras / folder / "twin.safetensors")


def _rejected(client: HostClient, graph: Graph) -> dict[str, list[dict[str, Any]]]:
    """What the host refuses, by node class."""
    with pytest.raises(PromptRejected) as caught:
        client.queue(graph.nodes)
    return {errors["class_type"]: errors["errors"] for errors in caught.value.node_errors.values()}


def _rack(text: str) -> Graph:
    graph = Graph()
    model, _ = SD3.load(graph)
    our_model, _, _ = ours(graph, model, None, text)
    SD3.picture(graph, our_model, None)
    return graph


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "<lora:sd3/style_0:1>\n<lora:stile_1:1>",
            ["line 2, column 1", "'stile_1'", "sd3/style_1.safetensors"],
        ),
        ("<lora:twin:1>", ["line 1, column 1", "a/twin.safetensors", "b/twin.safetensors"]),
        ("<lora:zzzzzzzz:1>", ["line 1, column 1", "'zzzzzzzz'", "put the file into a loras folder"]),
        ("<lora:no_1:1>\n<lora:no_2:x>", ["line 1, column 1", "'no_1'", "line 2, column 12", "'x'"]),
        ("\n<lora:sd3/style_0:strong>", ["line 2, column 19", "'strong'", "a number"]),
        ("add_detail:0.8", ["line 1, column 1", "a tag like <lora:name:0.8>"]),
    ],
)
def test_a_bad_rack_is_refused_with_row_and_candidates(
    client: HostClient, text: str, parts: list[str]
) -> None:
    (error,) = _rejected(client, _rack(text))["LoraRackStack"]
    assert error["type"] == "custom_validation_failed"
    assert error["extra_info"]["input_name"] == "text"
    for part in parts:
        assert part in error["details"]


def test_a_row_that_is_off_may_name_what_is_not_here(client: HostClient) -> None:
    assert client.run(_rack("# <lora:not_here:1>").nodes)


@pytest.mark.parametrize("class_type", ["LoraRackLoad", "LoraRackAdd"])
def test_a_missing_combo_name_is_refused_with_candidates(client: HostClient, class_type: str) -> None:
    graph = Graph()
    model, _ = SD3.load(graph)
    inputs = {"lora_name": "sd3/stile_1.safetensors", "strength_model": 1.0, "strength_clip": 1.0}
    if class_type == "LoraRackLoad":
        node = graph.add(class_type, model=model, **inputs)
        SD3.picture(graph, [node, 0], None)
    else:
        node = graph.add(class_type, **inputs)
        apply = graph.add("LoraRackApply", model=model, stack=[node, 0], mismatch="error")
        SD3.picture(graph, [apply, 0], None)
    (error,) = _rejected(client, graph)[class_type]
    assert error["extra_info"]["input_name"] == "lora_name"
    assert "sd3/style_1.safetensors" in error["details"]


@pytest.mark.parametrize("name", ["sd3/style_0.safetensors", "sd3\\style_0.safetensors", "sd3\\style_0"])
@pytest.mark.parametrize("class_type", ["LoraRackLoad", "LoraRackAdd", "LoraRackStack"])
def test_both_separators_mean_the_same_file(client: HostClient, class_type: str, name: str) -> None:
    graph = Graph()
    model, _ = SD3.load(graph)
    inputs = {"lora_name": name, "strength_model": 1.0, "strength_clip": 1.0}
    if class_type == "LoraRackLoad":
        graph.show([graph.add(class_type, model=model, **inputs), 2])
    elif class_type == "LoraRackAdd":
        graph.show([graph.add(class_type, **inputs), 1])
    else:
        graph.show([graph.add(class_type, text=f"<lora:{name}:1>"), 1])
    assert texts(client, graph) == [""]


@pytest.mark.parametrize(("field", "value"), [("strength_model", 101.0), ("strength_clip", "much")])
def test_a_strength_out_of_range_is_the_hosts_to_refuse(client: HostClient, field: str, value: Any) -> None:
    graph = Graph()
    inputs = {
        "lora_name": "sd3/style_0.safetensors",
        "strength_model": 1.0,
        "strength_clip": 1.0,
        field: value,
    }
    graph.show([graph.add("LoraRackAdd", **inputs), 1])
    (error,) = _rejected(client, graph)["LoraRackAdd"]
    assert error["extra_info"]["input_name"] == field


_NODES = (
    "LoraRackLoad",
    "LoraRackAdd",
    "LoraRackBlocks",
    "LoraRackInspect",
    "LoraRackStack",
    "LoraRackPrompt",
)


def _node(class_type: str, **changed: Any) -> Graph:
    """A graph of one of our nodes with some inputs not as they should be."""
    graph = Graph()
    inputs: dict[str, Any] = {"lora_name": "sd3/style_0.safetensors"}
    if class_type in ("LoraRackLoad", "LoraRackAdd"):
        inputs |= {"strength_model": 1.0, "strength_clip": 1.0}
    if class_type in ("LoraRackStack", "LoraRackPrompt"):
        inputs = {"text": ""}
    if class_type == "LoraRackBlocks":
        inputs |= {"blocks": ""}
    if class_type == "LoraRackLoad":
        inputs |= {"model": SD3.load(graph)[0]}
    graph.show([graph.add(class_type, **inputs | changed), 2 if class_type == "LoraRackLoad" else 0])
    return graph


@pytest.mark.parametrize("value", [True, 3, {"a": 1}, "\ud800", "\0", "../../etc/passwd", "x" * 5000])
@pytest.mark.parametrize("class_type", _NODES[:4])
def test_what_is_no_name_is_refused_in_a_sentence(client: HostClient, class_type: str, value: Any) -> None:
    found = _rejected(client, _node(class_type, lora_name=value))[class_type]
    assert {error["type"] for error in found} == {"custom_validation_failed"}
    assert (
        "expected the name of a LoRA file" in found[0]["details"]
        or "no LoRA is called" in found[0]["details"]
    )


@pytest.mark.parametrize("class_type", _NODES)
def test_a_list_for_a_text_is_the_hosts_to_refuse(client: HostClient, class_type: str) -> None:
    fields = {"LoraRackStack": "text", "LoraRackPrompt": "text", "LoraRackInspect": "lora_name"}
    field = fields.get(class_type, "blocks")
    found = _rejected(client, _node(class_type, **{field: ["a"]}))[class_type]
    assert not any("exception" in error["type"] for error in found)


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        ("soon", "invalid_input_type"),
        (-0.5, "expected a fraction of the sampling"),
        (["a"], "bad_linked_input"),
    ],
)
def test_an_end_of_a_window_that_is_none(client: HostClient, value: Any, answer: str) -> None:
    found = _rejected(client, _node("LoraRackAdd", start=value))["LoraRackAdd"]
    assert any(answer in error["type"] + error["details"] for error in found)
    assert not any("exception" in error["type"] for error in found)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("strength_model", float("nan"), "strength_model is nan, expected a finite number"),
        ("lora_name", None, "lora_name is None, expected the name of a LoRA file"),
    ],
)
def test_what_the_host_lets_through_stops_the_node(
    client: HostClient, field: str, value: Any, message: str
) -> None:
    error = _failed(client, _node("LoraRackAdd", **{field: value}))
    assert error.exception_type.endswith("BadInput")
    assert message in error.message


def _failed(client: HostClient, graph: Graph) -> ExecutionFailed:
    with pytest.raises(ExecutionFailed) as caught:
        client.run(graph.nodes)
    return caught.value


def test_a_lora_for_another_model_stops_the_run_and_says_why(client: HostClient) -> None:
    error = _failed(client, _rack("<lora:sd3/style_0:1>\n<lora:sd15/style_0:1>"))
    assert error.node_type == "LoraRackApply"
    assert error.exception_type.endswith("OtherFamily")
    for part in (
        "sd15/style_0.safetensors: made for Stable Diffusion 1",
        "the model is Stable Diffusion 3; 0 of ",
        "Connect a model of its family",
    ):
        assert part in error.message


def test_with_warn_what_fits_is_applied_and_the_rest_is_one_line(client: HostClient) -> None:
    graph = Graph()
    model, _ = SD3.load(graph)
    _, _, report = ours(graph, model, None, "<lora:sd3/style_0:1>\n<lora:sd15/style_0:1>", mismatch="warn")
    graph.show(report)
    (text,) = texts(client, graph)
    assert "sd15/style_0.safetensors at 1: 0 of " in text
    assert len(text.splitlines()) == 4  # one that fits and its blocks, one that does not, the cache


def test_a_truncated_file_is_named_with_its_key(client: HostClient, loras: Path) -> None:
    whole = (loras / "sd3" / "style_0.safetensors").read_bytes()
    (loras / "truncated.safetensors").write_bytes(whole[:-100])
    error = _failed(client, _rack("<lora:truncated:1>"))
    assert error.exception_type.endswith("BrokenFile")
    for part in ("truncated.safetensors", "key 'lora_unet_", "Download or copy the file again"):
        assert part in error.message


def test_a_checkpoint_among_the_loras_is_recognised(client: HostClient, base: Path, loras: Path) -> None:
    (loras / "checkpoint.safetensors").hardlink_to(base / "models" / "checkpoints" / "sd15.safetensors")
    error = _failed(client, _rack("<lora:checkpoint:1>"))
    assert error.exception_type.endswith("NotALora")
    assert "models/checkpoints" in error.message


def test_after_an_error_the_next_queue_is_right(client: HostClient) -> None:
    _failed(client, _rack("<lora:sd15/style_0:1>"))
    assert client.run(_rack("<lora:sd3/style_0:1>").nodes)["status"]["status_str"] == "success"


@pytest.mark.parametrize(
    ("type", "missing"),
    [
        ("LoraRackStack", "text"),
        ("LoraRackPrompt", "text"),
        ("LoraRackAdd", "lora_name"),
        ("LoraRackSweep", "axes"),
        ("LoraRackSliderPreview", "values"),
    ],
)
def test_an_input_left_out_is_named_in_the_hosts_own_words(
    client: HostClient, type: str, missing: str
) -> None:
    graph = Graph()
    graph.show((graph.add(type), 0))
    errors = _rejected(client, graph)[type]
    assert missing in [
        error["extra_info"]["input_name"] for error in errors if error["type"] == "required_input_missing"
    ]
    assert not any("VALIDATE_INPUTS" in str(error) for error in errors)


def test_without_a_stack_the_model_is_as_it_came(client: HostClient) -> None:
    graph = Graph()
    model, _ = SD3.load(graph)
    apply = graph.add("LoraRackApply", model=model, mismatch="error")
    graph.show((apply, 2))
    (report,) = texts(client, graph)
    assert report.startswith("nothing to apply")
