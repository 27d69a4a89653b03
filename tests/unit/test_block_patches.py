"""Block weights in patches: the sum the formula says, and nothing at all where a weight is 0."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from block_models import unet
from safetensors.torch import load_file, save_file
from torch import Tensor

from lora_core.adapters import Adapter
from lora_core.adapters.full import Difference, SetWeight
from lora_core.adapters.low_rank import LowRank
from lora_core.applying.matching import Match, blocks_present
from lora_core.applying.model_blocks import blocks_in
from lora_core.applying.patch import Step, fuse
from lora_core.baking import bake, plan_bake
from lora_core.blocks import BlockWeights, Place, read_block_weights
from lora_core.key_maps.key_map import KeyMap, Target
from lora_core.reading.files import Stamp
from lora_core.reading.lora import Lora
from lora_core.stack import Entry

_SHAPES = {key: (8, 8) for key in unet(9, 2048)} | {"diffusion_model.input_blocks.1.1.norm.bias": (8,)}
_SHAPES |= {key: shape for key, shape in unet(9, 2048).items() if key.endswith("attn2.to_k.weight")}
_KEY_MAP = KeyMap({}, _SHAPES)
_RANK = 3


def _low_rank(key: str, seed: int) -> LowRank:
    generator = torch.Generator().manual_seed(seed * 1000 + len(key))
    out, inner = _SHAPES[key]
    up, down = (torch.randn(shape, generator=generator) for shape in ((out, _RANK), (_RANK, inner)))
    return LowRank(up, down, 0.5)


def _match(adapters: dict[str, Adapter]) -> Match:
    held = {key: (adapter,) for key, adapter in adapters.items()}
    return Match(Lora(Stamp(Path("x"), 0, 0), {}, held, {}, 0), {key: Target(key) for key in adapters}, ())


def _patched(matches: list[Match], strengths: list[float], blocks: list[str]) -> dict[str, Tensor]:
    weights = [read_block_weights(text).by_key(blocks_in(_KEY_MAP)) if text else None for text in blocks]
    after = {key: torch.zeros(shape) for key, shape in _SHAPES.items()}
    for key, steps in fuse(matches).at(strengths, weights).items():
        for step in steps:
            assert isinstance(step, Step)
            after[key] = step.adapter.apply(after[key], step.strength, torch.float32)
    return after


def _number(key: str, part: str) -> int:
    return int(key.partition(f"{part}.")[2].partition(".")[0])


def _first(key: str) -> float:
    """IN04-08=0.5 OUT*=0 */attn2=2 by the model's own names."""
    if ".attn2." in key:
        return 2
    if "output_blocks" in key:
        return 0
    return 0.5 if "input_blocks" in key and 4 <= _number(key, "input_blocks") <= 8 else 1


def _second(key: str) -> float:
    """MIDD on SDXL: BASE, IN05 to IN08, the middle and OUT00 to OUT06."""
    if "input_blocks" in key:
        return 1.0 if _number(key, "input_blocks") >= 5 else 0.0
    return 0.0 if "output_blocks" in key and _number(key, "output_blocks") > 6 else 1.0


def test_weights_with_blocks_are_the_sum_of_weighted_changes() -> None:
    keys = [key for key, shape in _SHAPES.items() if len(shape) == 2]
    matches = [_match({key: _low_rank(key, seed) for key in keys}) for seed in range(3)]
    strengths = [0.8, -1.5, 0.3]
    after = _patched(matches, strengths, ["IN04-08=0.5 OUT*=0 */attn2=2", "MIDD", ""])
    for key in keys:
        changes = [_low_rank(key, seed) for seed in range(3)]
        weighted = zip(strengths, (_first(key), _second(key), 1.0), changes, strict=True)
        wanted = sum(s * w * c.scale * (c.up.double() @ c.down.double()) for s, w, c in weighted)
        assert isinstance(wanted, Tensor)
        assert (after[key] - wanted).abs().max() <= 1e-6 * wanted.abs().max(), key


def test_fused_factors_hold_for_any_blocks() -> None:
    key = "diffusion_model.input_blocks.4.1.proj_in.weight"
    fused = fuse([_match({key: _low_rank(key, seed)}) for seed in range(2)])
    family = blocks_in(_KEY_MAP)
    for text, expected in (("IN04=0.25", 0.25), ("IN04=3", 3.0), ("IN05=3", 1.0)):
        (step,) = fused.at([1.0, 1.0], [read_block_weights(text).by_key(family), None])[key]
        assert isinstance(step, Step)
        result = step.adapter.apply(torch.zeros(8, 8), step.strength, torch.float32)
        first, second = (_low_rank(key, seed) for seed in range(2))
        wanted = expected * 0.5 * first.up @ first.down + 0.5 * second.up @ second.down
        assert torch.allclose(result, wanted, atol=1e-5)


def test_where_a_block_is_at_0_nothing_is_done() -> None:
    inside, outside = (f"diffusion_model.output_blocks.{n}.1.proj_in.weight" for n in (3, 4))
    replaced = _match({key: SetWeight(torch.ones(8, 8)) for key in (inside, outside)})
    added = _match({key: Difference(torch.ones(8, 8)) for key in (inside, outside)})
    weights = read_block_weights("OUT03=0").by_key(blocks_in(_KEY_MAP))
    steps = fuse([replaced, added]).at([1.0, 0.5], [weights, weights])
    assert steps.keys() == {outside}
    assert len(steps[outside]) == 2
    after = _patched([replaced, added], [1.0, 0.5], ["OUT03=0", "OUT03=0"])
    assert after[inside].abs().max() == 0
    assert (after[outside] == 1.5).all()


def test_the_blocks_of_a_lora_are_listed_in_the_models_order() -> None:
    found = _match({key: _low_rank(key, 0) for key in reversed(_SHAPES) if ".attn2.to_k" in key})
    blocks = blocks_present(found, blocks_in(_KEY_MAP))
    wanted = [*(f"IN{n:02d}" for n in range(1, 9)), "M00", *(f"OUT{n:02d}" for n in range(9))]
    assert blocks == tuple(wanted)


def test_a_checkpoint_is_baked_with_blocks(tmp_path: Path) -> None:
    keys = ["input_blocks.1.1.proj_in", "input_blocks.4.1.proj_in", "output_blocks.0.1.proj_in"]
    model = {f"model.{key}": torch.zeros(shape) for key, shape in unet(9, 2048).items()}
    save_file(model, tmp_path / "model.safetensors")
    layers = [f"lora_unet_{key.replace('.', '_')}" for key in keys]
    up, down = torch.randn(8, 2), torch.randn(2, 8)
    tensors = {f"{layer}.lora_up.weight": up.clone() for layer in layers}
    tensors |= {f"{layer}.lora_down.weight": down.clone() for layer in layers}
    save_file(tensors, tmp_path / "lora.safetensors")
    entry = Entry("lora", 0.5, blocks=read_block_weights("IN04=0.25 OUT*=0"))
    made = plan_bake(tmp_path / "model.safetensors", [entry], [tmp_path / "lora.safetensors"])
    bake(made, tmp_path / "out.safetensors")
    out = load_file(tmp_path / "out.safetensors")
    for key, weight in zip(keys, (1.0, 0.25, 0.0), strict=True):
        wanted = 0.5 * weight * up.double() @ down.double()
        assert torch.allclose(out[f"model.diffusion_model.{key}.weight"].double(), wanted, atol=1e-6)


def test_a_thousand_different_texts_are_read_in_a_moment() -> None:
    texts = [f"IN04-08={n / 1000} OUT*=0 IN05-OUT05/attn2=0.3 */ff={n}" for n in range(1000)]
    read_block_weights("IN00=1")
    start = time.perf_counter()
    for text in texts:
        assert read_block_weights(text).text
    assert time.perf_counter() - start < 0.5  # 0.02 s on an idle machine; the bound is for a busy one


def test_a_place_is_looked_up_once() -> None:
    family = blocks_in(_KEY_MAP)
    weights = BlockWeights("IN04=0.5")
    assert weights.by_key(family) is BlockWeights("IN04=0.5").by_key(family)
    assert family.place(next(iter(_SHAPES))) is family.place(next(iter(_SHAPES)))
    assert family.place("diffusion_model.input_blocks.4.1.proj_in.weight") == Place("IN04", "proj")
