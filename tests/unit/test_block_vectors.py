"""Vectors and presets: which number goes to which block, against the packs' own lists of positions."""

from __future__ import annotations

import pytest
from block_models import FLUX, MODELS, SD1, SDXL, TEXT

from lora_core.blocks import BlockWeights, ModelBlocks, Place, read_block_weights
from lora_core.blocks.vectors import element_groups, lengths, presets
from lora_core.errors import BadBlockText
from lora_core.families import families

_IN, _OUT = "IN{:02d}".format, "OUT{:02d}".format
_D, _S = "D{:02d}".format, "S{:02d}".format
_MIDDLE = ["M00/first", "M00/second", "M00/last"]
_FULL = ["BASE", *map(_IN, range(12)), "M00", *map(_OUT, range(12))]

# Positions as the packs count them: sd-webui-lora-block-weight (12, 17, 20, 26, 61) and Inspire (12, 17, 20,
# 21, 27, 58).
_POSITIONS: dict[tuple[str, int], list[str]] = {
    ("SDXL", 12): ["BASE", "IN04", "IN05", "IN07", "IN08", "M00", *map(_OUT, range(6))],
    ("SD1", 17): ["BASE", *map(_IN, (1, 2, 4, 5, 7, 8)), "M00", *map(_OUT, range(3, 12))],
    ("SDXL", 20): ["BASE", *map(_IN, range(9)), "M00", *map(_OUT, range(9))],
    ("SDXL", 21): ["BASE", *map(_IN, range(1, 9)), *_MIDDLE, *map(_OUT, range(9))],
    ("SD1", 26): _FULL,
    ("SD1", 27): ["BASE", *map(_IN, range(1, 12)), *_MIDDLE, *map(_OUT, range(12))],
    ("Flux.1", 20): ["BASE", *map(_D, range(19))],
    ("Flux.1", 58): ["BASE", *map(_D, range(19)), *map(_S, range(38))],
    ("Flux.1", 61): ["CLIP", "T5", "IN", *map(_D, range(19)), *map(_S, range(38)), "OUT"],
}
_PARTS = {"first": "first.res.conv", "second": "attn2.k", "last": "last.res.conv"}


def _weight(weights: BlockWeights, family: ModelBlocks, block: str) -> float:
    block, _, part = block.partition("/")
    return weights.at(family)(Place(block, _PARTS.get(part, "ff.up")))


@pytest.mark.parametrize(("model", "length"), _POSITIONS)
def test_each_number_goes_to_its_block(model: str, length: int) -> None:
    numbers = [round(0.1 + n / 100, 2) for n in range(length)]
    weights = read_block_weights(",".join(map(str, numbers)))
    for block, number in zip(_POSITIONS[model, length], numbers, strict=True):
        family = TEXT if block in ("BASE", "CLIP", "T5") else MODELS[model]
        asked = {"BASE": "TE00", "CLIP": "TE01", "T5": "T5.0"}.get(block, block)
        assert (block, _weight(weights, family, asked)) == (block, number)


def test_every_length_in_the_wild_has_a_meaning() -> None:
    assert lengths() == {length for _, length in _POSITIONS}


def test_the_shorter_list_of_flux_says_the_same_of_all_single_blocks() -> None:
    weights = read_block_weights(",".join(["0.5"] * 19 + ["0.25"]))
    assert {_weight(weights, FLUX, _S(n)) for n in range(38)} == {0.25}


@pytest.mark.parametrize(
    ("family", "length", "wanted"),
    [
        (SD1, 17, {"IN00": "IN01", "IN03": "IN02", "IN09": "IN08", "IN11": "IN08", "OUT00": "OUT03"}),
        (SD1, 27, {"IN00": "IN01"}),
        (SDXL, 12, {"IN00": "IN04", "IN03": "IN04", "IN06": "IN05", "OUT06": "OUT05", "OUT08": "OUT05"}),
        (SDXL, 17, {"IN06": "IN05", "OUT00": "OUT03", "OUT02": "OUT03"}),
    ],
)
def test_a_block_without_a_number_goes_with_its_neighbour(
    family: ModelBlocks, length: int, wanted: dict[str, str]
) -> None:
    weights = read_block_weights(",".join(str(round(0.1 + n / 100, 2)) for n in range(length)))
    for block, neighbour in wanted.items():
        assert _weight(weights, family, block) == _weight(weights, family, neighbour)
    others = {"EMB", "FINAL", "OTHER"}
    assert {_weight(weights, family, block) for block in others} == {0.1}


# What the names of the packs' presets mean, by id: the blocks that are at 1 where all others are at 0.
_ON = {
    "INS": ("SD1", ["IN00-IN04"]),
    "IND": ("SD1", ["IN05-IN11"]),
    "INALL": ("SD1", ["IN00-IN11"]),
    "MIDD": ("SD1", ["IN05-IN11", "M00", "OUT00-OUT06"]),
    "OUTD": ("SD1", ["OUT00-OUT06"]),
    "OUTS": ("SD1", ["OUT07-OUT11"]),
    "OUTALL": ("SD1", ["OUT00-OUT11"]),
    "SD-LyC-MIDALL": ("SD1", ["M00"]),
    "SD-LyC-OUTALL": ("SD1", ["OUT00-OUT11"]),
    "SDXL-INALL": ("SDXL", ["IN00-IN08"]),
    "SDXL-MIDALL": ("SDXL", ["M00"]),
    "SDXL-LyC-INALL": ("SDXL", ["IN00-IN08"]),
    "SDXL-LyC-OUTALL": ("SDXL", ["OUT00-OUT08"]),
    "FLUX-DBL-FRONT7": ("Flux.1", ["D00-D06"]),
    "FLUX-DBL-MID6": ("Flux.1", ["D07-D12"]),
    "FLUX-SINGLE-ALL": ("Flux.1", ["S00-S37"]),
    "FLUX-SINGLE-11to20": ("Flux.1", ["S10-S19"]),
    "FLUX-SINGLE-31to37": ("Flux.1", ["S30-S37"]),
}


@pytest.mark.parametrize("name", _ON)
def test_a_preset_is_on_in_the_blocks_of_its_name(name: str) -> None:
    model, on = _ON[name]
    family = MODELS[model]
    weights = read_block_weights(name)
    wanted = read_block_weights(f"*=0 {' '.join(f'{ids}=1' for ids in on)}")
    blocks = [
        block for block in family.present if block[0] in "IMODS" and block not in ("IN", "OUT", "OTHER")
    ]
    assert {b: _weight(weights, family, b) for b in blocks} == {b: _weight(wanted, family, b) for b in blocks}
    assert _weight(weights, TEXT, "TE00") == (0 if "INALL-" in name else 1)


@pytest.mark.parametrize("name", [preset.name for preset in presets().values()])
def test_every_preset_fits_a_model_and_is_its_own_vector(name: str) -> None:
    weights = read_block_weights(name)
    assert read_block_weights(weights.text) == weights
    cells = presets()[name.upper()].cells
    assert len(cells) in lengths()
    spelled = read_block_weights(",".join(cells))
    fitting = [family for family in (SD1, SDXL, FLUX) if _fits(weights, family)]
    assert fitting
    for family in fitting:
        if _fits(spelled, family):
            assert all(_weight(weights, family, b) == _weight(spelled, family, b) for b in family.present)


def _fits(weights: BlockWeights, family: ModelBlocks) -> bool:
    try:
        weights.at(family)
    except BadBlockText:
        return False
    return True


def test_presets_of_one_number_fit_every_model() -> None:
    for name, value in (("NONE", 0), ("ALL", 1), ("ALL0.5", 0.5), ("FLUX-ALL", 1), ("SDXL-LyC-NONE", 0)):
        weights = read_block_weights(name)
        for family in MODELS.values():
            assert {_weight(weights, family, block) for block in family.present} == {value}


def test_every_table_says_where_it_is_from() -> None:
    for family in families().values():
        assert family.source
        assert all(reading.source for reading in family.readings)
        assert all(preset.source for preset in family.presets)
    assert all(group["source"] for group in element_groups())
