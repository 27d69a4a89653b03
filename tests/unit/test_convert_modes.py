"""Conversions that keep what a node's mode says, its trigger words, and nodes of more packs."""

from __future__ import annotations

from typing import Any

import pytest
from test_convert import CR, MANAGER
from test_convert_workflows import _tagged
from test_workflow_rows import EASY
from workflows import Json, Workflow, both, loader, loaders_in_a_row, text_of, trace

from lora_core.convert import convert
from lora_core.grammar import write
from lora_core.workflows import rows_of

MUTED, BYPASSED = 2, 4


def _stacked(apply_type: str = "CR Apply LoRA Stack", named: Json | None = None) -> Workflow:
    """A checkpoint (1), a stacker (2), what applies it (3), and a sampler."""
    graph = Workflow()
    graph.add("CheckpointLoaderSimple", {}, {"ckpt_name": "m"})
    graph.add("CR LoRA Stack", {}, CR)
    wires = {"model": ("1", 0), "clip": ("1", 1), "lora_stack": ("2", 0)}
    values = [MANAGER] if named else None
    graph.add(apply_type, wires, named or {}, values)
    graph.add("KSampler", {"model": ("3", 0)}, {"seed": 1})
    return graph


def _made(workflow: Json, type: str) -> Json:
    (node,) = [node for node in workflow["nodes"] if node["type"] == type]
    return node


@pytest.mark.parametrize("mode", [BYPASSED])
def test_a_bypassed_apply_stays_bypassed(mode: int) -> None:
    graph = _stacked()
    graph.modes["3"] = mode
    converted = convert(graph.editor())
    assert _made(converted.workflow, "LoraRackApply")["mode"] == mode
    assert not any(row.enabled for row in rows_of(converted.workflow).stack.entries)


def test_a_bypassed_loader_that_takes_a_stack_leaves_that_off_too() -> None:
    graph = _stacked("Lora Loader (LoraManager)", {"loras": MANAGER})
    graph.modes["3"] = BYPASSED
    workflow = convert(graph.editor()).workflow
    assert _made(workflow, "LoraRackApply")["mode"] == BYPASSED
    assert not any(row.enabled for row in rows_of(workflow).stack.entries)


def test_a_bypassed_loader_with_a_stack_is_not_joined_to_one_that_runs() -> None:
    graph = _stacked("Lora Loader (LoraManager)", {"loras": MANAGER})
    graph.modes["3"] = BYPASSED
    graph.nodes["4"] = ("LoraLoader", {"model": ("3", 0), "clip": ("3", 1)}, ["x", 1, 1], {})
    graph.add("KSampler", {"model": ("4", 0)}, {"seed": 1})
    workflow = convert(graph.editor()).workflow
    modes = sorted(node["mode"] for node in workflow["nodes"] if node["type"] == "LoraRackApply")
    assert modes == [0, BYPASSED]


def test_a_bypassed_stacker_hands_on_what_it_takes_in_and_a_muted_one_stays_muted() -> None:
    graph = _stacked()
    graph.modes["2"] = BYPASSED
    workflow = convert(graph.editor()).workflow
    assert _made(workflow, "LoraRackStack")["mode"] == 0
    assert not any(row.enabled for row in rows_of(workflow).stack.entries)
    graph.modes["2"] = MUTED
    converted = convert(graph.editor())
    assert converted.left == ()
    rack = _made(converted.workflow, "LoraRackStack")
    assert rack["mode"] == MUTED
    assert rack["outputs"][0]["links"]


@pytest.mark.parametrize("modes", [{}, {"2": BYPASSED}, {"2": MUTED}, {"3": BYPASSED}])
def test_a_conversion_switches_nothing_on_or_off(modes: dict[str, int]) -> None:
    for graph in (_stacked(), _stacked("Lora Loader (LoraManager)", {"loras": MANAGER})):
        graph.modes.update(modes)
        workflow = graph.editor()
        before, after = (
            {(row.name, row.strength_model, row.enabled) for row in rows_of(found).stack.entries}
            for found in (workflow, convert(workflow).workflow)
        )
        assert before == after


def test_trigger_words_of_lora_manager_come_from_the_rack() -> None:
    graph = loaders_in_a_row(("Lora Loader (LoraManager)", {"loras": MANAGER}, [MANAGER]), loader("b", 1, 1))
    graph.add("PreviewAny", {"source": ("2", 2)}, {})
    prompt, conversion = both(graph)
    assert conversion.left == ()
    assert len(conversion.done) == 2  # the words are of the first loader alone
    preview = next(node for node in prompt.values() if node["class_type"] == "PreviewAny")
    assert trace(prompt, preview["inputs"]["source"]).startswith("LoraRackStack.1(text=<lora:a:")
    assert "trigger words" in conversion.done[0].notes[0]


def test_an_output_beyond_the_trigger_words_has_no_like() -> None:
    graph = loaders_in_a_row(("Lora Loader (LoraManager)", {"loras": MANAGER}, [MANAGER]))
    graph.add("PreviewAny", {"source": ("2", 3)}, {})
    assert "output 3 is connected" in both(graph)[1].left[0].reason


@pytest.mark.parametrize("tag", ["<hypernet:foo:1>", "<loractl:foo:1:hr=1>"])
def test_a_prompt_our_node_would_refuse_stays(tag: str) -> None:
    graph = _tagged(f"a lake <lora:ink:0.8> {tag}", "dull")
    prompt, conversion = both(graph)
    assert prompt == graph.prompt()
    assert "Prompt with LoRA Tags cannot read it" in conversion.left[0].reason


def test_a_tag_on_a_line_that_is_off_is_reported_as_off() -> None:
    _, conversion = both(_tagged("a lake <lora:a:1>\n# later <lora:b:1>", "dull"))
    assert conversion.done[0].text == "<lora:a:1>\n# <lora:b:1>"
    assert "is off now" in conversion.done[0].notes[0]


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (
            ("LoraLoaderBypass", {"lora_name": "a", "strength_model": 1, "strength_clip": 1}, None),
            "<lora:a:1>",
        ),
        (("PCLazyLoraLoader", {"text": "[<lora:a:1>::0.5]"}, None), "<lora:a:1:stop=0.5>"),
    ],
)
def test_loaders_of_more_packs(row: Any, text: str) -> None:
    assert text_of(both(loaders_in_a_row(row))[1]) == [text]


def test_the_stacks_of_easy_use_are_racks() -> None:
    graph = Workflow()
    graph.add("CheckpointLoaderSimple", {}, {"ckpt_name": "m"})
    graph.add("easy loraStack", {}, EASY)
    wires = {"model": ("1", 0), "optional_clip": ("1", 1), "lora_stack": ("2", 0)}
    graph.add("easy loraStackApply", wires, {})
    graph.add("KSampler", {"model": ("3", 0)}, {"seed": 1})
    prompt, conversion = both(graph)
    assert conversion.left == ()
    sampler = next(node for node in prompt.values() if node["class_type"] == "KSampler")
    assert "clip=CheckpointLoaderSimple.1" in trace(prompt, sampler["inputs"]["model"])
    assert "text=<lora:a.pt:0.5>" in trace(prompt, sampler["inputs"]["model"])


@pytest.mark.parametrize(
    ("type", "named", "reason"),
    [
        ("WanVideoLoraSelect", {"lora": "a", "strength": 1}, "WanVideoWrapper's own kind"),
        ("NunchakuFluxLoraLoader", {"lora_name": "a", "lora_strength": 1}, "Nunchaku's models"),
        ("CreateHookLora", {"lora_name": "a", "strength_model": 1, "strength_clip": 1}, "hook is attached"),
        ("Efficient Loader", {"lora_name": "a", "lora_model_strength": 1}, "loads the checkpoint as well"),
    ],
)
def test_what_no_rack_can_stand_for_stays_with_its_reason(type: str, named: Json, reason: str) -> None:
    graph = Workflow()
    graph.add(type, {}, named)
    conversion = convert(graph.prompt())
    assert conversion.done == ()
    assert reason in conversion.left[0].reason


def test_a_loader_of_a_checkpoint_without_a_lora_is_not_spoken_of() -> None:
    graph = Workflow()
    graph.add("Efficient Loader", {}, {"ckpt_name": "m", "lora_name": "None", "lora_model_strength": 1})
    assert convert(graph.prompt()).left == ()


def test_rows_written_by_a_conversion_are_those_the_reader_names() -> None:
    graph = loaders_in_a_row(loader("a", 1, 1), loader("b", 0.5, 0.25))
    workflow = graph.editor()
    assert write(rows_of(workflow).stack) == write(rows_of(convert(workflow).workflow).stack)
