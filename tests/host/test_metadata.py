"""What a file says of itself goes on with the model, as the host's loaders of 0.28 and later hand it on."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import threading
from pathlib import Path
from typing import Any

import comfy.sd
import layouts
import lora_files
import pytest
import torch
from patching import host_chain, our_stack
from test_equality import kohya_tensors

SAID = {"a": {"reference_downscale_factor": "2"}, "b": {"reference_downscale_factor": "3"}, "c": None}
# Stack → whose metadata the model carries after it.
STACKS = {
    "one": ([("a", 0.8, 0.0)], "a"),
    "the last of two": ([("a", 0.8, 0.0), ("b", 0.5, 0.0)], "b"),
    "the last that says something": ([("b", 0.8, 0.0), ("a", 0.5, 0.0), ("c", 1.0, 0.0)], "a"),
    "on the text encoder alone": ([("a", 0.8, 0.0), ("b", 0.0, 0.7)], "b"),
    "off": ([("a", 0.8, 0.0), ("b", 0.0, 0.0)], "a"),
}


@pytest.fixture
def model(lora_folder: Path) -> tuple[Any, Any]:
    """SD1.5 and its text encoder, and three files that differ in what they say."""
    model, clip = layouts.load("sd15", torch.float32)
    for seed, (name, metadata) in enumerate(SAID.items()):
        tensors = kohya_tensors("sd15", model, clip, seed)
        lora_files.save(lora_folder / f"{name}.safetensors", tensors, metadata)
    return model, clip


@pytest.mark.parametrize("mode", ["merged", "live"])
@pytest.mark.parametrize("name", STACKS)
def test_the_model_carries_what_the_last_file_says(
    pack: Any, model: tuple[Any, Any], name: str, mode: str
) -> None:
    rows, last = STACKS[name]
    ours, clip, _ = our_stack(pack, *model, rows, mode=mode)
    assert ours.attachments["lora_metadata"] == SAID[last]
    assert clip.patcher.attachments.get("lora_metadata") in (SAID[last], None)
    if "lora_metadata" in inspect.signature(comfy.sd.load_lora_for_models).parameters:
        theirs, their_clip = host_chain(*model, [(f"{row}.safetensors", m, c) for row, m, c in rows])
        assert ours.attachments == theirs.attachments
        assert their_clip.patcher.attachments["lora_metadata"] == SAID[last]
    assert "lora_metadata" not in model[0].attachments


def test_a_sweep_carries_what_its_lora_says(pack: Any, model: tuple[Any, Any]) -> None:
    prepare = pack.NODE_CLASS_MAPPINGS["LoraRackSweep"]().prepare
    stack, _ = pack.NODE_CLASS_MAPPINGS["LoraRackStack"]().build("<lora:a:0.5>")
    swept, *_ = prepare(model[0], {"samples": torch.zeros(1, 4, 8, 8)}, "<lora:b> -1, 1", None, stack)
    assert swept.attachments["lora_metadata"] == SAID["b"]


def test_files_that_say_nothing_change_nothing(pack: Any, model: tuple[Any, Any]) -> None:
    ours, _, _ = our_stack(pack, *model, [("c", 0.8, 0.0)])
    assert "lora_metadata" not in ours.attachments


def test_a_new_file_is_hashed_while_the_graph_goes_on(
    pack: Any, lora_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is there before the hashes are; who asks for them waits."""
    made_with = importlib.import_module(f"{pack.__name__}.nodes.host.made_with")
    model, _ = layouts.load("sd15", torch.float32)
    lora_files.save(lora_folder / "new.safetensors", kohya_tensors("sd15", model, None, 7))
    may_read = threading.Event()
    measure = made_with.INDEX.measure

    def waits(path: Path) -> Any:
        assert may_read.wait(30)
        return measure(path)

    monkeypatch.setattr(made_with.INDEX, "measure", waits)
    try:
        loaded, _, _ = pack.NODE_CLASS_MAPPINGS["LoraRackLoad"]().load(model, "new.safetensors", 1.0, 0.0)
        assert loaded.patches
    finally:
        may_read.set()
    (used,) = made_with.used([made_with.Entry("new")])
    assert used.sha256 == hashlib.sha256((lora_folder / "new.safetensors").read_bytes()).hexdigest()
