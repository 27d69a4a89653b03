"""When slider nodes must run again, and render again; and what of them can only be seen when they run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import folder_paths
import lora_files
import pytest
import sweeping
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


def preview(node: Any, latent: dict[str, Any], **changed: Any) -> torch.Tensor:
    """The pictures of a preview of the demo's detail slider."""
    model, vae = sweeping.demo()
    how = {"seed": 5, "steps": 2, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}
    words = {"positive": "day lake", "negative": ""}
    slider = {"slider": "detail", "lora_name": "auto", "values": "0, 2", "pick": 0.0}
    inputs = {**how, **words, **slider, "model": model, "clip": sweeping.demo_clip(), "vae": vae}
    with torch.inference_mode():  # not around the loading of models other tests share
        pictures: torch.Tensor = node.preview(latent_image=latent, **{**inputs, **changed})["result"][0]
    return pictures


def test_a_preview_is_rendered_again_when_the_noise_is_another(
    pack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweeping.use_loras(monkeypatch)
    node = pack.NODE_CLASS_MAPPINGS["LoraRackSliderPreview"]()
    latent = sweeping.Scene().latent()
    first = preview(node, latent)
    assert preview(node, latent, pick=2.0) is first
    assert not torch.equal(preview(node, {**latent, "batch_index": [3]}), first)


@pytest.mark.parametrize(
    ("slider", "message"), [("other", "name the LoRA to preview"), ("colour", "expected one of detail")]
)
def test_a_slider_that_comes_over_a_wire_is_checked_when_it_runs(
    pack: Any, lora_folder: Path, slider: str, message: str
) -> None:
    node = pack.NODE_CLASS_MAPPINGS["LoraRackSliderPreview"]
    with pytest.raises(pack.lora_core.errors.UnresolvedLora, match=message):
        preview(node(), sweeping.Scene().latent(), slider=slider)
    assert message in node.VALIDATE_INPUTS(slider, "auto", "0, 2")


def test_bad_values_are_told_from_other_errors(pack: Any, lora_folder: Path) -> None:
    check = pack.NODE_CLASS_MAPPINGS["LoraRackSliderPreview"].VALIDATE_INPUTS
    assert check("detail", "auto", "0, x").startswith("values: line 1, column 4: found 'x'")
    assert not check("other", "a column", "0").startswith("values: ")
