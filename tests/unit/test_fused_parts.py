"""Block weights for q, k and v that are one weight: by rows, the same however the LoRA's file spells them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from kinds import EVERY, Numbers, make
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lora_core.adapters import Adapter
from lora_core.adapters.dora import DoRA, PeftDoRA
from lora_core.adapters.full import Difference
from lora_core.adapters.low_rank import LowRank
from lora_core.adapters.padded import Padded
from lora_core.applying.matching import Foreign, Match
from lora_core.applying.model_blocks import blocks_in
from lora_core.applying.patch import Step, fuse
from lora_core.applying.verdict import Verdict
from lora_core.baking import bake, plan_bake
from lora_core.blocks import ModelBlocks, blocks_of_model, read_block_weights
from lora_core.errors import RackError
from lora_core.key_maps.key_map import KeyMap, Target
from lora_core.live import Dispatcher, LiveLayer, PlainTorch, Plan, Strengths, publish
from lora_core.reading.files import Stamp
from lora_core.reading.lora import Lora
from lora_core.stack import Entry

H, MLP = 8, 12
QKV = "diffusion_model.double_blocks.0.img_attn.qkv.weight"
BIAS = QKV.replace("weight", "bias")
LINEAR1 = "diffusion_model.single_blocks.0.linear1.weight"
LINEAR2 = "diffusion_model.single_blocks.0.linear2.weight"
SHAPES = {
    "diffusion_model.img_in.weight": (H, 4),
    QKV: (3 * H, H),
    BIAS: (3 * H,),
    "diffusion_model.double_blocks.0.img_attn.norm.key_norm.scale": (H,),
    "diffusion_model.double_blocks.0.img_attn.proj.weight": (H, H),
    LINEAR1: (3 * H + MLP, H),
    LINEAR2: (H, H + MLP),
}
MODEL = KeyMap({}, SHAPES)
SLICES = {part: Target(QKV, (0, row * H, H)) for row, part in enumerate("qkv")}
SLICES["mlp"] = Target(LINEAR1, (0, 3 * H, MLP))
ROWS = {"q": (0, H), "k": (H, 2 * H), "v": (2 * H, 3 * H), "mlp": (3 * H, 3 * H + MLP)}


def _match(*layers: tuple[Target, Adapter]) -> Match:
    held = {str(number): (adapter,) for number, (_, adapter) in enumerate(layers)}
    targets = {str(number): target for number, (target, _) in enumerate(layers)}
    return Match(Lora(Stamp(Path("x"), 0, 0), {}, held, {}, 0), targets, ())


def _weights(text: str) -> object:
    return read_block_weights(text).by_key(blocks_in(MODEL)) if text else None


def _patched(key: str, matches: Sequence[Match], strengths: Sequence[float], texts: Sequence[str]) -> Tensor:
    weight = Numbers(7)(*SHAPES[key])
    steps = fuse(matches).at(strengths, [_weights(text) for text in texts])  # type: ignore[misc]
    for step in steps.get(key, ()):
        assert isinstance(step, Step)
        place = step.target.offset
        view = weight if place is None else weight.narrow(*place)
        step.adapter.apply(view, step.strength, torch.float32, step.target.function)
    return weight


def _applied(key: str, adapter: Adapter, strength: float) -> Tensor:
    """The weight with the whole change at one strength."""
    return adapter.apply(Numbers(7)(*SHAPES[key]), strength, torch.float32)


@pytest.mark.parametrize("kind", EVERY)
def test_each_part_is_the_whole_at_its_strength(kind: str) -> None:
    adapter = make(kind, SHAPES[QKV])
    after = _patched(QKV, [_match((Target(QKV), adapter))], [0.8], ["D*/q=0.25 D*/k=0 D*/v=2"])
    for part, weight in (("q", 0.25), ("k", 0), ("v", 2)):
        first, last = ROWS[part]
        wanted = _applied(QKV, adapter, 0.8 * weight) if weight else Numbers(7)(*SHAPES[QKV])
        assert torch.allclose(after[first:last], wanted[first:last], atol=1e-6), part


def test_a_plain_lora_is_the_formula() -> None:
    adapter = make("LoRA", SHAPES[QKV])
    assert isinstance(adapter, LowRank)
    after = _patched(QKV, [_match((Target(QKV), adapter))], [0.8], ["*/q=0.25 */v=2"]).double()
    factors = torch.tensor([0.25] * H + [1.0] * H + [2.0] * H).double().unsqueeze(1)
    change = factors * (0.8 * adapter.scale * adapter.up.double() @ adapter.down.double())
    wanted = Numbers(7)(*SHAPES[QKV]).double() + change
    assert (after - wanted).abs().max() <= 1e-6 * wanted.abs().max()


def _split(adapter: Adapter, part: str) -> Adapter:
    """The rows of a part, as a file that knows it alone would have them."""
    rows = slice(*ROWS[part])
    if isinstance(adapter, LowRank):
        return replace(adapter, up=adapter.up[rows])
    assert isinstance(adapter, DoRA | PeftDoRA)
    inner = _split(adapter.inner, part)
    return replace(adapter, inner=inner, magnitude=adapter.magnitude[rows])  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["LoRA", "DoRA rows", "PEFT DoRA"])
@pytest.mark.parametrize("text", ["*/q=0.5 */k=0", "*/qkv=0.5 D00/v=2", "default=0 D00/k=1", "D00/img=0"])
def test_both_spellings_get_the_same_weights(text: str, kind: str) -> None:
    whole = make(kind, SHAPES[QKV])
    matches = _match((Target(QKV), whole)), _match(*((SLICES[p], _split(whole, p)) for p in "qkv"))
    fused, apart = (_patched(QKV, [match], [0.8], [text]) for match in matches)
    assert torch.allclose(fused, apart, atol=1e-6)
    assert not torch.equal(fused, _applied(QKV, whole, 0.8))


def test_a_stack_keeps_its_order_and_each_its_weights() -> None:
    first, second, third = (
        make(kind, SHAPES[QKV], n) for n, kind in enumerate(("LoRA", "DoRA rows", "LoRA"))
    )
    matches = [_match((Target(QKV), adapter)) for adapter in (first, second, third)]
    after = _patched(QKV, matches, [0.8, 0.5, -1.0], ["*/q=0.5 */k=0", "", "*/v=0 */k=3"])
    for part, weights in (("q", (0.5, 1, 1)), ("k", (0, 1, 3)), ("v", (1, 1, 0))):
        wanted = Numbers(7)(*SHAPES[QKV])
        for adapter, strength, weight in zip((first, second, third), (0.8, 0.5, -1.0), weights, strict=True):
            wanted = adapter.apply(wanted, strength * weight, torch.float32)
        rows = slice(*ROWS[part])
        assert torch.allclose(after[rows], wanted[rows], atol=1e-5), part


def test_attention_and_feed_forward_of_a_single_block() -> None:
    first, second = make("LoRA", SHAPES[LINEAR1]), make("LoRA", SHAPES[LINEAR2])
    rows = _patched(LINEAR1, [_match((Target(LINEAR1), first))], [1.0], ["S*/attn=0.5 S*/k=0 S*/ff=2"])
    for part, weight in (("q", 0.5), ("k", 0), ("v", 0.5), ("mlp", 2)):
        found, wanted = rows[slice(*ROWS[part])], _applied(LINEAR1, first, weight)[slice(*ROWS[part])]
        assert torch.allclose(found, wanted, atol=1e-6), part
    columns = _patched(LINEAR2, [_match((Target(LINEAR2), second))], [1.0], ["S*/attn=0.5 S*/ff=0"])
    assert torch.allclose(columns[:, :H], _applied(LINEAR2, second, 0.5)[:, :H], atol=1e-6)
    assert torch.equal(columns[:, H:], Numbers(7)(*SHAPES[LINEAR2])[:, H:])
    slices = _patched(LINEAR1, [_match((SLICES["mlp"], make("LoRA", (MLP, H))))], [1.0], ["S*/attn=0"])
    assert torch.equal(slices[: 3 * H], Numbers(7)(*SHAPES[LINEAR1])[: 3 * H])
    assert not torch.equal(slices, Numbers(7)(*SHAPES[LINEAR1]))


def test_a_slice_of_several_parts() -> None:
    """USO's `linear1_qkv` is three of the four."""
    adapter = make("LoRA", (3 * H, H))
    target = Target(LINEAR1, (0, 0, 3 * H))
    after = _patched(LINEAR1, [_match((target, adapter))], [1.0], ["*/v=0"])
    whole = adapter.apply(Numbers(7)(*SHAPES[LINEAR1])[: 3 * H], 1.0, torch.float32)
    assert torch.allclose(after[: 2 * H], whole[: 2 * H], atol=1e-6)
    assert torch.equal(after[2 * H :], Numbers(7)(*SHAPES[LINEAR1])[2 * H :])


def test_biases_go_with_their_rows() -> None:
    added = Difference(Numbers(1)(3 * H))
    after = _patched(BIAS, [_match((Target(BIAS), added))], [1.0], ["*/q=0.5 */k=0"])
    factors = torch.tensor([0.5] * H + [0.0] * H + [1.0] * H)
    assert torch.allclose(after, Numbers(7)(3 * H) + factors * added.difference)


def test_equal_weights_cost_nothing() -> None:
    fused = fuse(
        [_match((Target(QKV), make("LoRA", SHAPES[QKV]))), _match((Target(QKV), make("LoHa", SHAPES[QKV])))]
    )
    for text in ("D00=0.5", "*/qkv=0.5", "*/q,k,v=0.5", "*/ff=0"):
        steps = fused.at([1.0, 1.0], [_weights(text)] * 2)[QKV]  # type: ignore[list-item]
        assert [type(step.adapter).__name__ for step in steps] == ["LoHa", "LowRankRun"]
        assert {step.target for step in steps} == {Target(QKV)}


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("key", [QKV, LINEAR2])
def test_live_is_merged(kind: str, key: str) -> None:
    text, plain = "*/q=0.25 */k=0 */v=2 */ff=0.5", make("LoRA", SHAPES[key], 4)
    matches = [_match((Target(key), make(kind, SHAPES[key]))), _match((Target(key), plain))]
    made = Plan.of(matches, [_weights(text)] * 2)  # type: ignore[list-item]
    ((path, parts),) = made.modules.items()
    module = nn.Linear(*reversed(SHAPES[key]))
    module.requires_grad_(False)
    module.weight.copy_(Numbers(7)(*SHAPES[key]))
    x = Numbers(3)(5, SHAPES[key][1])
    Dispatcher.install("stack", LiveLayer(module, path, parts, PlainTorch()))
    with publish("stack", Strengths.of(torch.tensor([0.8, -0.5]))):
        live = module(x)
    wanted = nn.functional.linear(x, _patched(key, matches, [0.8, -0.5], [text] * 2), module.bias)
    assert torch.allclose(live, wanted, atol=1e-5)


def test_what_has_no_parts_says_so() -> None:
    """Neither a weight that grows nor a patch of the host's own can be weighted row by row."""
    grows = Padded(LowRank(torch.ones(3 * H, 1), torch.ones(1, H), 1.0), (3 * H, H))
    for match in (
        _match((Target(QKV), grows)),
        Match(_match().lora, {}, (), {Target(QKV): Foreign(1, frozenset())}),
    ):
        for carry_out in (
            lambda m: fuse([m]).at([1.0], [_weights("*/q=0")]),
            lambda m: Plan.of([m], [_weights("*/q=0")]),
        ):
            with pytest.raises(RackError, match=r"img_attn\.qkv\.weight cannot have separate weights"):
                carry_out(match)
            assert fuse([match]).at([1.0], [_weights("*/qkv=0.5")]) is not None


def test_a_lora_whose_parts_are_all_at_0_does_nothing() -> None:
    for text, reason in (("*/q=0", "all its blocks are at 0"), ("*/k=0", "")):
        entry = Entry("ink", blocks=read_block_weights(text))
        match = _match((SLICES["q"], make("LoRA", (H, H))))
        assert Verdict(entry, match.lora, match, None, model_family=blocks_in(MODEL)).nothing == reason


def _family(*shapes: tuple[str, tuple[int, ...]]) -> ModelBlocks:
    return blocks_of_model({f"diffusion_model.{key}": shape for key, shape in shapes})


def _parts(family: ModelBlocks, key: str) -> list[tuple[str, tuple[int, int, int]]]:
    return [(part.place.element, part.slice) for part in family.parts(f"diffusion_model.{key}")]


def test_fewer_keys_than_queries() -> None:
    """Lumina 2: 24 heads of queries, 8 of keys and of values."""
    qkv = "layers.0.attention.qkv.weight"
    family = _family(("cap_embedder.1.weight", (4,)), (qkv, (40, 24)))
    assert family.name == "lumina2"
    wanted = [("attn.qkv.q", (0, 0, 24)), ("attn.qkv.k", (0, 24, 8)), ("attn.qkv.v", (0, 32, 8))]
    assert _parts(family, qkv) == wanted


def test_a_model_nobody_has_written_down_is_not_guessed_at() -> None:
    keys = [(f"layers.{n}.attn.qkv.weight", (24, 8)) for n in range(3)]
    assert _parts(_family(*keys), keys[0][0]) == []


def test_a_checkpoint_is_baked_by_parts(tmp_path: Path) -> None:
    base = {f"model.{key}": torch.zeros(shape) for key, shape in SHAPES.items()}
    save_file(base, tmp_path / "model.safetensors")
    layer = "lora_unet_double_blocks_0_img_attn_qkv"
    up, down = torch.randn(3 * H, 2), torch.randn(2, H)
    save_file(
        {f"{layer}.lora_up.weight": up, f"{layer}.lora_down.weight": down}, tmp_path / "lora.safetensors"
    )
    entry = Entry("lora", 0.5, blocks=read_block_weights("*/q=0.25 */k=0"))
    bake(
        plan_bake(tmp_path / "model.safetensors", [entry], [tmp_path / "lora.safetensors"]),
        tmp_path / "out.safetensors",
    )
    out = load_file(tmp_path / "out.safetensors")[f"model.{QKV}"].double()
    factors = torch.tensor([0.25] * H + [0.0] * H + [1.0] * H).double().unsqueeze(1)
    assert torch.allclose(out, factors * 0.5 * (up.double() @ down.double()), atol=1e-6)
