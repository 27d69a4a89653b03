"""The grammar of a stack's text: A1111's readings, positions in errors, the round trip."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_core.errors import BadStackText
from lora_core.grammar import parse, write
from lora_core.stack import Comment, Entry, Stack

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
    ("# <lora:ink:0.8>", Entry("ink", 0.8, 0.8, enabled=False)),
    ("#<lora:ink:0.8>", Entry("ink", 0.8, 0.8, enabled=False)),
    ("# a remark", Comment("a remark")),
    ("#", Comment("")),
    ("# was <lora:ink:1> before", Comment("was <lora:ink:1> before")),
]


@pytest.mark.parametrize(("text", "row"), READINGS)
def test_a_row_is_read_as_a1111_reads_it(text: str, row: Entry | Comment) -> None:
    assert parse(text).rows == (row,)


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
    ("<lora:ink:1e999>", 1, 11, "'1e999'", "beyond all bounds"),
    ("<lora:ink:1:2:3>", 1, 15, "'3'", "at most two"),
    ("<lora:ink:te=>", 1, 14, "nothing", "a number"),
    ("<lora:ink:te= x>", 1, 15, "'x'", "a number"),
    ("<lora:ink:te=1:te=2>", 1, 16, "'te' a second time", "once"),
    ("<lora:ink:hue=1>", 1, 11, "'hue'", "'unet='"),
    ("<lora::1>", 1, 7, "nothing", "name"),
    ("<lora>", 1, 6, "nothing", "name"),
    ("<hypernet:ink:1>", 1, 2, "'hypernet'", "'lora'"),
    ("<lora:a:1>\n\n  <lora:b:x>", 3, 11, "'x'", "a number"),
    ("<lora:a <lora:b:1>", 1, 9, "'<'", "'>'"),
    ("<lora:a:1> and more", 1, 12, "'and'", "a tag"),
    ("# <lora:a:x>", 1, 11, "'x'", "a number"),
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


@pytest.mark.parametrize("name", ["a:b", "a>b", "a<b", "a\nb"])
def test_a_name_no_tag_can_hold_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="rename"):
        write(Stack((Entry(name),)))


NAMES = st.text(st.characters(exclude_characters="<>:\r\n", exclude_categories=("Cs",)), min_size=1).map(
    str.strip
)
STRENGTHS = st.floats(allow_nan=False, allow_infinity=False)
ENTRIES = st.builds(Entry, NAMES.filter(bool), STRENGTHS, STRENGTHS, st.booleans())
COMMENTS = (
    st.text(st.characters(exclude_characters="\r\n", exclude_categories=("Cs",)))
    .map(str.strip)
    .filter(lambda text: not text.startswith("<"))
    .map(Comment)
)
STACKS = st.lists(ENTRIES | COMMENTS).map(lambda rows: Stack(tuple(rows)))


@given(STACKS)
def test_every_stack_survives_writing_and_reading(stack: Stack) -> None:
    text = write(stack)
    assert parse(text) == stack
    assert write(parse(text)) == text


@given(st.text("<>lora:#=te,.-0123456789 \n\tunetxy", max_size=60))
def test_any_text_is_a_stack_or_a_bad_text_with_a_place_in_it(text: str) -> None:
    with suppress(BadStackText):
        parse(text)
        return
    with pytest.raises(BadStackText) as caught:
        parse(text)
    lines = text.split("\n")
    assert 1 <= caught.value.line <= len(lines)
    assert 1 <= caught.value.column <= len(lines[caught.value.line - 1]) + 1
