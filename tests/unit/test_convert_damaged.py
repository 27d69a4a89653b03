"""Workflows that are damaged: converted, or refused in a sentence, and never anything else."""

from __future__ import annotations

import contextlib
import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_convert_workflows import _subgraph, _tagged
from workflows import inspire, loader, loaders_in_a_row, model_only

from lora_core.convert import convert, convert_back
from lora_core.errors import BadWorkflow

_CHAIN = loaders_in_a_row(loader("a.safetensors", 1, 1), model_only("b", 0.5), inspire("1," * 16 + "1"))
_TAGS = _tagged("a <lora:x:0.8>", "b <lora:y:1:lbw=OUTALL>")
_WHOLE = [_CHAIN.prompt(), _CHAIN.editor(), _TAGS.prompt(), _TAGS.editor(), _subgraph()]
_VALUES = [None, True, -1, 1e308, float("nan"), "", "x", "\ud800", [], {}, [1], ["1", 0], {"a": 1}, 10**30]

Step = str | int


def _places(value: Any, at: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*at, key)
        yield from _places(inner, (*at, key))


def _damaged(workflow: Any, chance: random.Random) -> Any:
    workflow = copy.deepcopy(workflow)
    for _ in range(chance.choice([1, 1, 2, 4])):
        *path, last = chance.choice([*_places(workflow)])
        holder = workflow
        for step in path:
            holder = holder[step]
        if chance.random() < 0.25:
            del holder[last]
        else:
            holder[last] = copy.deepcopy(chance.choice(_VALUES))
    return workflow


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("whole", _WHOLE, ids=["chain, API", "chain", "tags, API", "tags", "subgraph"])
def test_a_damaged_workflow_is_converted_or_refused(whole: Any, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(12):
        workflow = _damaged(whole, chance)
        for carry_out in (convert, lambda w: convert_back(w, lambda entry: entry.name)):
            with contextlib.suppress(BadWorkflow):
                json.dumps(carry_out(workflow).workflow)


def _first_link(**changed: Any) -> Any:
    workflow = _CHAIN.editor()
    fields = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    for name, value in changed.items():
        workflow["links"][0][fields.index(name)] = value
    return workflow


@pytest.mark.parametrize(
    ("workflow", "problem"),
    [
        (
            _first_link(target_slot=7),
            "the workflow has a wire to the inputs of node 2, which has no number 7",
        ),
        (_first_link(id=None), "a wire without id"),
        ({**_CHAIN.editor(), "last_node_id": "9"}, "a 'last_node_id' of another form than expected: 9"),
        (
            {**_CHAIN.editor(), "definitions": {"subgraphs": [{"id": "s"}]}},
            "subgraph 's' has no list of 'nodes'",
        ),
        (
            {"nodes": [{"id": 3, "type": "LoraLoader", "inputs": [{"link": 1}]}]},
            "node 3 has an input without name",
        ),
    ],
)
def test_what_is_damaged_is_said_with_its_place(workflow: Any, problem: str) -> None:
    with pytest.raises(BadWorkflow) as caught:
        convert(workflow)
    assert problem in str(caught.value)


@pytest.mark.parametrize("end", ["origin_id", "target_id"])
def test_a_wire_to_a_node_that_is_gone_stays_and_is_not_followed(end: str) -> None:
    workflow = _CHAIN.editor()
    number = 1 + len(workflow["links"])
    wire = [number, 1, 0, 2, 0, "MODEL"]
    wire[1 if end == "origin_id" else 3] = 99
    workflow["links"].append(wire)
    converted = convert(workflow)
    assert converted.done == convert(_CHAIN.editor()).done
    links = converted.workflow["links"]
    assert wire in links
    assert len({link[0] for link in links}) == len(links)


def test_an_input_whose_wire_is_gone_has_none() -> None:
    workflow = _CHAIN.editor()
    workflow["links"] = [link for link in workflow["links"] if link[3] != 2 or link[4] != 1]
    assert (
        "another node reads its CLIP, but nothing is connected to its CLIP input"
        in convert(workflow).left[0].reason
    )


def test_a_wire_from_an_output_no_node_has_is_no_wire() -> None:
    """And not a thing to count up to."""
    prompt = _CHAIN.prompt()
    prompt["3"]["inputs"]["model"] = ["2", 10**30]
    assert convert(prompt).workflow["3"]["inputs"]["model"] == ["2", 10**30]


def test_wires_an_output_has_forgotten_are_no_obstacle() -> None:
    workflow = _CHAIN.editor()
    for node in workflow["nodes"]:
        for output in node["outputs"]:
            output["links"] = None
    assert len(convert(workflow).done) == 1


def test_the_shipped_workflows_are_whole() -> None:
    for path in (Path(__file__).resolve().parents[2] / "example_workflows").glob("*.json"):
        assert convert(json.loads(path.read_text(encoding="utf-8"))).workflow
