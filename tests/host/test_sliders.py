"""When the host must run slider nodes again: with the files they may mean, and for nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import folder_paths
import lora_files
import pytest
import torch

SLIDERS = ("detail", "saturation", "brightness")


def save(folder: Path, name: str) -> Path:
    path = folder / f"{name}.safetensors"
    lora_files.save(path, {"lora_unet_x.lora_up.weight": torch.ones(2, 1)})
    folder_paths.filename_list_cache.pop("loras", None)
    return path


def changed_sliders(pack: Any, **values: Any) -> str:
    autos = {f"{slider}_lora": "auto" for slider in SLIDERS}
    node = pack.NODE_CLASS_MAPPINGS["LoraRackSliders"]
    fingerprint: str = node.IS_CHANGED(**{**dict.fromkeys(SLIDERS, 0.0), **autos, "model": None, **values})
    return fingerprint


def changed_preview(pack: Any, slider: str | None = "detail", lora_name: str | None = "auto") -> str:
    node = pack.NODE_CLASS_MAPPINGS["LoraRackSliderPreview"]
    fingerprint: str = node.IS_CHANGED(slider=slider, lora_name=lora_name, seed=1)
    return fingerprint


@pytest.mark.parametrize("changed", [lambda pack: changed_sliders(pack, detail=1.0), changed_preview])
def test_sliders_of_several_families_run_again_when_one_of_them_changes(
    pack: Any, lora_folder: Path, changed: Any
) -> None:
    """An error here, as one of too many files once was, makes the host run all that follows every time."""
    path = save(lora_folder, "add_detail")
    alone = changed(pack)
    save(lora_folder, "add_detail_xl")
    both = changed(pack)
    assert both == changed(pack)
    save(lora_folder, "ink")
    assert both == changed(pack)
    os.utime(path, ns=(1, 1))
    assert len({alone, both, changed(pack)}) == 3


def test_what_comes_over_a_wire_or_is_not_there_is_no_error(pack: Any, lora_folder: Path) -> None:
    assert changed_preview(pack) == changed_sliders(pack, detail=1.0) == ""
    save(lora_folder, "add_detail")
    assert changed_preview(pack, slider=None) == changed_sliders(pack, detail=None) == changed_preview(pack)
    assert changed_preview(pack, lora_name=None) == changed_sliders(pack, detail=1.0, detail_lora=None) == ""
    assert changed_sliders(pack) == ""
