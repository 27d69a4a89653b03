"""Curves of block weights: drawn, written, and read again place by place through `BlockWeights.at`."""

from __future__ import annotations

import random

import pytest

from lora_core.blocks import ModelBlocks, Place, read_block_weights
from lora_core.blocks.curves import draw_curve, read_curve
from lora_core.blocks.preset_list import fitting_presets
from lora_core.blocks.usual_blocks import whole_family
from lora_core.errors import BadBlockText

SDXL = whole_family("sdxl", ["IN04", "M00", "OUT00"])
FLUX = whole_family("flux", ["D03", "S37"])


def weights_of(text: str, family: ModelBlocks, element: str = "") -> dict[str, float]:
    """Each block's weight as patches get it."""
    at = read_block_weights(text).at(family)
    return {block: at(Place(block, element)) for block in ("BASE", *family.present)}


@pytest.mark.parametrize(
    ("id", "seen", "first", "last", "count"),
    [
        ("sdxl", ["IN04"], "IN00", "OUT08", 19),
        ("sd1", ["OUT03"], "IN00", "OUT11", 25),
        ("flux", ["D00", "S30"], "D00", "S37", 57),
        ("wan", ["B00", "B29"], "B00", "B29", 30),
        ("wan", ["B00", "B39"], "B00", "B39", 40),
        ("sd3", ["J00", "J03"], "J00", "J03", 2),  # a small model of that kind
        ("sdxl", ["EMB", "IN04", "FINAL"], "EMB", "FINAL", 21),
        ("", ["DN0.1", "UP0.0"], "DN0.1", "UP0.0", 2),
    ],
)
def test_a_family_has_all_its_blocks_in_order(
    id: str, seen: list[str], first: str, last: str, count: int
) -> None:
    present = whole_family(id, seen).present
    assert (present[0], present[-1], len(present)) == (first, last, count)
    assert set(seen) <= set(present)


@pytest.mark.parametrize(
    ("before", "drawn", "after"),
    [
        ("", {"IN04": 0.5}, "IN04=0.5"),
        ("IN04=0.5", {"IN04": 1.0}, ""),
        ("IN04=0.5", {"IN04": None}, ""),
        ("", {f"OUT{n:02}": 0.25 for n in range(9)}, "OUT*=0.25"),
        ("", {f"IN{n:02}": 0.25 for n in range(2, 6)}, "IN02-05=0.25"),
        ("*=0", {"M00": 1.0}, "*=0 M00=1"),
        ("SDXL-OUTALL", {"IN04": 0.5}, "*=0 BASE=1 IN04=0.5 OUT*=1"),
        ("IN05/attn2=0", {"M00": 0.5}, "M00=0.5 IN05/attn2=0"),
    ],
)
def test_a_drawn_curve_is_written_in_few_words(
    before: str, drawn: dict[str, float | None], after: str
) -> None:
    assert draw_curve(read_block_weights(before), SDXL, drawn).text == after


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("family", [SDXL, FLUX], ids=["sdxl", "flux"])
def test_any_curve_survives_its_text(family: ModelBlocks, seed: int) -> None:
    chance = random.Random(seed)
    start = chance.choice(["", "ALL0.5", "*=0", "!BASE=0.3", f"{family.present[3]}=0.2 */attn2=0.7"])
    known = weights_of(start, family)
    blocks = chance.sample(sorted(known), chance.randint(1, len(known)))
    drawn = {block: chance.choice([0.0, 1.0, 0.5, 0.25, -0.3, 1.75]) for block in blocks}
    text = draw_curve(read_block_weights(start), family, drawn).text
    assert weights_of(text, family) == {**known, **drawn}
    assert weights_of(text, family, "attn2").keys() == known.keys()
    if "attn2" in start:
        assert set(weights_of(text, family, "attn2").values()) == {0.7}


@pytest.mark.parametrize("seed", range(40))
def test_lacking_blocks_do_not_change_the_others(seed: int) -> None:
    chance = random.Random(seed)
    lacking = chance.sample(SDXL.present, 8)
    kept = [block for block in ("BASE", *SDXL.present) if block not in lacking]
    drawn = {block: chance.choice([0.0, 1.0, 0.5]) for block in kept}
    shorter = draw_curve(read_block_weights(""), SDXL, drawn, lacking=lacking)
    full = draw_curve(read_block_weights(""), SDXL, drawn)
    found = weights_of(shorter.text, SDXL)
    assert {block: found[block] for block in kept} == drawn
    assert len(shorter.text.split()) <= len(full.text.split())


@pytest.mark.parametrize("seed", range(30))
def test_an_element_is_drawn_apart_from_its_blocks(seed: int) -> None:
    chance = random.Random(seed)
    start = read_block_weights("IN04=0.5 IN05-OUT02/attn2=0.3 M00/ff=0 OUT*/attn2.k=0.9")
    before = {name: weights_of(start.text, SDXL, name) for name in ("", "attn2", "ff", "attn1")}
    blocks = chance.sample(SDXL.present, chance.randint(1, 12))
    drawn: dict[str, float | None] = {block: chance.choice([0.0, 0.5, None]) for block in blocks}
    after = draw_curve(start, SDXL, drawn, "attn2").text
    for name in ("", "ff", "attn1"):
        assert weights_of(after, SDXL, name) == before[name]
    expected = {
        block: before[""][block] if drawn.get(block, 0) is None else drawn.get(block, weight)
        for block, weight in before["attn2"].items()
    }
    assert weights_of(after, SDXL, "attn2") == expected
    curve = read_curve(read_block_weights(after), SDXL, "attn2")
    assert dict(curve.weights) == expected
    assert {block for block, value in drawn.items() if value is not None} <= set(curve.own)
    assert not {block for block, value in drawn.items() if value is None} & set(curve.own)


def test_presets_are_those_that_can_be_read_in_the_family() -> None:
    sdxl, flux = ({choice.name for choice in fitting_presets(family)} for family in (SDXL, FLUX))
    assert {"SDXL-OUTALL", "SDXL-LyC-ALL", "ALL", "NONE"} <= sdxl
    assert {"FLUXALL", "FLUX-ALL", "FLUX-DBL-MID6", "ALL"} <= flux
    assert not {"SDXL-OUTALL", "SDXL-LyC-INALL", "SD-FACE"} & flux


def test_what_is_no_block_is_refused() -> None:
    with pytest.raises(ValueError, match="SDXL has no block D03"):
        draw_curve(read_block_weights(""), SDXL, {"D03": 0.5})
    with pytest.raises(BadBlockText, match="61 numbers"):
        read_curve(read_block_weights(",".join(["1"] * 61)), SDXL)
