"""Tags in a prompt's box: seen, judged, and their strengths changed where they stand."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from playwright.sync_api import expect
from prompt_bench import FRECKLES, INK, OIL, add_prompt, lexed, prompt_of, prompts
from workbench import Workbench

from lora_core.errors import BadStackText
from lora_core.grammar import read_single, scan_prompt

LAKE = f"a lake at dawn, <lora:{INK}:0.8>, (night:1.2)"
TEXTS = [
    LAKE,
    "<3 a < b <b> <lora ink> <LoRA: ink :1>, < lyco:x:1>",
    "<lora:a:0.8 <lora:b:1> <lora:c",
    "<lora:a:0.8\n<lora:b:1>",
    "# <lora:a:1> words <lora:b:1>\n  # <lora:c:1>\nwords # <lora:d:1>",
    "<lora-x:1> <loras:1> <lora_:1> <loraé:1> <lora:é😀:1> 😀<lora:b:1>",
    "<hypernet:x:1> <loractl:x:1> <hypernet x>",
    "[<lora:a:1>:0.3] [<lora:a:1>:<lora:b:1>:0.5] [words <lora:c:1>]",
    "\u202b<lora:\u05d0\u05d1:1> \u05e9\u05dc\u05d5\u05dd\u202c",
    "<lora:a>>",
    "<<lora:a:1>",
    "",
    "<lora",
]
_PIECES = [
    "<lora:",
    "<",
    ">",
    ":",
    "a",
    "0.8",
    "\n",
    "# ",
    "lyco",
    "[",
    "]",
    ", ",
    "<lora:ink:1>",
    "é",
    "😀",
    "unet=",
]


def _in_units(text: str, place: int) -> int:
    return len(text[:place].encode("utf-16-le")) // 2


def test_the_page_finds_the_tags_that_the_grammar_finds(bench: Workbench, rendering: str) -> None:
    """Both read the same texts: every tag at its place, on or off, and each by itself the same entry."""
    if rendering != "classic":
        return  # a module is the same in both
    chance = random.Random(14)
    texts = [*TEXTS, *("".join(chance.choices(_PIECES, k=chance.randrange(14))) for _ in range(600))]
    for text, found in zip(texts, lexed(bench, texts), strict=True):
        scan = scan_prompt(text).found
        lines = [0, *(place + 1 for place, letter in enumerate(text) if letter == "\n")]
        expected = {
            (_in_units(text, lines[tag.line - 1] + tag.column - 1), tag.entry.enabled, tag.entry.name)
            for tag in scan.tags
        } | {
            (_in_units(text, lines[tag.line - 1] + tag.column - 1), tag.rack.enabled, tag.rack.name)
            for tag in scan.racks
        }
        read = {(tag["start"], not tag["off"], name) for tag in found if (name := _name(text, tag))}
        assert expected <= read, text
        # What the grammar read no tag from is a tag in brackets that says when as well.
        assert len(read - expected) <= sum("brackets" in str(error) for error in scan.errors), text
        assert bool(scan.errors) <= (len(found) > len(expected)), text


def _name(text: str, tag: dict[str, Any]) -> str:
    """The name in a tag that the page found, empty where the grammar cannot read the tag by itself."""
    units = text.encode("utf-16-le")[2 * tag["start"] : 2 * tag["end"]]
    try:
        return read_single(units.decode("utf-16-le")).row.name
    except BadStackText:
        return ""


@pytest.mark.frontends
def test_tags_are_coloured_by_what_they_are(bench: Workbench, rendering: str) -> None:
    text = (
        f"a lake, <lora:{INK}:0.8>, <lora:style/inkwash:1> <lora:x:much>\n# <lora:{FRECKLES}:1>\n"
        f"/* <lora:{OIL}:1> */ <3 <lora:open"
    )
    prompt = add_prompt(bench, text)
    prompt.looks(
        (f"<lora:{INK}:0.8>", "is-fine"),
        ("<lora:style/inkwash:1>", "is-missing"),
        ("<lora:x:much>", "is-wrong"),
        (f"<lora:{FRECKLES}:1>", "is-fine is-off"),
        (f"<lora:{OIL}:1>", "is-fine is-off"),
        ("<lora:open", "is-wrong"),
    )
    bench.picture(f"prompt-tags-{rendering}")
    assert prompt.text == text


def test_the_colours_lie_on_the_letters(bench: Workbench) -> None:
    """The box and the layer above it break lines at the same places, scrolled or not."""
    words = " ".join(f"word{number} <lora:{INK}:0.{number % 9 + 1}>," for number in range(40))
    prompt = add_prompt(bench, words)
    prompt.bench.eventually(
        lambda: prompt.area.evaluate("(area) => area.parentElement.querySelectorAll('.is-fine').length"), 40
    )
    prompt.area.evaluate("(area) => { area.scrollTop = 97; }")
    same = """async (area) => {
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        const ink = area.parentElement.querySelector(".lora-rack-ink");
        return [ink.scrollTop === area.scrollTop, ink.scrollHeight === area.scrollHeight,
                ink.clientWidth === area.clientWidth, getComputedStyle(ink).pointerEvents];
    }"""
    assert prompt.area.evaluate(same) == [True, True, True, "none"]


@pytest.mark.frontends
def test_ctrl_up_and_down_change_the_strength_of_a_tag_and_weights_of_words_as_before(
    bench: Workbench,
) -> None:
    prompt = add_prompt(bench, LAKE)
    prompt.looks((f"<lora:{INK}:0.8>", "is-fine"))
    prompt.caret("ink_wash", 3)
    before = prompt.selection
    for _ in range(3):
        bench.page.keyboard.press("Control+ArrowUp")
    prompt.holds(LAKE.replace("0.8", "0.95"))
    bench.page.keyboard.press("Control+ArrowDown")
    prompt.holds(LAKE.replace("0.8", "0.9"))
    assert prompt.selection == before
    prompt.caret("night", 2)
    bench.page.keyboard.press("Control+ArrowUp")
    prompt.holds(LAKE.replace("0.8", "0.9").replace("1.2", "1.25"))
    for _ in range(2):  # one step of the box for each key
        prompt.area.press("Control+z")
    prompt.holds(LAKE.replace("0.8", "0.95"))


def test_each_way_to_write_a_strength_is_changed_where_it_is_written(bench: Workbench) -> None:
    ways = [
        (f"<lora:{INK}>", f"<lora:{INK}:1.05>"),
        (f"<lora:{INK}:0.3:0.8>", f"<lora:{INK}:0.35:0.85>"),
        (f"<lora:{INK}:lbw=OUTALL>", f"<lora:{INK}:1.05:lbw=OUTALL>"),
        (f"<lora:{INK}:unet=.8:te=1:start=0.2>", f"<lora:{INK}:unet=0.85:te=1.05:start=0.2>"),
        (f"<lora:{INK}:0@0,1@0.5>", f"<lora:{INK}:0@0,1.05@0.5>"),
        (f"[<lora:{INK}:1>:0.3]", f"[<lora:{INK}:1.05>:0.3]"),
        (f"<lora:{INK}:-0.05>", f"<lora:{INK}:0>"),
    ]
    prompt = add_prompt(bench, "")
    for tag, changed in ways:
        prompt.area.fill(f"words {tag} words")
        prompt.caret("ink_wash", 2)
        bench.page.keyboard.press("Control+ArrowUp")
        prompt.holds(f"words {changed} words")
    for tag in (
        f"<lora:{INK}:much>",
        f"<lora:{INK}:0.8",
    ):  # nobody can read them, and the host would break them
        prompt.area.fill(f"words {tag}")
        prompt.caret("ink_wash", 2)
        bench.page.keyboard.press("Control+ArrowUp")
        bench.page.wait_for_timeout(300)
        prompt.holds(f"words {tag}")


def test_the_hint_says_what_became_of_the_lora_in_the_last_run(bench: Workbench) -> None:
    prompt = add_prompt(bench, LAKE)
    prompt.caret("ink")
    hint = bench.page.get_by_role("group", name="LoRA tag ink_wash")
    expect(hint).to_contain_text("Stable Diffusion 1")
    bench.page.evaluate(
        """(name) => {
            const apply = LiteGraph.createNode("LoraRackApply");
            app.graph.add(apply);
            const text = "64 of 64 layers\\nand more";
            apply.onExecuted({ lora_rack: [{ name, state: "ok", reason: "", text }] });
        }""",
        f"{INK}.safetensors",
    )
    expect(hint).to_contain_text("64 of 64 layers")
    expect(hint).not_to_contain_text("and more")


def test_the_tag_under_the_caret_shows_its_file_and_a_fader(bench: Workbench, rendering: str) -> None:
    prompt = add_prompt(bench, f"{LAKE} <lora:style/inkwash:1>")
    prompt.caret("ink_wash", 3)
    hint = bench.page.get_by_role("group", name="LoRA tag ink_wash")
    expect(hint).to_contain_text("Stable Diffusion 1")
    fader = hint.get_by_role("slider", name="Strength of ink_wash")
    expect(fader).to_have_attribute("aria-valuenow", "0.8")
    bench.picture(f"prompt-hint-{rendering}")
    box = bench.box(fader)
    bench.page.mouse.click(box["x"] + box["width"] * 2 / 3, box["y"] + box["height"] / 2)
    prompt.holds(f"{LAKE} <lora:style/inkwash:1>".replace("0.8", "1"))
    expect(prompt.area).to_be_focused()
    hint.get_by_role("button", name="Insert monochrome").click()
    prompt.holds(f"{LAKE} <lora:style/inkwash:1>".replace("0.8>", "1>, monochrome"))
    expect(hint.get_by_role("button", name="monochrome is in the prompt")).to_be_disabled()
    prompt.caret("inkwash", 1)
    missing = bench.page.get_by_role("group", name="LoRA tag inkwash")
    expect(missing).to_contain_text("No file of this name is here.")
    missing.get_by_role("button", name=f"{INK}.safetensors").click()
    prompt.holds(LAKE.replace("0.8>", "1>, monochrome") + f" <lora:{INK}:1>")
    prompt.caret("a lake")
    expect(bench.page.locator(".lora-rack-hint")).to_have_count(0)


def test_the_pointer_shows_what_a_tag_is(bench: Workbench) -> None:
    prompt = add_prompt(bench, LAKE)
    mark = prompt.area.locator("xpath=..").locator(".lora-rack-tag")
    box = bench.box(mark)
    bench.page.mouse.move(box["x"] + 20, box["y"] + box["height"] / 2)
    expect(bench.page.get_by_role("group", name="LoRA tag ink_wash")).to_be_visible()
    bench.page.mouse.move(20, 500)
    expect(bench.page.locator(".lora-rack-hint")).to_have_count(0)


@pytest.mark.frontends
def test_after_a_load_and_an_undo_and_in_a_subgraph_tags_are_coloured(bench: Workbench) -> None:
    bench.is_spent = True
    opened = "app.extensionManager.workflow.activeWorkflow.path"
    before = bench.page.evaluate(f"() => {opened}")
    bench.command("Comfy.NewBlankWorkflow")
    bench.page.wait_for_function(f"(before) => {opened} !== before", arg=before)
    prompt = add_prompt(bench, LAKE)
    bench.remember()
    prompt.looks((f"<lora:{INK}:0.8>", "is-fine"))
    prompt.caret("ink_wash", 1)
    bench.page.keyboard.press("Control+ArrowUp")
    prompt.holds(LAKE.replace("0.8", "0.85"))
    prompt.area.blur()
    bench.remember()
    bench.command("Comfy.Undo")
    bench.eventually(bench.texts, [LAKE])
    prompt_of(bench, prompts(bench)[0]).looks((f"<lora:{INK}:0.8>", "is-fine"))
    bench.load(bench.workflow())
    again = prompt_of(bench, prompts(bench)[0])
    again.looks((f"<lora:{INK}:0.8>", "is-fine"))
    bench.page.evaluate(
        "(id) => { const node = app.graph.getNodeById(id); app.canvas.selectNode(node);"
        " const { node: outside } = app.graph.convertToSubgraph(new Set([node]));"
        " app.canvas.setGraph(outside.subgraph); app.canvas.ds.offset = [0, 0];"
        " app.canvas.setDirty(true, true); }",
        again.node,
    )
    inside = prompt_of(bench, prompts(bench)[0])
    inside.looks((f"<lora:{INK}:0.8>", "is-fine"))
    inside.caret("ink_wash", 1)
    bench.page.keyboard.press("Control+ArrowDown")
    inside.holds(LAKE.replace("0.8", "0.75"))


def test_ten_thousand_tags_are_typed_into_as_ever(bench: Workbench) -> None:
    text = f"<lora:{INK}:1> " * 10_000
    prompt = add_prompt(bench, text)
    prompt.caret("<lora", 0)
    started = time.monotonic()
    bench.page.keyboard.type("a lake, ")
    prompt.holds(f"a lake, {text}")
    assert time.monotonic() - started < 30
    assert prompt.selection == [8, 8]


def test_without_a_server_nothing_is_lost(bench: Workbench) -> None:
    with bench.held("tags"):
        prompt = add_prompt(bench, LAKE)
        prompt.looks((f"<lora:{INK}:0.8>", "is-unknown"))
        prompt.caret("ink_wash", 2)
        bench.page.keyboard.press("Control+ArrowUp")
        bench.page.keyboard.type("xyz")
        prompt.holds(LAKE.replace("ink_wash", "inxyzk_wash"))
    bench.is_spent = True
