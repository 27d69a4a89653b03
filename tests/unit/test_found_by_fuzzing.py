"""What 50,000 hostile cases found: the smallest input of each, and what is right."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lora_core.convert import convert
from lora_core.library import Index
from lora_core.reading import PartialLora, read_file, read_lora
from lora_core.workflows import rows_in_text


def test_an_alpha_no_formula_uses_may_have_any_shape(tmp_path: Path) -> None:
    halves = {"x.to_q.lokr_w1": torch.ones(2, 2), "x.to_q.lokr_w2": torch.ones(4, 4)}
    path = tmp_path / "a.safetensors"
    save_file({**halves, "x.to_q.alpha": torch.ones(2)}, path)
    assert [*PartialLora(path).outline.layers] == [*read_lora(read_file(path)).layers] == ["x.to_q"]


@pytest.mark.parametrize("number", ["9" * 5_000, "٣", "²", "007"])
def test_a_nodes_number_is_no_number_to_count_on_from(number: str) -> None:
    loader = {"class_type": "LoraLoader", "inputs": {"lora_name": "a", "model": ["1", 0], "clip": ["1", 1]}}
    prompt = {number: {**loader, "inputs": {**loader["inputs"], "strength_model": 1, "strength_clip": 1}}}
    prompt["1"] = {"class_type": "CheckpointLoaderSimple", "inputs": {}}
    made = convert(prompt).workflow
    assert {"1"} < made.keys()
    assert any(node["class_type"] == "LoraRackStack" for node in made.values())
    nodes = {"nodes": [{"id": number, "type": "LoraLoader", "widgets_values": ["a", 1, 1]}], "links": []}
    assert len(rows_in_text(json.dumps(nodes)).stack.rows) <= 1


def test_an_index_whose_names_are_no_text_is_made_anew(tmp_path: Path) -> None:
    path, database = tmp_path / "a.safetensors", tmp_path / "index.sqlite3"
    save_file({"x.to_q.lora_up.weight": torch.ones(2, 2), "x.to_q.lora_down.weight": torch.ones(2, 2)}, path)
    index = Index(database)
    index.refresh([path])
    index.close()
    connection = sqlite3.connect(database)
    connection.execute("pragma writable_schema = on")
    connection.execute("update sqlite_master set sql = cast(x'637265617465207461626c652080' as text)")
    connection.commit()
    connection.close()
    index = Index(database)
    assert path in index.facts_of([path])
    assert len(index.notes) == 1
    index.close()
