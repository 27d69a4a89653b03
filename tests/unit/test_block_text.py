"""Block weights as text: what is read, what is refused and where, and that it can be written back."""

from __future__ import annotations

import pytest
from block_models import FLUX, MODELS, SD1, SDXL, TEXT, UNKNOWN
from hypothesis import given
from hypothesis import strategies as st

from lora_core.blocks import BlockWeights, ModelBlocks, Place, read_block_weights, sketch
from lora_core.errors import BadBlockText, RackError
from lora_core.untrusted import MAX_STRENGTH

# Text, the same canonically: blocks and elements.
_CANONICAL = [
    ("", "", ""),
    ("  \n ", "", ""),
    ("OUTALL", "OUTALL", ""),
    ("outall", "OUTALL", ""),
    ("sd-lyc-all", "SD-LyC-ALL", ""),
    ("BASE=1 IN04-08=0.5 OUT*=0", "BASE=1 IN04-08=0.5 OUT*=0", ""),
    ("base=1, in4-in8 = .50,\nout*=0", "BASE=1 IN04-08=0.5 OUT*=0", ""),
    ("IN04,M0=-1e-3", "IN04,M00=-0.001", ""),
    ("M00=1 default=0", "*=0 M00=1", ""),
    ("!IN04-08=0", "!IN04-08=0", ""),
    ("IN05-OUT05/attn2=0.3", "", "IN05-OUT05/attn2=0.3"),
    ("IN05-OUT05/ATTN2,!ff=0.3 IN00=0", "IN00=0", "IN05-OUT05/attn2,!ff=0.3"),
    ("*/attn1.k=+2", "", "*/attn1.k=2"),
    ("ATTNDEEPOFF", "", "IN05-OUT05/attn=0"),
    ("1, 0,0,0,.5 ,1,1,0,0,0,0,0,0,0,0,0,0", "1,0,0,0,0.5,1,1,0,0,0,0,0,0,0,0,0,0", ""),
    ("mine:" + "1," * 11 + "0", "1," * 11 + "0", ""),
    ("OUTALL IN04=0.5 */ff=0", "OUTALL IN04=0.5", "*/ff=0"),
    ("SD-AOUT A=0.5", "0.5,1,1,1,1,1,1,1,1,1,1,1,0.5,0.5,0.5,0.5,0.5", ""),
    ("X,X+0.1,X-0.1,a,b,1,1,1,1,1,1,1 X=0.5 A=3 B=1", "0.5,0.6,0.4,1.5,0.5,1,1,1,1,1,1,1", ""),
    ("INVERT IN04=0.9", "*=0 IN04=0.1", ""),
    ("OUTALL INVERT", "0,1,1,1,1,1,1,1,0,0,0,0,0,0,0,0,0", ""),
    ("T5.3=0 te1=0 dn0.12=2 LLM05=0 CLIP=1", "T5.3=0 TE01=0 DN0.12=2 LLM05=0 CLIP=1", ""),
]

# Text, place of the mistake, what the message must say.
_BAD = [
    ("1,0,1", 0, "a vector of 3 numbers, expected one of 12, 17, 20, 21, 26, 27, 58, 61 numbers"),
    ("OUTALLL", 0, "'OUTALLL', expected a block with its weight (IN04=0.5) or a preset (OUTALL"),
    ("IN04", 4, "no number, expected a weight for IN04"),
    ("IN04=", 5, "nothing, expected a number"),
    ("IN04=strong", 5, "'strong', expected a number"),
    ("IN04=0.5 =3", 9, "'=', expected a block before it"),
    ("IN04=1 IN08-04=1", 7, "'IN08-04', expected a block"),
    ("IN05-OUT05/atn2=0.3", 11, "'atn2', expected an element such as attn2"),
    ("IN04,,M00=1", 5, "nothing, expected a block"),
    ("M00=1e999", 4, "'1e999', expected a finite number"),
    ("IN04=1 OUTALL", 7, "the preset OUTALL, expected one vector or preset, at the beginning"),
    ("OUTALL seed=x", 12, "'x', expected a whole number as seed"),
    ("OUTALL A=x", 9, "'x', expected a number for A"),
    ("%default=0", 0, "'%default', expected a block"),
    ("1,1 1,1,1,1,1,1,1,1,1,1", 0, "a vector of 2 numbers"),
]


@pytest.mark.parametrize(("text", "blocks", "elements"), _CANONICAL)
def test_a_text_is_written_canonically(text: str, blocks: str, elements: str) -> None:
    weights = read_block_weights(text)
    assert weights == BlockWeights(blocks, elements)
    assert read_block_weights(weights.blocks, weights.elements) == weights
    assert read_block_weights(weights.text) == weights


@pytest.mark.parametrize(("text", "position", "message"), _BAD)
def test_a_bad_text_is_refused_at_its_place(text: str, position: int, message: str) -> None:
    with pytest.raises(BadBlockText) as caught:
        read_block_weights(text)
    assert caught.value.which == "blocks"
    assert caught.value.position == position
    assert message in str(caught.value)


def test_the_text_of_elements_holds_elements_alone() -> None:
    assert read_block_weights("IN00/q=0", "IN05/attn2=0.3 ATTNDEEPON").elements == (
        "IN00/q=0 IN05/attn2=0.3 IN05-OUT05/attn=1"
    )
    with pytest.raises(BadBlockText) as caught:
        read_block_weights("", "IN05/ff=1 IN05=0.3")
    assert (caught.value.which, caught.value.position) == ("elements", 10)


def test_random_weights_are_numbers_of_their_seed() -> None:
    text = "R,R,U,1,1,1,1,1,1,1,1,U seed=5 M00=R"
    drawn = read_block_weights(text)
    assert drawn == read_block_weights(text)
    assert drawn != read_block_weights(text.replace("5", "6"))
    assert read_block_weights(drawn.text) == drawn
    cells = [float(cell) for cell in drawn.blocks.partition(" ")[0].split(",")]
    assert len(set(cells)) == 5
    assert all(0 <= cells[n] <= 1 for n in (0, 1))
    assert all(-0.5 <= cells[n] <= 1.5 for n in (2, 11))


_IDS = st.sampled_from(["IN04", "OUT11", "M00", "BASE", "CLIP", "T5", "T5.3", "DN0.12", "D7", "B100", "TE01"])
_SELECTIONS = st.one_of(
    _IDS,
    st.sampled_from(["*", "IN*", "D*", "T5*", "in4-8", "IN05-OUT05", "S00-37", "DN0.1-9", "DN0.1-DN1.2"]),
).flatmap(lambda text: st.sampled_from([text, "!" + text]))
_ELEMENTS = st.sampled_from(["attn", "attn1.q", "ATTN2", "!ff", "norm", "img.ff.up", "*", "clip_g"])
_NUMBERS = st.one_of(
    st.floats(1 - MAX_STRENGTH, MAX_STRENGTH).map(repr),  # INVERT makes it 1 - w
    st.sampled_from(["R", "U", "X", "a", "+1", ".5"]),
)
_LISTS = st.lists(_SELECTIONS, min_size=1, max_size=3).map(",".join)
_TERMS = st.one_of(
    st.tuples(_LISTS, _NUMBERS).map("=".join),
    st.tuples(_LISTS, st.lists(_ELEMENTS, min_size=1, max_size=2).map(",".join), _NUMBERS).map(
        lambda parts: f"{parts[0]}/{parts[1]}={parts[2]}"
    ),
    st.sampled_from(["default=0.5", "INVERT", "seed=7", "A=2", "PROJDEEPOFF"]),
)
_FIRST = st.one_of(
    st.just(""),
    st.sampled_from(["OUTALL", "sd-rout", "SDXL-MIDALL", "SD-AB", "FLUX-SINGLE-11to20"]),
    st.sampled_from([12, 17, 20, 21, 26, 27, 58, 61]).flatmap(
        lambda count: st.lists(_NUMBERS, min_size=count, max_size=count).map(",".join)
    ),
)


@given(_FIRST, st.lists(_TERMS, max_size=6))
def test_what_is_written_is_read_back(first: str, terms: list[str]) -> None:
    weights = read_block_weights(" ".join([first, *terms]))
    assert read_block_weights(weights.blocks, weights.elements) == weights
    assert read_block_weights(weights.text) == weights
    assert read_block_weights(weights.text).text == weights.text


def _read_or_refused(blocks: str, elements: str) -> BlockWeights | None:
    try:
        return read_block_weights(blocks, elements)
    except BadBlockText as bad:
        place, text = bad.position, blocks if bad.which == "blocks" else elements
    assert 0 <= place <= len(text)
    return None


@given(st.one_of(st.text(), st.text("IN04OUTM*-!,/=.5 RA:attn\n%seed")), st.text("IN/=.5,*attn "))
def test_any_text_is_read_or_refused_with_a_place_in_it(blocks: str, elements: str) -> None:
    weights = _read_or_refused(blocks, elements)
    if weights is None:
        return
    for family in MODELS.values():
        try:
            at = weights.at(family)
        except RackError:
            continue
        assert all(isinstance(at(Place(block, "attn2.k")), float) for block in family.present)


def _weights(text: str, family: ModelBlocks, element: str = "ff.up") -> dict[str, float]:
    at = read_block_weights(text).at(family)
    return {block: at(Place(block, element)) for block in family.present}


@pytest.mark.parametrize(
    ("text", "family", "wanted"),
    [
        ("IN04-08=0.5 IN06=2", SDXL, {"IN03": 1, "IN04": 0.5, "IN05": 0.5, "IN06": 2, "IN08": 0.5, "M00": 1}),
        ("OUT*=0", SDXL, {"IN08": 1, "M00": 1, "OUT00": 0, "OUT08": 0, "FINAL": 1}),
        ("*=0 M00=1", SDXL, {"EMB": 0, "IN00": 0, "M00": 1, "OUT08": 0}),
        ("M00=1 default=0", SDXL, {"EMB": 0, "IN00": 0, "M00": 1, "OUT08": 0}),
        ("!IN04-OUT02=0", SDXL, {"IN03": 0, "IN04": 1, "M00": 1, "OUT02": 1, "OUT03": 0}),
        ("IN07-OUT01=0", SDXL, {"IN06": 1, "IN07": 0, "M00": 0, "OUT01": 0, "OUT02": 1}),
        ("BASE=0", SDXL, {"IN00": 1, "M00": 1}),
        ("D*=0 S10-37=0.5 OUT=2", FLUX, {"IN": 1, "D00": 0, "D18": 0, "S09": 1, "S37": 0.5, "OUT": 2}),
        ("BASE=0", TEXT, {"TE00": 0, "CLIP": 0, "T5.0": 0, "LLM00": 0}),
        ("CLIP*=0 T5*=0.5 LLM*=2", TEXT, {"TE00": 0, "CLIP": 0, "T5.0": 0.5, "LLM00": 2}),
        ("CLIP=0 TE01=0.5", TEXT, {"TE00": 0, "TE01": 0.5, "CLIP": 0, "T5.0": 1, "LLM00": 1}),
        ("T5=0.5", TEXT, {"TE00": 1, "T5.0": 0.5, "LLM00": 1}),
        ("T5.0=0.5 LLM*=0", TEXT, {"TE00": 1, "T5.0": 0.5, "LLM00": 0}),
        ("IN04=0", TEXT, {"TE00": 1}),
        ("SB01=0.5 OUT=0", UNKNOWN, {"SB00": 1, "SB01": 0.5, "SB02": 1, "OUT": 0, "IN": 1}),
    ],
)
def test_a_block_has_the_weight_of_the_last_that_names_it(
    text: str, family: ModelBlocks, wanted: dict[str, float]
) -> None:
    found = _weights(text, family)
    assert {block: found[block] for block in wanted} == wanted


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("*/attn2=0.3", {"attn2.k": 0.3, "attn1.k": 1, "ff.up": 1}),
        ("*/attn=0.3", {"attn2.k": 0.3, "attn1.k": 0.3, "img.attn.qkv": 0.3, "ff.up": 1}),
        ("*/attn2.k=0.3", {"attn2.k": 0.3, "attn2.img.k": 0.3, "attn2.q": 1}),
        ("*/k=0.3", {"attn2.k": 0.3, "attn1.k": 0.3, "attn1.kv": 1}),
        ("*/!attn=0", {"attn2.k": 1, "ff.up": 0, "res.conv": 0}),
        ("*/attn,!attn1=0", {"attn2.k": 0, "attn1.k": 1, "ff.up": 1}),
        ("*/img=0", {"img.ff.up": 0, "txt.ff.up": 1}),
        ("IN04=0.5 IN04/ff=2", {"ff.up": 2, "attn1.k": 0.5}),  # in place of the block's, not times it
        ("IN04/ff=2 IN04=0.5", {"ff.up": 2, "attn1.k": 0.5}),
        ("IN05/ff=2", {"ff.up": 1}),
        ("IN04/ff=2 */ff.up=3", {"ff.up": 3, "ff.down": 2}),
    ],
)
def test_an_elements_weight_stands_in_place_of_its_blocks(text: str, weights: dict[str, float]) -> None:
    at = read_block_weights(text).at(SDXL)
    assert {element: at(Place("IN04", element)) for element in weights} == weights


@pytest.mark.parametrize(
    ("text", "family", "message"),
    [
        (",".join("1" * 12), SD1, "12 numbers, expected for Stable Diffusion 1 one of 17, 26, 27 numbers"),
        (",".join("1" * 58), SDXL, "58 numbers, expected for SDXL one of 12, 17, 20, 21, 26 numbers"),
        ("OUTALL", FLUX, "the preset OUTALL, a vector of 17 numbers, expected for Flux.1 one of 20, 58, 61"),
        ("FLUX-DBL-MID6", SDXL, "the preset FLUX-DBL-MID6"),
        ("OUTALL", UNKNOWN, "blocks by name, as unknown model has no vectors (SB00-02, OUT, IN)"),
        ("IN04=1 D03=0.5", SDXL, "found D03, expected a block of SDXL: EMB, IN00-08, M00, OUT00-08, FINAL"),
        ("IN09=0.5", SDXL, "found IN09"),
    ],
)
def test_what_a_model_has_no_meaning_for_is_an_error(text: str, family: ModelBlocks, message: str) -> None:
    with pytest.raises(BadBlockText, match="expected") as caught:
        read_block_weights(text).at(family)
    assert message in str(caught.value)


def test_a_sketch_reads_the_text_as_the_parser_does() -> None:
    bars = sketch(read_block_weights("IN04-08=0.5 OUT*=0"))
    assert bars.count(0.5) == 5
    assert bars.count(0.0) >= 9
    assert bars[-1] == 0
    assert sketch(read_block_weights("1,0,0,0,1,1,1,0,0,0,0,0,0,0,0,0,0")).count(1.0) >= 3
    assert sketch(read_block_weights("D05=0.25"))  # of another family than the first
    assert len(sketch(read_block_weights("DB*=0.5"))) <= 30


@pytest.mark.parametrize("text", ["", "*/attn2=0.5"])
def test_a_sketch_of_no_whole_block_is_empty(text: str) -> None:
    assert sketch(read_block_weights(text)) == ()
