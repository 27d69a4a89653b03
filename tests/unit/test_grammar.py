"""The grammar of a stack's text: A1111's readings, positions in errors, the round trip."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lora_core.blocks import BlockWeights, read_block_weights
from lora_core.errors import BadStackText
from lora_core.grammar import parse, scan, scan_prompt, write
from lora_core.schedule import Steps, StrengthCurve
from lora_core.stack import Comment, Entry, Stack
from lora_core.untrusted import MAX_STRENGTH


def on_a_curve(
    *points: tuple[float, float], clip: float | None = None, is_clip_on_curve: bool = False
) -> Entry:
    curve = StrengthCurve(points)
    clip = curve.peak if clip is None else clip
    return Entry("ink", curve.peak, clip, curve=curve, is_clip_on_curve=is_clip_on_curve)


READINGS = [
    ("<lora:ink>", Entry("ink")),
    ("<lora:ink:0.8>", Entry("ink", 0.8, 0.8)),
    ("<lora:ink:-1>", Entry("ink", -1, -1)),
    ("<lora:ink:.5>", Entry("ink", 0.5, 0.5)),
    ("<lora:ink:1e-2>", Entry("ink", 0.01, 0.01)),
    ("<lora:ink:0>", Entry("ink", 0, 0)),
    ("< lora : ink : 0.8 >", Entry("ink", 0.8, 0.8)),
    ("<lora:ink:0.3:0.8>", Entry("ink", strength_model=0.8, strength_clip=0.3)),  # text encoder first
    ("<lora:ink:unet=0.8:te=0.3>", Entry("ink", strength_model=0.8, strength_clip=0.3)),
    ("<lora:ink:te=0.3>", Entry("ink", 0.3, 0.3)),
    ("<lora:ink:unet=0.3>", Entry("ink", strength_model=0.3, strength_clip=1)),
    ("<lora:ink:0.5:te=0.3>", Entry("ink", 0.3, 0.3)),
    ("<lora:ink:te=0.3:0.5>", Entry("ink", 0.3, 0.3)),
    ("<lora:ink:TE = 0.3 : Unet = 2>", Entry("ink", strength_model=2, strength_clip=0.3)),
    ("<LORA:ink:1>", Entry("ink")),
    ("<lyco:ink:1>", Entry("ink")),
    ("<lora:styles/old ink, v2 (final).safetensors:1>", Entry("styles/old ink, v2 (final).safetensors")),
    ("<lora:styles\\ink:1>", Entry("styles\\ink")),
    ("<lora:a=b:1>", Entry("a=b")),
    ("<lora:ink:0.8:start=0.2:stop=0.7>", Entry("ink", 0.8, 0.8, start=0.2, stop=0.7)),
    ("<lora:ink:STOP = .5>", Entry("ink", stop=0.5)),
    ("<lora:ink:start=1>", Entry("ink", start=1)),
    ("<lora:ink:step=0.2-0.7>", Entry("ink", start=0.2, stop=0.7)),
    ("<lora:ink:step= 1e-1 - .5 >", Entry("ink", start=0.1, stop=0.5)),
    ("<lora:ink:steps=1-2>", Entry("ink", steps=Steps(1, 2))),
    ("<lora:ink:Steps = 3 >", Entry("ink", steps=Steps(3, 3))),
    ("<lora:ink:steps=5->", Entry("ink", steps=Steps(5))),
    ("<lora:ink:start=5>", Entry("ink", steps=Steps(5))),
    ("<lora:ink:stop=10>", Entry("ink", steps=Steps(1, 10))),
    ("<lora:ink:step=5-10>", Entry("ink", steps=Steps(5, 10))),
    ("<lora:ink:0@0,1@0.3,0.4@1>", on_a_curve((0, 0), (0.3, 1), (1, 0.4), is_clip_on_curve=True)),
    ("<lora:ink:unet=0@0.2,-2@0.6:te=0.5>", on_a_curve((0.2, 0), (0.6, -2), clip=0.5)),
    ("<lora:ink:0.5:1@0 , .5@ 1>", on_a_curve((0, 1), (1, 0.5), clip=0.5)),
    ("<lora:ink:unet=1@0.5,0@0.5>", on_a_curve((0.5, 1), (0.5, 0), clip=1)),
    ("<lora:ink:hash=3F2A91C0DE>", Entry("ink", hash="3f2a91c0de")),
    ("# <lora:ink:0.8>", Entry("ink", 0.8, 0.8, enabled=False)),
    ("#<lora:ink:0.8>", Entry("ink", 0.8, 0.8, enabled=False)),
    ("# a remark", Comment("a remark")),
    ("#", Comment("")),
    ("# was <lora:ink:1> before", Comment("was <lora:ink:1> before")),
]


@pytest.mark.parametrize(("text", "row"), READINGS)
def test_a_row_is_read_as_a1111_reads_it(text: str, row: Entry | Comment) -> None:
    assert parse(text).rows == (row,)


VECTOR = "1,0,0,0,1,1,1,0,0,0,0,0,0,0,0,0,0"
WITH_X = "X,0,0,0,X+0.25,1,1,0,0,0,0,0,0,0,0,X-0.5,X"
FILLED = "0.7,0,0,0,0.95,1,1,0,0,0,0,0,0,0,0,0.2,0.7"
ELEMENTS = "IN05-OUT05/attn2=0.3"

# Tag → model and text encoder strength, and the texts that blocks.read_block_weights gets.
BLOCK_SPELLINGS = [
    ("<lora:ink:0.8:lbw=OUTALL>", 0.8, 0.8, "OUTALL", ""),
    ("<lora:ink:lbw=OUTALL>", 1, 1, "OUTALL", ""),
    ("<lora:ink:0.8:LBW = OUTALL >", 0.8, 0.8, "OUTALL", ""),
    ("<lora:ink:0.8:w=OUTALL>", 0.8, 0.8, "OUTALL", ""),
    ("<lora:ink:0.8:OUTALL>", 0.8, 0.8, "OUTALL", ""),
    (f"<lora:ink:1:{VECTOR}>", 1, 1, VECTOR, ""),
    ("<lyco:ink:0.3:1:lbw=OUTALL>", 1, 0.3, "OUTALL", ""),
    ("<lora:ink:unet=0.8:te=0.3:lbw=BASE=1 IN04-08=0.5>", 0.8, 0.3, "BASE=1 IN04-08=0.5", ""),
    (f"<lora:ink:0.8:lbwe={ELEMENTS}>", 0.8, 0.8, "", ELEMENTS),
    (f"<lora:ink:0.8:lbw=OUTALL:lbwe={ELEMENTS}>", 0.8, 0.8, "OUTALL", ELEMENTS),
    (f"<lora:ink:0.8:lbw={WITH_X}:x=0.7>", 0.8, 0.8, FILLED, ""),
    (f"<lora:ink:0.8:{WITH_X}:0.7>", 0.8, 0.8, FILLED, ""),
    ("<lora:ink:0.8:lbw=X,0,0,0,X,1,1,0,0,0,0,0,0,0,0,0,0>", 0.8, 0.8, VECTOR, ""),
    ("<lora:ink:0.8:LBW=A,0,0,0,B,1,1,0,0,0,0,0,0,0,0,0,0;A=1;B=1;>", 0.8, 0.8, VECTOR, ""),
]


@pytest.mark.parametrize(("text", "model", "clip", "blocks", "elements"), BLOCK_SPELLINGS)
def test_block_weights_are_read_in_every_spelling(
    text: str, model: float, clip: float, blocks: str, elements: str
) -> None:
    assert parse(text).rows == (Entry("ink", model, clip, blocks=read_block_weights(blocks, elements)),)


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("<lora:ink:0.8:lbw= OUTALL %>", 27),
        ("<lora:ink:0.8:OUTALL %>", 22),
        ("<lora:ink:0.8:lbwe=IN05/attn2=0.3 %>", 35),
        (f"<lora:ink:0.8:lbw={WITH_X} %:x=0.7>", 20 + len(WITH_X)),
    ],
)
def test_an_error_in_block_weights_points_into_the_tag(text: str, column: int) -> None:
    with pytest.raises(BadStackText) as caught:
        parse("\n" + text)
    assert (caught.value.line, caught.value.column) == (2, column)
    assert text[column - 1] == "%"


@pytest.mark.parametrize("separator", ["\n", "\r\n", " ", ", ", ",", "\n\n  \n"])
def test_tags_may_follow_each_other(separator: str) -> None:
    stack = parse(f"<lora:a:1>{separator}<lora:b:2>")
    assert [entry.name for entry in stack.entries] == ["a", "b"]


ERRORS = [
    ("ink", 1, 1, "'ink'", "a tag"),
    ("<lora:ink:0.8", 1, 14, "the end of the line", "'>'"),
    ("<lora:ink:strong>", 1, 11, "'strong'", "a number"),
    ("<lora:ink:>", 1, 11, "nothing", "a number"),
    ("<lora:ink:nan>", 1, 11, "'nan'", "a number"),
    ("<lora:ink:1e999>", 1, 11, "'1e999'", "a finite number"),
    ("<lora:ink:1:2:3>", 1, 15, "'3'", "at most two"),
    ("<lora:ink:te=>", 1, 14, "nothing", "a number"),
    ("<lora:ink:te= x>", 1, 15, "'x'", "a number"),
    ("<lora:ink:te=1:te=2>", 1, 16, "'te' a second time", "once"),
    ("<lora:ink:hue=1>", 1, 11, "'hue'", "'unet', 'te', 'lbw'"),
    ("<lora::1>", 1, 7, "nothing", "name"),
    ("<lora>", 1, 6, "nothing", "name"),
    ("<hypernet:ink:1>", 1, 2, "'hypernet'", "'lora'"),
    ("<lora:a:1>\n\n  <lora:b:x>", 3, 11, "'x'", "a number"),
    ("<lora:a <lora:b:1>", 1, 9, "'<'", "'>'"),
    ("<lora:a:1> and more", 1, 12, "'and'", "a tag"),
    ("# <lora:a:x>", 1, 11, "'x'", "a number"),
    ("<lora:ink:0.8 and <lora:b:1>", 1, 19, "'<'", "'>' to close the tag before"),
    ("<lora ink:0.8>", 1, 2, "'lora ink'", "'lora' and a colon"),
    ("<>", 1, 2, "nothing", "'lora'"),
    ("<lora:ink:0.8:>", 1, 15, "nothing", "a number"),
    ("<lora:ink:start=5.5>", 1, 17, "'5.5'", "step 10 of 20 is 0.5"),
    ("<lora:ink:step=0.1-10>", 1, 16, "'0.1'", "the number of a step"),
    ("<lora:ink:step=10-5>", 1, 19, "'5'", "no less than where it starts, 10"),
    ("<lora:ink:steps=0-2>", 1, 17, "'0-2'", "counted from 1"),
    ("<lora:ink:steps=4-2>", 1, 17, "'4-2'", "the later one last"),
    ("<lora:ink:steps=a>", 1, 17, "'a'", "such as 1-2"),
    ("<lora:ink:steps=>", 1, 17, "nothing", "such as 1-2"),
    ("<lora:ink:start=5:steps=1>", 1, 25, "'steps='", "once"),
    ("<lora:ink:step=10>", 1, 16, "'10'", "0.2-0.7"),
    ("<lora:ink:start=-0.1>", 1, 17, "'-0.1'", "from 0 to 1"),
    ("<lora:ink:start=0.7:stop=0.2>", 1, 26, "'0.2'", "no less than where it starts, 0.7"),
    ("<lora:ink:step=0.7-0.2>", 1, 20, "'0.2'", "no less than where it starts, 0.7"),
    ("<lora:ink:start=0:step=0-1>", 1, 24, "'step='", "either"),
    ("<lora:ink:start=0:START=0>", 1, 19, "'start' a second time", "once"),
    ("<lora:ink:hash=xyz>", 1, 16, "'xyz'", "8 to 64"),
    ("<lora:ink:hash=abc>", 1, 16, "'abc'", "8 to 64"),
    ("<lora:ink:hash=>", 1, 16, "nothing", "8 to 64"),
    ("<lora:ink:0.8:lbw=>", 1, 19, "nothing", "OUTALL"),
    ("<lora:ink:0.8:OUTALL:lbw=OUTALL>", 1, 15, "'lbw' a second time", "once"),
    ("<lora:ink:0.8:0.3:OUTALL>", 1, 19, "'OUTALL'", "'lbw=' or 'lbwe='"),
    ("<lora:ink:0.8:lbw=OUTALL:x=0.7>", 1, 28, "'0.7'", "an X in 'lbw='"),
    ("<lora:ink:0@0,1@1.5>", 1, 17, "'1.5'", "from 0 to 1"),
    ("<lora:ink:0@0,x@1>", 1, 15, "'x'", "a number"),
    ("<lora:ink:0@0,1>", 1, 15, "'1'", "such as 0.8@0.5"),
    ("<lora:ink:0@0,>", 1, 15, "''", "such as 0.8@0.5"),
    ("<lora:ink:0@0.5, 1@0.2>", 1, 20, "'0.2'", "later than 0.5"),
    ("<lora:ink:0@0.5,1@.5,2@.5>", 1, 24, "'.5'", "two at most"),
    ("<lora:ink:te=0@0,1@1>", 1, 14, "'0@0,1@1'", "unet=0@0,1@0.5:te=1"),
    ("<lora:ink:0@0,1@1:0.5>", 1, 11, "'0@0,1@1'", "unet=0@0,1@0.5:te=1"),
    ("<lora:ink:1:1:dyn=4>", 1, 15, "'dyn'", "no 'dyn='"),
    ("<lora:ink:hr=1>", 1, 11, "'hr'", "second pass"),
    ("<lora:ink:1:mid=0>", 1, 13, "'mid'", "'lbw='"),
]


@pytest.mark.parametrize(("text", "line", "column", "found", "expected"), ERRORS)
def test_an_error_says_where_and_what(text: str, line: int, column: int, found: str, expected: str) -> None:
    with pytest.raises(BadStackText) as caught:
        parse(text)
    error = caught.value
    assert (error.line, error.column, error.found) == (line, column, found)
    assert expected in error.expected


def test_writing_is_canonical() -> None:
    text = "#   note\n< lora:a : 1.0 >  <lora:b:0.30:.8>\n#<lora:c:unet=2:te=2>\n"
    assert write(parse(text)) == "# note\n<lora:a:1>\n<lora:b:unet=0.8:te=0.3>\n# <lora:c:2>"


def test_parts_are_written_in_one_order_and_only_where_they_say_something() -> None:
    text = f"<lora:a:hash=ABCDEF01:step=0.25-1:lbwe={ELEMENTS}:lbw=OUTALL:te=1:unet=0.5>"
    blocks = read_block_weights("OUTALL", ELEMENTS)
    weights = f"lbw={blocks.blocks}:lbwe={blocks.elements}"
    assert write(parse(text)) == f"<lora:a:unet=0.5:te=1:{weights}:start=0.25:hash=abcdef01>"


def test_a_scan_holds_what_can_be_read_and_every_mistake() -> None:
    found = scan("<lora:a:1>, <lora:b:x> <lora:c:1> words\n <lora:d\n<lora:e <lora:f:1>")
    assert [(tag.entry.name, tag.line, tag.column) for tag in found.tags] == [
        ("a", 1, 1),
        ("c", 1, 24),
        ("f", 3, 9),
    ]
    assert [(error.line, error.column) for error in found.errors] == [(1, 21), (1, 35), (2, 9), (3, 9)]


@pytest.mark.parametrize("name", ["a:b", "a>b", "a<b", "a\nb"])
def test_a_name_no_tag_can_hold_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="rename"):
        write(Stack((Entry(name),)))


def test_block_weights_no_tag_can_hold_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be part of a tag"):
        write(Stack((Entry("a", blocks=BlockWeights("IN01>2")),)))


NAMES = st.text(st.characters(exclude_characters="<>:\r\n", exclude_categories=("Cs",)), min_size=1).map(
    str.strip
)
STRENGTHS = st.floats(-MAX_STRENGTH, MAX_STRENGTH)
BLOCKS = st.builds(
    read_block_weights,
    st.sampled_from(["", "OUTALL", VECTOR, FILLED, "IN04-08=0.5 OUT*=0", "BASE=1 MID=-0.25"]),
    st.sampled_from(["", ELEMENTS, "*/attn1=0.5"]),
)
STEPS = st.builds(
    lambda first, more: Steps(first, None if more is None else first + more),
    st.integers(1, 10**6),
    st.none() | st.integers(0, 1000),
)
CURVES = st.lists(
    st.tuples(st.floats(0, 1), STRENGTHS), min_size=1, max_size=9, unique_by=lambda point: point[0]
).map(lambda points: StrengthCurve(tuple(sorted(points))))
WINDOWS = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted)
HASHES = st.just("") | st.text("0123456789abcdef", min_size=8, max_size=64)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    start, stop = draw(WINDOWS)
    name, model, clip = draw(NAMES.filter(bool)), draw(STRENGTHS), draw(STRENGTHS)
    entry = Entry(name, model, clip, draw(st.booleans()), draw(BLOCKS), start, stop, draw(HASHES))
    entry = replace(entry, steps=draw(st.none() | STEPS))
    curve = draw(st.none() | CURVES)
    if curve is None:
        return entry
    together = draw(st.booleans())
    clip = curve.peak if together else clip
    return replace(
        entry, strength_model=curve.peak, strength_clip=clip, curve=curve, is_clip_on_curve=together
    )


COMMENTS = (
    st.text(st.characters(exclude_characters="\r\n", exclude_categories=("Cs",)))
    .map(str.strip)
    .filter(lambda text: not text.startswith("<"))
    .map(Comment)
)
STACKS = st.lists(entries() | COMMENTS).map(lambda rows: Stack(tuple(rows)))


@given(STACKS)
def test_every_stack_survives_writing_and_reading(stack: Stack) -> None:
    text = write(stack)
    assert parse(text) == stack
    assert write(parse(text)) == text


PIECES = [*"<>:#=,.-+@ \t\n\r0123456789xX", "<lora:", "<lyco:ink:", "lora", "ink", "IN04", "OUTALL", "nan"]
PIECES += [
    f"{name}="
    for name in ("unet", "te", "lbw", "lbwe", "start", "stop", "step", "steps", "x", "w", "hash", "dyn")
]
PIECES += [f"<lora:ink:0.8:lbw={VECTOR}>", "1e999", "\u2028", "é", "\0", "abcdef0123"]
BLOCK_PIECES = [
    *" ,=/*!-0123456789RUXABab",
    "IN04",
    "IN04-08",
    "OUT*",
    "BASE",
    "OUTALL",
    "attn2",
    "ff",
    VECTOR,
]
BLOCK_PIECES += ["INVERT", "seed=7", "default=0", "=0.5", "1e-3", "=", "S05", "MIDD", "SD-AB", ";A=2;"]
BLOCK_TEXTS = st.lists(st.sampled_from(BLOCK_PIECES), max_size=12).map("".join)
TAGS = st.builds("<lora:ink:0.8:lbw={}:lbwe={}>".format, BLOCK_TEXTS, BLOCK_TEXTS)
TAGS |= st.builds("<lora:ink:0.8:{}>".format, BLOCK_TEXTS)
TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text() | TAGS


@settings(max_examples=500)
@given(TEXTS)
def test_any_text_is_a_stack_or_a_bad_text_with_a_place_in_it(text: str) -> None:
    lines = re.split("\r\n|\r|\n", text)
    for found in (scan(text), scan_prompt(text).found):
        for error in found.errors:
            assert 1 <= error.line <= len(lines)
            assert 1 <= error.column <= len(lines[error.line - 1]) + 1
        if found.errors:
            with pytest.raises(BadStackText):
                found.stack()
        else:
            assert parse(write(found.stack())) == found.stack()
