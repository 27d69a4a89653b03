"""Tags inside prompts: read, taken out, and nothing else touched; bare names of embeddings."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_core.errors import BadStackText
from lora_core.grammar import read_prompt, read_single, scan_prompt, take_out
from lora_core.grammar.embeddings import prefix_embeddings
from lora_core.schedule import Steps, StrengthCurve
from lora_core.stack import Comment, Entry, not_in

TIDIED = [
    ("a lake <lora:ink:0.8> at night", "a lake at night"),
    ("a lake, <lora:ink:0.8>, night", "a lake, night"),
    ("a lake <lora:ink:0.8>, night", "a lake, night"),
    ("a lake,<lora:ink:0.8>night", "a lake,night"),
    ("a lake<lora:ink:0.8>", "a lake"),
    ("a lake, <lora:ink:0.8>", "a lake"),
    ("a lake, night, <lora:ink:0.8>, <lora:oil:1>", "a lake, night"),
    ("a lake, night <lora:ink:0.8> <lora:oil:1>", "a lake, night"),
    ("<lora:ink:0.8>, a lake", "a lake"),
    ("<lora:ink:0.8> <lora:oil:1>\na lake", "a lake"),
    ("a lake,\n<lora:ink:0.8>\nnight", "a lake,\nnight"),
    ("a lake,\r\n  <lora:ink:0.8>\r\nnight", "a lake,\r\nnight"),
    ("a lake\n<lora:ink:0.8>", "a lake"),
    ("a lake, <lora:ink:0.8>\nnight", "a lake,\nnight"),
    ("a lake\n# <lora:ink:0.8>\nnight", "a lake\nnight"),
    ("<lora:ink:0.8>", ""),
    ("a lake <lora:ink:0.8> BREAK night", "a lake BREAK night"),
    ("(a lake:1.2) <LORA : ink : 0.8 >", "(a lake:1.2)"),
    ("embedding:foo, <lyco:ink:0.8>", "embedding:foo"),
]


@pytest.mark.parametrize(("text", "words"), TIDIED)
def test_a_tag_leaves_the_words_as_typed_without_it(text: str, words: str) -> None:
    prompt = read_prompt(text)
    assert prompt.text == words
    assert prompt.stack.entries


UNTOUCHED = [
    "I <3 a lake",
    "a < b, c > d",
    "<b>bold</b> <segment:face> <loraine> <lora_style> <lora-style>",
    "(a lake:1.2), [night], \\(a\\) {x|y} BREAK  embedding:foo ,, AND",
    "# a remark\n\n  #2 in the series ",
    "  ,spaces, \t\r\n and ends\n",
]


@pytest.mark.parametrize("text", UNTOUCHED)
def test_what_is_no_tag_stays_to_the_byte(text: str) -> None:
    assert read_prompt(text).text == text
    assert read_prompt(text).stack.rows == ()


@given(st.text(st.sampled_from("ab,. \t\n\r()[]{}|\\:<>#/é\u2028")))
def test_text_without_the_word_lora_stays_to_the_byte(text: str) -> None:
    assert read_prompt(text).text == text


@given(st.lists(st.sampled_from(["a", "lake", "(night:1.2)", "BREAK", "<3"]), min_size=1), st.data())
def test_tags_between_words_leave_the_words(words: list[str], data: st.DataObject) -> None:
    joint = data.draw(st.sampled_from([" ", ", "]))
    tagged = list(words)
    for place in data.draw(st.lists(st.integers(0, len(words)), max_size=4)):
        tagged.insert(place, "<lora:ink:0.8>")
    assert read_prompt(joint.join(tagged)).text == joint.join(words)


def test_entries_come_in_the_order_of_the_text() -> None:
    prompt = read_prompt("<lora:b:0.3:0.8> a lake\n# <lora:off:1> words <lora:off_too>\n<lora:a:lbw=OUTALL>")
    assert [(entry.name, entry.enabled) for entry in prompt.stack.entries] == [
        ("b", True),
        ("off", False),
        ("off_too", False),
        ("a", True),
    ]
    assert prompt.stack.entries[0] == Entry("b", strength_model=0.8, strength_clip=0.3)
    assert prompt.text == "a lake\n# words"


@pytest.mark.parametrize(
    ("text", "line", "column", "found", "expected"),
    [
        ("a lake\nat <lora:ink:strong> night", 2, 14, "'strong'", "a number"),
        ("a lake <lora:ink:0.8 at night", 1, 30, "the end of the line", "begins at column 8"),
        ("a lake <lora ink:0.8>", 1, 9, "'lora ink'", "'lora' and a colon"),
        ("a lake <lora>", 1, 13, "nothing", "the name"),
        ("a lake <lora", 1, 13, "the end of the line", "'>'"),
        ("a lake <hypernet:ink:1>", 1, 9, "'hypernet'", "'lora'"),
        ("a lake <loractl:ink:1@0:hr=1>", 1, 25, "'hr'", "second pass"),
        ("a [<lora:a:1:stop=0.2>::0.5]", 1, 4, "a tag in brackets", "either the brackets or the tag"),
        ("a [<lora:a:x>::0.5]", 1, 12, "'x'", "a number"),
    ],
)
def test_a_malformed_tag_is_never_text(text: str, line: int, column: int, found: str, expected: str) -> None:
    with pytest.raises(BadStackText) as caught:
        read_prompt(text)
    error = caught.value
    assert (error.line, error.column, error.found) == (line, column, found)
    assert expected in error.expected


EDITINGS = [
    ("[<lora:a:1>:0.3]", [Entry("a", start=0.3)]),
    ("[<lora:a:1>::0.5]", [Entry("a", stop=0.5)]),
    ("[ <lora:a:1> : <lora:b:1> : 0.5 ]", [Entry("a", stop=0.499999), Entry("b", start=0.5)]),
    ("[:<lora:b:1>:0.5]", [Entry("b", start=0.5)]),
    (
        "[<lora:a:1>, <lora:b:2>:<lora:c:1>:10]",
        [Entry("a", steps=Steps(1, 10)), Entry("b", 2, 2, steps=Steps(1, 10)), Entry("c", steps=Steps(11))],
    ),
    ("<loractl:a:1@0,0@0.5>", [Entry("a", curve=StrengthCurve(((0, 1), (0.5, 0))), is_clip_on_curve=True)]),
]


@pytest.mark.parametrize(("text", "entries"), EDITINGS)
@pytest.mark.parametrize("around", ["{}", "a lake, {}, night", "a lake {} night", "(a lake:1.2) {}\n[b] {}"])
def test_tags_in_brackets_say_when(text: str, entries: list[Entry], around: str) -> None:
    prompt = read_prompt(around.replace("{}", text))
    assert list(prompt.stack.entries) == entries * around.count("{}")
    assert prompt.text == read_prompt(around.replace("{}", "<lora:x:1>")).text


@pytest.mark.parametrize(
    "text",
    [
        "[a cat:a dog:0.5]",
        "[{}]",
        "[a cat {}:0.5]",
        "[{}:{}]",
        "[{}:{}:{}:0.5]",
        "[{}:often]",
        "[{}:0.5",
        "[{}:-1]",
        "[{}::1.5]",
        "[[{}]:0.5]",
    ],
)
def test_other_brackets_are_words_around_their_tags(text: str) -> None:
    prompt = read_prompt(text.replace("{}", "<lora:ink:0.8>"))
    assert prompt.stack.rows == (Entry("ink", 0.8, 0.8),) * text.count("{}")
    assert re.sub(" ", "", prompt.text) == re.sub(" ", "", text.replace("{}", ""))


def test_many_open_brackets_are_read_in_time_that_grows_with_them() -> None:
    started = time.process_time()
    scan_prompt("[<lora:a:1>" * 5000 + "[<lora:a:1> " * 5000 + "[" * 50_000)
    assert time.process_time() - started < 2


def test_all_mistakes_of_a_prompt_are_found() -> None:
    found = scan_prompt("a <lora:x:y>, <lora:b:1> c\n<lora:d:e>").found
    assert [(error.line, error.column) for error in found.errors] == [(1, 11), (2, 9)]
    assert [(tag.entry.name, tag.line, tag.column) for tag in found.tags] == [("b", 1, 15)]


INSTALLED = [
    "sub/foo.pt",
    "EasyNegative.safetensors",
    "foo-bar.pt",
    "win\\deep.bin",
    "two words.pt",
    "Case.pt",
]
INSTALLED += ["case.pt", "v1.5.pt"]

EMBEDDED = [
    ("easynegative, foo", "embedding:EasyNegative, embedding:foo"),
    ("(foo:1.2), ((deep))", "(embedding:foo:1.2), ((embedding:deep))"),
    ("(a foo : 1.2)", "(a embedding:foo : 1.2)"),
    ("a,foo,b", "a, embedding:foo ,b"),
    ("(foo,:1.2)", "(embedding:foo ,:1.2)"),
    ("foo.", "embedding:foo ."),
    ("[foo]", "[ embedding:foo ]"),
    ("\\(foo\\)", "\\( embedding:foo \\)"),
    ("FOO bar-foo foobar foo-bar foo.pt", "embedding:foo bar-foo foobar embedding:foo-bar foo.pt"),
    ("embedding:foo embedding:foo-bar", "embedding:foo embedding:foo-bar"),
    ("foo:1.2", "embedding:foo :1.2"),
    ("Case case CASE", "embedding:Case embedding:case CASE"),
    ("two words", "two words"),
    ("v1.5 v1x5", "embedding:v1.5 v1x5"),
    ("a\nfoo\nb", "a\nembedding:foo\nb"),
]


@pytest.mark.parametrize(("text", "spelled"), EMBEDDED)
def test_bare_names_of_embeddings_are_spelled_for_comfyui(text: str, spelled: str) -> None:
    assert prefix_embeddings(text, INSTALLED) == spelled
    assert prefix_embeddings(spelled, INSTALLED) == spelled


@given(st.text(st.sampled_from("foEASYegativ:,.( )\\[]-1\n")))
def test_taking_the_prefixes_and_spaces_out_again_gives_the_text(text: str) -> None:
    def bare(prompt: str) -> str:
        return prompt.replace("embedding:", "").replace(" ", "").lower()

    assert bare(prefix_embeddings(text, INSTALLED)) == bare(text)


def test_without_embeddings_a_prompt_is_as_it_was() -> None:
    assert prefix_embeddings("foo, bar", []) == "foo, bar"


def test_a_tag_of_both_prompts_is_told_from_others_of_its_file() -> None:
    first = [Entry("ink", 0.8, 0.8), Entry("oil")]
    same, stronger, windowed = Entry("ink", 0.8, 0.8, hash="0123456789"), Entry("ink"), Entry("oil", stop=0.5)
    new, twice = not_in(first, [same, stronger, windowed, same])
    assert new == [stronger, windowed]
    assert twice == [same, same]
    assert not_in([], [stronger, stronger]) == ([stronger, stronger], [])


@pytest.mark.parametrize(
    ("tag", "name", "strengths"),
    [
        ("<lora:ink>", "ink", []),
        ("< LoRA : ink :0.3: 0.8 >", "ink", ["0.3", "0.8"]),
        ("<lora:ink:lbw=OUTALL:te=.3:unet=0.8>", "ink", [".3", "0.8"]),
        ("<rack:mine: 0.5>", "mine", ["0.5"]),
        ("<lora:ink:0@0,1@0.3, 0.4@1>", "ink", ["0", "1", "0.4"]),
    ],
)
def test_a_tag_by_itself_says_where_its_name_and_its_strengths_stand(
    tag: str, name: str, strengths: list[str]
) -> None:
    read = read_single(tag)
    assert tag[slice(*read.name)] == read.row.name == name
    assert [tag[slice(*place)] for place in read.strengths] == strengths


@pytest.mark.parametrize(
    "text", ["", "ink", "<lora:ink", "<lora:ink:1> ", " <lora:ink:1>", "<lora:a:1><lora:b:1>"]
)
def test_anything_but_one_tag_is_no_tag_by_itself(text: str) -> None:
    with pytest.raises(BadStackText):
        read_single(text)


@pytest.mark.parametrize(
    ("text", "starts", "left", "names"),
    [
        ("a lake, <lora:ink:0.8>, <lora:oil:1> night", [8], "a lake, <lora:oil:1> night", ["ink"]),
        ("a lake, <lora:ink:0.8>, night\n# <lora:oil:1>", [32], "a lake, <lora:ink:0.8>, night", ["oil"]),
        ("[<lora:ink:1>:0.3] lake", [1], "lake", ["ink"]),
        ("[<lora:ink:1>:<lora:oil:1>:20] lake", [1], "<lora:oil:1:steps=21-> lake", ["ink"]),
        ("<lora:ink:much> <lora:oil <3", [0, 16], "<lora:ink:much> <lora:oil <3", []),
        ("<rack:mine:0.5> lake", [0], "lake", ["mine"]),
        ("lake <lora:ink:1>", [4], "lake <lora:ink:1>", []),
    ],
)
def test_some_tags_are_taken_out_and_the_rest_stays(
    text: str, starts: list[int], left: str, names: list[str]
) -> None:
    taken = take_out(text, starts)
    assert taken.text == left
    assert [row.name for row in taken.stack.rows if not isinstance(row, Comment)] == names


@given(
    st.lists(
        st.sampled_from(["a", " ", ", ", "\n", "# ", "<lora:ink:1>", "<lora:oil:0.5>", "é"]), max_size=12
    )
)
def test_the_words_are_the_same_whether_tags_go_one_by_one_or_all_at_once(pieces: list[str]) -> None:
    text = "".join(pieces)
    starts = [found.start() for found in re.finditer("<", text)]
    assert take_out(text, starts).text == read_prompt(text).text
    assert take_out(text, []).text == text
