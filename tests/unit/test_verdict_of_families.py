"""The verdict where the families of file and model are known: blocks, other families, no effect."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lora_core.adapters.low_rank import LowRank
from lora_core.applying.matching import match
from lora_core.applying.verdict import Verdict, report
from lora_core.blocks import blocks_of_model, read_block_weights
from lora_core.blocks.listing import ranges
from lora_core.cache import CacheUse
from lora_core.errors import OtherFamily, ShapeMismatch
from lora_core.key_maps.file_family import FileFamily
from lora_core.key_maps.key_map import KeyMap, Target
from lora_core.reading.files import Stamp
from lora_core.reading.lora import Lora
from lora_core.stack import Entry

ATTENTION = "diffusion_model.{}.1.transformer_blocks.0.attn{}.to_k.weight"
KEYS = {
    "in04": ATTENTION.format("input_blocks.4", 2),
    "in05": ATTENTION.format("input_blocks.5", 2),
    "out03": ATTENTION.format("output_blocks.3", 1),
}
SHAPES = {"diffusion_model.input_blocks.0.0.weight": (8, 4, 3, 3), **dict.fromkeys(KEYS.values(), (8, 768))}
MODEL = KeyMap({name: Target(key) for name, key in KEYS.items()}, SHAPES)
CLIP_SHAPES = {"clip_l.transformer.text_model.encoder.layers.3.mlp.fc1.weight": (8, 768)}
CLIP = KeyMap({"lora_te_x": Target(next(iter(CLIP_SHAPES)))}, CLIP_SHAPES)
SD1, SDXL = FileFamily(("sd1",), "its layers"), FileFamily(("sdxl",), "its layers")
UNCERTAIN = FileFamily(("sd1", "sdxl"), "its layers")


def _verdict(
    entry: Entry, *names: str, made_for: FileFamily = SD1, width: int = 768, with_clip: bool = True
) -> Verdict:
    layers = {name: (LowRank(torch.ones(8, 2), torch.ones(2, width), 1.0),) for name in names}
    lora = Lora(Stamp(Path("ink.safetensors"), 0, 0), {}, layers, {}, 0)
    clip = (match(lora, CLIP), blocks_of_model(CLIP_SHAPES)) if with_clip else (None, None)
    return Verdict(entry, lora, match(lora, MODEL), clip[0], made_for, blocks_of_model(SHAPES), clip[1])


def test_the_blocks_of_model_and_text_encoder_are_listed() -> None:
    verdict = _verdict(Entry("ink"), "in04", "in05", "out03", "lora_te_x")
    verdict.require_effect()
    assert verdict.state == "ok"
    assert "  blocks: IN04-05, OUT03; TE03" in verdict.describe().splitlines()


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        ((), ""),
        (("BASE",), "BASE"),
        (("IN04", "IN05", "IN07", "M00", "OUT00"), "IN04-05, IN07, M00, OUT00"),
        (("T5.00", "T5.01", "DN0.3", "DN0.4", "DN1.5"), "T5.0-1, DN0.3-4, DN1.5"),
    ],
)
def test_blocks_in_a_row_are_one_range(ids: tuple[str, ...], text: str) -> None:
    assert ranges(ids) == text


def test_another_family_that_fits_in_part_is_an_error_in_one_sentence() -> None:
    verdict = _verdict(Entry("ink"), "in04", "elsewhere", made_for=SDXL)
    sentence = r"^ink: made for SDXL \(its layers\), the model is Stable Diffusion 1; 1 of 2 layers match"
    with pytest.raises(OtherFamily, match=sentence):
        verdict.require_effect()
    first = verdict.describe().splitlines()[0]
    assert first.endswith("LoRA, rank 2; made for SDXL (its layers), the model is Stable Diffusion 1")
    assert verdict.state == "partial"


def test_another_family_comes_before_the_shapes_it_gets_wrong() -> None:
    with pytest.raises(OtherFamily):
        _verdict(Entry("ink"), "in04", made_for=SDXL, width=2048).require_effect()
    with pytest.raises(ShapeMismatch):
        _verdict(Entry("ink"), "in04", made_for=SD1, width=2048).require_effect()


def test_a_relative_all_of_whose_layers_fit_is_let_through_and_named() -> None:
    verdict = _verdict(Entry("ink"), "in04", "lora_te_absent", made_for=SDXL, with_clip=False)
    verdict.require_effect()
    assert "made for SDXL" in verdict.describe()


def test_what_may_be_the_models_family_is_not_called_another() -> None:
    verdict = _verdict(Entry("ink"), "in04", "elsewhere", made_for=UNCERTAIN)
    verdict.require_effect()
    assert verdict.other_family == ""
    assert _verdict(Entry("ink"), "in04", "elsewhere", made_for=FileFamily()).other_family == ""


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (Entry("ink", start=0.5, stop=0.5), "start and stop are both 0.5"),
        (Entry("ink", 0.0, 1.0), "its strength is 0 for the model"),
        (Entry("ink", blocks=read_block_weights("*=0")), "all its blocks are at 0"),
        (Entry("ink", blocks=read_block_weights("IN04=0")), "all its blocks are at 0"),
        (Entry("ink", blocks=read_block_weights("IN05=0")), ""),
        (Entry("ink", start=0.5, stop=0.6), ""),
    ],
)
def test_an_entry_that_does_nothing_is_named_with_the_reason(entry: Entry, reason: str) -> None:
    verdict = _verdict(entry, "in04")
    assert verdict.nothing == reason
    assert (verdict.state == "nothing") == bool(reason)
    assert (f"does nothing: {reason}" in verdict.describe().splitlines()[0]) == bool(reason)


@pytest.mark.parametrize(
    ("text", "with_clip", "missing"),
    [
        ("*/attn2=0 IN05/k=0.5 OUT*=2", False, ""),
        ("*/txt=0 */attn2.v=0.5 */attn=0", False, "*/attn2.v=0.5, */txt=0"),
        ("IN04/attn1=0 OUT03/attn1=0", False, "IN04/attn1=0"),
        ("*/ff.up=0", True, ""),
        ("*/ff.up=0", False, "*/ff.up=0"),
    ],
)
def test_an_elements_weight_that_is_for_nothing_is_a_line(text: str, with_clip: bool, missing: str) -> None:
    verdict = _verdict(Entry("ink", blocks=read_block_weights(text)), "in04", with_clip=with_clip)
    found = [line for line in verdict.describe().splitlines() if "  no part of the" in line]
    assert found == ([f"  no part of the {verdict._connected} matches {missing}"] if missing else [])
    verdict.require_effect()


def test_a_lora_for_another_model_is_one_line_of_the_report() -> None:
    text = _verdict(Entry("ink"), "elsewhere", "and_there", made_for=SDXL).describe()
    assert len(text.splitlines()) == 1
    for part in ("0 of 2 layers match", "made for SDXL", "none of its layers is in the model"):
        assert part in text


def test_entries_that_are_not_looked_at_are_in_the_report_too() -> None:
    text = report([], CacheUse(0, 2**20, 0, 0, 0), [Entry("ink", 0, 0), Entry("oil", enabled=False)])
    assert "ink: at 0" in text.splitlines()
    assert "oil: off" in text.splitlines()


def test_the_verdict_is_had_as_plain_values() -> None:
    found = _verdict(Entry("ink", blocks=read_block_weights("IN04=0.5")), "in04", "elsewhere").as_json()
    assert {
        key: found[key] for key in ("name", "state", "layers", "matched", "matched_model", "matched_clip")
    } == {
        "name": "ink",
        "state": "partial",
        "layers": 2,
        "matched": 1,
        "matched_model": 1,
        "matched_clip": 0,
    }
    assert found["blocks"] == ["IN04"]
    assert found["made_for"] == ["Stable Diffusion 1"]
    assert found["model_family"] == "Stable Diffusion 1"
