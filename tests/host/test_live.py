"""Live stacks through whole samplings: the pictures of merged ones, and not one weight written."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.weight_adapter
import layouts
import lora_files
import pytest
import torch
from patching import Rows, our_stack
from sampling import apart, conditioning, sample
from test_adapters import AGREEING, ALPHA, N
from test_adapters import _dora as dora
from test_adapters import _pair as pair
from test_equality import kohya_tensors
from test_mixed_files import _ShiftAdapter
from torch import Tensor

TOLERANCE = 1e-3
EFFECT = 0.02  # a change of the picture worth the name
ROWS: Rows = [("0", 0.8, 0.0), ("1", -0.5, 0.0)]

# Every layout, and on the quickest every way of sampling: one step a call, noise of its own, several past
# steps, and a solver apart.
CASES = [
    *(("sd3", sampler) for sampler in ("euler", "euler_ancestral", "dpmpp_2m", "uni_pc")),
    ("sd15", "euler_ancestral"),
    ("sdxl", "dpmpp_2m"),
    ("flux", "uni_pc"),
]


def save_loras(folder: Path, layout: str, model: Any, count: int = 2) -> None:
    """LoRAs of several ranks and dtypes named "0", "1", … ."""
    for seed in range(count):
        lora_files.save(folder / f"{seed}.safetensors", kohya_tensors(layout, model, None, seed))


def own_weights(model: Any) -> dict[str, Tensor]:
    """The weights of a model that nothing is merged into."""
    comfy.model_management.unload_all_models()
    return {key: value.clone() for key, value in model.model.state_dict().items()}


def live_rows(pack: Any, model: Any, names: Sequence[str], strengths: Tensor) -> Any:
    """The model with each named LoRA at the strengths of `strengths`, (LoRAs, rows)."""
    host = f"{pack.__name__}.nodes.host"
    live, patching, files, key_maps = (
        importlib.import_module(f"{host}.{name}") for name in ("live", "patching", "files", "key_maps")
    )
    key_map = key_maps.model_map(model)
    matches = [patching._match(files.load(name), key_map) for name in names]
    return live.live_model(model, live.Plan.of(matches), strengths)


@pytest.mark.parametrize(("layout", "sampler"), CASES)
def test_live_equals_merged(
    pack: Any, lora_folder: Path, record_property: Any, layout: str, sampler: str
) -> None:
    model, _ = layouts.load(layout, torch.float32)
    save_loras(lora_folder, layout, model)
    cfg, steps = (4.0, 5) if layout == "sd3" else (1.0, 3)
    merged, live = (
        sample(
            our_stack(pack, model, None, ROWS, mode=mode)[0], layout, sampler=sampler, cfg=cfg, steps=steps
        )
        for mode in ("merged", "live")
    )
    difference = apart(live, merged)
    record_property("largest_difference_in_standard_deviations", difference)
    assert difference <= TOLERANCE
    assert apart(live, sample(model, layout, sampler=sampler, cfg=cfg, steps=steps)) > EFFECT


@pytest.mark.parametrize(
    ("cfg", "conditionings"), [(4.0, "one"), (1.0, "one"), (4.0, "areas"), (4.0, "one a call")]
)
def test_every_row_equals_merged_at_its_strength(
    pack: Any,
    lora_folder: Path,
    record_property: Any,
    monkeypatch: pytest.MonkeyPatch,
    cfg: float,
    conditionings: str,
) -> None:
    """However many copies of the batch the host stacks: two, one, three and some on a part, or one a call."""
    layout = "sd3"
    model, _ = layouts.load(layout, torch.float32)
    positive = conditioning(layout, 2)
    if conditionings == "areas":
        positive = [*positive, *conditioning(layout, 7, area=(4, 8, 4, 0)), *conditioning(layout, 8)]
    if conditionings == "one a call":
        monkeypatch.setattr(type(model.model), "memory_required", lambda *_, **__: 2.0**60)
    save_loras(lora_folder, layout, model)
    strengths = torch.tensor([[0.8, 0.0, -1.0], [-0.5, 1.0, 0.2]])
    options = {"cfg": cfg, "steps": 3, "positive": positive}
    rows = sample(live_rows(pack, model, "01", strengths), layout, rows=3, **options)
    for row, (first, second) in enumerate(strengths.T.tolist()):
        merged, _, _ = our_stack(pack, model, None, [("0", first, 0.0), ("1", second, 0.0)], mode="merged")
        difference = apart(rows[row : row + 1], sample(merged, layout, **options))
        record_property(f"row_{row}", difference)
        assert difference <= TOLERANCE
    assert apart(rows[0], rows[1]) > EFFECT


LAYER = "diffusion_model.joint_blocks.1.x_block"
LINEAR = {"mlp.fc1": (1024, 256), "attn.qkv": (768, 256)}
KINDS: Mapping[str, Callable[[tuple[int, ...]], dict[str, Tensor]]] = {
    **{kind: AGREEING[kind][0] for kind in ("LoRA", "LoHa", "GLoRA", "full")},
    "LoRA without alpha": pair,
    "LoKr": lambda s: {"x.lokr_w1": N(4, 4), "x.lokr_w2": N(s[0] // 4, s[1] // 4, size=0.05)},
    "LoKr, factored": lambda s: {
        **{"x.lokr_w1_a": N(4, 2), "x.lokr_w1_b": N(2, 4)},
        **{"x.lokr_w2_a": N(s[0] // 4, 2), "x.lokr_w2_b": N(2, s[1] // 4), **ALPHA},
    },
    "DoRA, rows": lambda shape: dora(shape, rows=True),
    "DoRA, columns": lambda shape: dora(shape, rows=False),
    "PEFT DoRA": lambda s: {**_as_peft(pair(s)), "x.lora_magnitude_vector": N(s[0]).abs()},
    "OFT": lambda s: {"x.oft_blocks": N(s[0] // 8, 8, 8)},
    "BOFT": lambda s: {"x.oft_blocks": N(2, s[0] // 8, 8, 8)},
    "IA3": lambda s: {"x.weight": N(s[0]), "x.on_input": torch.tensor(False)},
    "set weight": lambda s: {"x.set_weight": N(*s, size=0.05)},
    "bias": lambda s: {"x.diff_b": N(s[0])},
    "LoRA and bias": lambda s: {**pair(s), **ALPHA, "x.diff_b": N(s[0])},
}


def _as_peft(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.replace("lora_up", "lora_B").replace("lora_down", "lora_A"): t for k, t in tensors.items()}


def _save_kind(folder: Path, kind: str) -> None:
    tensors = {
        f"{LAYER}.{layer}.{key.removeprefix('x.')}": tensor.clone()
        for layer, shape in LINEAR.items()
        for key, tensor in KINDS[kind](shape).items()
    }
    lora_files.save(folder / "kind.safetensors", tensors)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_live_and_in_rows(pack: Any, lora_folder: Path, record_property: Any, kind: str) -> None:
    """Between two plain LoRAs, so that the order of the stack is at stake too."""
    model, _ = layouts.load("sd3", torch.float32)
    before = own_weights(model)
    _save_kind(lora_folder, kind)
    save_loras(lora_folder, "sd3", model)
    strengths = torch.tensor([[0.3, 0.3, 0.0], [0.7, -0.4, 1.0], [0.5, 0.0, 0.5]])
    patched = live_rows(pack, model, ("0", "kind", "1"), strengths)
    assert patched.patches == {}
    rows = sample(patched, "sd3", rows=3, steps=3)
    after = model.model.state_dict()
    assert all(torch.equal(after[key], before[key]) for key in before)
    differences = []
    for row, (first, second, third) in enumerate(strengths.T.tolist()):
        stack = [("0", first, 0.0), ("kind", second, 0.0), ("1", third, 0.0)]
        merged, live = (
            sample(our_stack(pack, model, None, stack, mode=mode)[0], "sd3", steps=3)
            for mode in ("merged", "live")
        )
        without = sample(our_stack(pack, model, None, stack[::2], mode="merged")[0], "sd3", steps=3)
        assert apart(merged, without) > 1e-2
        differences += [apart(rows[row : row + 1], merged), apart(live, merged)]
    record_property("kind", kind)
    record_property("largest_difference_in_standard_deviations", max(differences))
    assert max(differences) <= TOLERANCE


def test_what_only_the_host_knows_is_live_too(
    pack: Any, lora_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comfy.weight_adapter, "adapters", [*comfy.weight_adapter.adapters, _ShiftAdapter])
    model, _ = layouts.load("sd3", torch.float32)
    save_loras(lora_folder, "sd3", model)
    lora_files.save(lora_folder / "shift.safetensors", {f"{LAYER}.mlp.fc1.shift_by": torch.tensor([0.05])})
    stack = [("0", 0.5, 0.0), ("shift", 1.0, 0.0), ("1", 0.5, 0.0)]
    merged, live = (
        sample(our_stack(pack, model, None, stack, mode=mode)[0], "sd3", steps=3)
        for mode in ("merged", "live")
    )
    assert apart(live, merged) <= TOLERANCE
    assert apart(live, sample(our_stack(pack, model, None, stack[::2])[0], "sd3", steps=3)) > EFFECT


def test_live_writes_no_weight_and_patches_no_key(pack: Any, lora_folder: Path) -> None:
    model, _ = layouts.load("sd3", torch.float32)
    save_loras(lora_folder, "sd3", model)
    comfy.model_management.unload_all_models()
    pointers = {key: value.data_ptr() for key, value in model.model.state_dict().items()}
    before = own_weights(model)
    patched, _, report = our_stack(pack, model, None, ROWS, mode="live")
    assert "; live" in report
    assert patched.patches == {}
    sample(patched, "sd3", steps=2)
    after = model.model.state_dict()
    assert all(torch.equal(after[key], before[key]) for key in before)
    assert {key: value.data_ptr() for key, value in after.items()} == pointers


def test_saving_a_model_that_has_live_loras_warns_and_the_report_names_them(
    pack: Any, lora_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model, _ = layouts.load("sd3", torch.float32)
    save_loras(lora_folder, "sd3", model)
    merged, _, report = our_stack(pack, model, None, ROWS, mode="merged")
    comfy.model_management.load_models_gpu([merged], force_patch_weights=True)
    assert "in mode live" not in caplog.text
    assert "not in a model that is saved" not in report
    live, _, report = our_stack(pack, model, None, ROWS, mode="live")
    assert "live, so not in a model that is saved or merged with another after this: " in report
    comfy.model_management.load_models_gpu([live])
    assert "in mode live" not in caplog.text
    comfy.model_management.load_models_gpu(
        [live], force_patch_weights=True
    )  # as the host's save_checkpoint does
    assert "in mode live" in caplog.text
    comfy.model_management.unload_all_models()
