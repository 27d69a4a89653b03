"""A saved stack, loaded by the host's own loader, gives the weights of the stack."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import folder_paths
import layouts
import lora_files
import pytest
import torch
from patching import host_chain, our_stack, patched_weights
from safetensors.torch import load_file
from test_equality import kohya_tensors

WITHIN = 1e-6  # of the weight's scale, in float32


@pytest.mark.parametrize(
    ("family", "naming"),
    [
        # The host cannot read diffusers' names of a UNet.
        *(("sd15", naming) for naming in ("as is", "ComfyUI", "kohya")),
        *(("sd3", naming) for naming in ("ComfyUI", "diffusers")),
        *(("flux", naming) for naming in ("kohya", "diffusers")),
    ],
)
def test_the_hosts_loader_gives_the_weights_of_the_stack(
    pack: ModuleType,
    lora_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    family: str,
    naming: str,
) -> None:
    monkeypatch.setattr(folder_paths, "get_output_directory", lambda: str(tmp_path))
    model, clip = layouts.load(family, torch.float32)
    for seed in (1, 2):
        lora_files.save(lora_folder / f"{seed}.safetensors", kohya_tensors(family, model, clip, seed))
    rows = [("1.safetensors", 0.8, 0.3), ("2.safetensors", -0.4, 1.0)]
    expected = [p for p in our_stack(pack, model, clip, rows)[:2] if p is not None]
    node = pack.NODE_CLASS_MAPPINGS["LoraRackSave"]()
    text = "\n".join(f"<lora:{name}:unet={m}:te={c}>" for name, m, c in rows)
    stack, _ = pack.NODE_CLASS_MAPPINGS["LoraRackStack"]().build(text)
    connected = {} if naming == "as is" else {"model": model, "clip": clip}
    path, report = node.save("rack", 0, "fp32", naming, stack, **connected)["result"]
    assert "error 0.00%" in report
    Path(path).rename(lora_folder / "saved.safetensors")
    folder_paths.filename_list_cache.pop("loras", None)
    found = [p for p in host_chain(model, clip, [("saved.safetensors", 1.0, 1.0)]) if p is not None]
    for ours, theirs in zip(expected, found, strict=True):
        one, other = (patched_weights(getattr(p, "patcher", p)) for p in (ours, theirs))
        assert one.keys() == other.keys()
        for key, tensor in one.items():
            assert float((tensor - other[key]).abs().max()) <= WITHIN * float(tensor.abs().max()), key


def test_a_window_stops_it_unless_it_is_to_be_left_out(
    pack: ModuleType, lora_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_paths, "get_output_directory", lambda: str(tmp_path))
    model, clip = layouts.load("sd15", torch.float32)
    lora_files.save(lora_folder / "1.safetensors", kohya_tensors("sd15", model, clip, 1))
    stack, _ = pack.NODE_CLASS_MAPPINGS["LoraRackStack"]().build("<lora:1:0.5:stop=0.5>")
    node = pack.NODE_CLASS_MAPPINGS["LoraRackSave"]()
    with pytest.raises(Exception, match="one strength"):
        node.save("rack", 0, "fp32", "as is", stack)
    path, report = node.save("rack", 0, "fp32", "as is", stack, without_windows=True)["result"]
    assert Path(path).is_file()
    assert "on for all of the sampling" in report


def test_a_model_alone_leaves_nothing_of_the_text_encoder_out(
    pack: ModuleType, lora_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_paths, "get_output_directory", lambda: str(tmp_path))
    model, clip = layouts.load("sd15", torch.float32)
    tensors = kohya_tensors("sd15", model, clip, 1)
    assert any(key.startswith("lora_te") for key in tensors)
    lora_files.save(lora_folder / "1.safetensors", tensors)
    stack, _ = pack.NODE_CLASS_MAPPINGS["LoraRackStack"]().build("<lora:1:0.5>")
    path, _ = pack.NODE_CLASS_MAPPINGS["LoraRackSave"]().save("rack", 0, "fp32", "as is", stack, model)[
        "result"
    ]
    assert load_file(path).keys() == tensors.keys()
