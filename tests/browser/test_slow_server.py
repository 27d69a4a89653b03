"""The server answers late, out of order or not at all: what a person did meanwhile is not lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from block_loras import sdxl_layers, write_lora
from equaliser_bench import SDXL, Equaliser, add
from playwright.sync_api import Locator, expect
from workbench import Rack, Workbench

INK, OIL = "styles/ink_wash", "styles/oil_paint"

_GIVE = """([id, name, value]) => {
    app.graph.getNodeById(id).widgets.find((widget) => widget.name === name).value = value;
}"""
_QUEUE = "() => { window.queued = app.graphToPrompt(); }"
_QUEUED = "async () => (await window.queued).output"
_BACK = "() => app.api.dispatchEvent(new CustomEvent('reconnected'))"


@pytest.fixture(scope="module", autouse=True)
def block_loras(base: Path) -> None:
    """A file with many blocks beside the others."""
    write_lora(base / "models" / "loras" / SDXL, sdxl_layers())


def _give(bench: Workbench, node: str, text: str, name: str = "text") -> None:
    """Another text from outside, as a workflow or a promoted widget gives it."""
    bench.page.evaluate(_GIVE, [node, name, text])


def _switch(rack: Rack, name: str) -> Locator:
    return rack.row(name).get_by_role("switch", name=f"{name} on")


def test_edits_made_while_a_text_is_read_are_made_to_what_it_says(bench: Workbench) -> None:
    rack = bench.add_rack(f"<lora:{INK}:0.8>")
    with bench.held("parse") as held:
        _give(bench, rack.node, f"<lora:{INK}:0.5>\n<lora:{OIL}:0.2>")
        bench.eventually(lambda: held.count, 1)
        rack.fader("ink_wash").press("PageUp")
        rack.fader("ink_wash").press("ArrowRight")
        expect(rack.number("ink_wash")).to_have_value("1.10")  # seen at once
        bench.page.evaluate(_QUEUE)
        held.let_go()
        queued = bench.page.evaluate(_QUEUED)
    text = f"<lora:{INK}:1.1>\n<lora:{OIL}:0.2>"
    assert queued[rack.node]["inputs"]["text"] == text
    rack.holds(*text.split("\n"))
    expect(rack.rows).to_have_count(2)


def test_a_row_pasted_while_the_text_is_read_does_not_replace_it(bench: Workbench) -> None:
    rack = bench.add_rack("")
    with bench.held("parse") as held:
        _give(bench, rack.node, f"<lora:{INK}:0.5>")
        bench.eventually(lambda: held.count, 1)
        picker = rack.open_picker()
        picker.get_by_role("combobox").fill("oil paint")
        expect(picker.get_by_role("option").first).to_contain_text("oil_paint")
        picker.get_by_role("option").first.click()
        expect(rack.rows).to_have_count(1)
        held.let_go()
        rack.holds(f"<lora:{INK}:0.5>", f"<lora:{OIL}:1>")


def test_a_typed_text_is_not_lost_to_a_hasty_edit_of_the_rows(bench: Workbench) -> None:
    rack = bench.add_rack(f"<lora:{INK}:0.8>")
    toggle = rack.element.get_by_role("button", name="Show as text")
    toggle.click()
    area = rack.element.get_by_role("textbox", name="The stack as text, one LoRA a line")
    with bench.held("parse") as held:
        area.fill(f"<lora:{INK}:0.8>\n<lora:{OIL}:0.2>")
        toggle.click()
        _switch(rack, "ink_wash").click()
        bench.eventually(lambda: held.count > 0, True)
        held.let_go()
        rack.holds(f"# <lora:{INK}:0.8>", f"<lora:{OIL}:0.2>")


def test_a_text_from_outside_is_not_overwritten_by_an_earlier_edit(bench: Workbench) -> None:
    given = f"  <lora:{INK}:.3>\n\n<lora:{OIL}:.4>"  # not as it would be written
    rack = bench.add_rack(f"<lora:{INK}:0.8>")
    with bench.held("write") as held:
        rack.fader("ink_wash").press("ArrowRight")
        bench.eventually(lambda: held.count, 1)
        _give(bench, rack.node, given)
        expect(rack.rows).to_have_count(2)
    assert bench.prompt()[rack.node]["inputs"]["text"] == given
    expect(rack.number("ink_wash")).to_have_value("0.30")
    assert rack.text == given


def test_the_text_shows_once_it_holds_the_last_edit(bench: Workbench) -> None:
    rack = bench.add_rack(f"<lora:{INK}:0.8>")
    with bench.held("write") as held:
        rack.fader("ink_wash").press("ArrowRight")
        rack.element.get_by_role("button", name="Show as text").click()
        bench.eventually(lambda: held.count, 1)
        held.let_go()
        area = rack.element.get_by_role("textbox", name="The stack as text, one LoRA a line")
        expect(area).to_have_value(f"<lora:{INK}:0.85>")


def test_verdicts_that_come_before_the_files_are_known_are_shown(bench: Workbench) -> None:
    with bench.held("files") as held:
        rack = bench.add_rack(f"<lora:{INK}:0.8>")
        bench.eventually(lambda: held.count, 1)
        bench.page.evaluate(
            """([id, name]) => {
                const apply = LiteGraph.createNode("LoraRackApply");
                app.graph.add(apply);
                const place = apply.inputs.findIndex((input) => input.name === "stack");
                app.graph.getNodeById(id).connect(0, apply, place);
                apply.onExecuted({ lora_rack: [{ name, state: "ok", reason: "", text: "fits" }] });
            }""",
            [rack.node, f"{INK}.safetensors"],
        )
        bench.eventually(lambda: held.count, 2)
        held.let_go()
        expect(rack.row("ink_wash").get_by_role("img", name="It fits")).to_be_visible()


@pytest.mark.parametrize("way", ["a word from the host", "the next run", "the button"])
def test_an_edit_the_server_did_not_answer_to_is_written_later(bench: Workbench, way: str) -> None:
    rack = bench.add_rack(f"<lora:{INK}:0.8>")
    bench.page.route("**/lora_rack/write", lambda route: route.abort())
    rack.fader("ink_wash").press("ArrowRight")
    said = rack.element.get_by_role("alert")
    expect(said).to_contain_text("The server does not answer")
    expect(rack.number("ink_wash")).to_have_value("0.85")
    bench.page.unroute("**/lora_rack/write")
    if way == "a word from the host":
        bench.page.evaluate(_BACK)
    elif way == "the button":
        said.get_by_role("button", name="Try again").click()
    rack.holds(f"<lora:{INK}:0.85>") if way != "the next run" else bench.prompt()
    expect(said).to_be_hidden()
    rack.holds(f"<lora:{INK}:0.85>")
    bench.errors.clear()  # the browser notes that there was no answer, as it should


def test_a_rack_opened_while_the_server_is_away_shows_its_rows_when_it_is_back(bench: Workbench) -> None:
    rack = bench.add_rack("")
    bench.page.route("**/lora_rack/*", lambda route: route.abort())
    _give(bench, rack.node, f"<lora:{INK}:0.5>")
    expect(rack.element.get_by_role("alert")).to_contain_text("The server does not answer")
    bench.page.unroute("**/lora_rack/*")
    bench.page.evaluate(_BACK)
    expect(rack.number("ink_wash")).to_have_value("0.50")
    expect(rack.row("ink_wash")).to_contain_text("SD 1")
    assert rack.text == f"<lora:{INK}:0.5>"
    bench.errors.clear()


def test_what_is_shown_is_chosen_while_a_search_is_under_way(bench: Workbench) -> None:
    rack = bench.add_rack("")
    picker = rack.open_picker()
    picker.get_by_role("combobox").fill("ink wash")
    first = picker.get_by_role("option").first
    expect(first).to_contain_text("ink_wash")
    with bench.held("loras?query=ink+washe*") as held:
        picker.get_by_role("combobox").fill("ink washed")
        bench.eventually(lambda: held.count, 1)
        first.click()
        rack.holds(f"<lora:{INK}:1>")


def test_the_picker_asks_a_silent_server_again_but_not_without_end(bench: Workbench) -> None:
    rack = bench.add_rack("")
    picker = rack.open_picker()
    expect(picker.get_by_role("status")).to_contain_text("LoRAs")
    asked: list[str] = []

    def fail(route: Any) -> None:
        asked.append(route.request.url)
        route.abort()

    bench.page.route("**/lora_rack/loras*", fail)
    picker.get_by_role("listbox").evaluate("(list) => { list.scrollTop = list.scrollHeight; }")
    expect(picker.get_by_role("status")).to_contain_text("does not answer")
    bench.page.wait_for_timeout(1500)
    assert len(asked) < 10
    bench.page.unroute("**/lora_rack/loras*")
    expect(picker.get_by_role("option").last).to_contain_text("oil_paint")
    bench.errors.clear()


class TestEqualiser:
    """The same for block weights."""

    def test_a_text_typed_while_the_lora_is_measured(self, bench: Workbench) -> None:
        with bench.held("energy?*") as held:
            equaliser = add(bench, waits=False)
            bench.eventually(lambda: held.count, 2)  # the list's first LoRA was there before
            field = equaliser.element.get_by_role("textbox", name="Block weights as text")
            field.fill("m00 = .5")
            field.press("Enter")
            assert equaliser.text == "m00 = .5"
            held.let_go()
            expect(equaliser.bar("M00")).to_have_attribute("aria-valuenow", "0.5")
        equaliser.holds("M00=0.5")
        expect(equaliser.element).to_have_attribute("aria-busy", "false")
        expect(field).to_have_value("M00=0.5")

    def test_a_text_half_typed_outlives_what_the_server_has_to_say(self, bench: Workbench) -> None:
        equaliser = add(bench)
        field = equaliser.element.get_by_role("textbox", name="Block weights as text")
        with bench.held("blocks") as held:
            equaliser.bar("M00").focus()
            bench.page.keyboard.press("0")
            bench.eventually(lambda: held.count, 1)
            field.fill("IN04=0.2")
            held.let_go()
            bench.eventually(lambda: equaliser.text, "M00=0")
            expect(field).to_have_value("IN04=0.2")
        field.press("Enter")
        equaliser.holds("IN04=0.2")

    def test_what_is_drawn_on_a_text_from_outside_is_added_to_it(self, bench: Workbench) -> None:
        equaliser = add(bench)
        with bench.held("blocks") as held:
            self._draw(bench, equaliser, "M00")
            bench.eventually(lambda: held.count, 1)
            _give(bench, equaliser.node, "IN04=0.5", "blocks")
            bench.eventually(lambda: held.count, 2)
            self._draw(bench, equaliser, "OUT00")
        equaliser.holds("IN04=0.5 OUT00=0")

    def test_what_the_server_did_not_answer_to_stays_drawn_and_is_written_later(
        self, bench: Workbench
    ) -> None:
        equaliser = add(bench)
        bench.page.route("**/lora_rack/blocks", lambda route: route.abort())
        self._draw(bench, equaliser, "M00")
        expect(equaliser.element.get_by_role("alert")).to_contain_text("The server does not answer")
        expect(equaliser.bar("M00")).to_have_attribute("aria-valuenow", "0")
        bench.page.unroute("**/lora_rack/blocks")
        bench.page.evaluate(_BACK)
        expect(equaliser.element.get_by_role("alert")).to_be_hidden()
        equaliser.holds("M00=0")
        bench.errors.clear()

    def test_a_run_right_after_the_last_stroke_in_a_rows_panel_has_it(self, bench: Workbench) -> None:
        rack = bench.add_rack("<lora:blocks/sdxl_style:0.8>")
        rack.menu("sdxl_style", "Block weights…")
        panel = bench.page.get_by_role("dialog", name="Block weights of sdxl_style")
        bench.at_rest(panel)
        panel.get_by_role("slider", name="M00", exact=True).focus()
        with bench.held("blocks") as held:
            bench.page.keyboard.press("0")
            bench.eventually(lambda: held.count >= 1, True)  # a late one of the panel's own may be among them
            bench.page.evaluate(_QUEUE)
            held.let_go()
            queued = bench.page.evaluate(_QUEUED)
        assert queued[rack.node]["inputs"]["text"] == "<lora:blocks/sdxl_style:0.8:lbw=M00=0>"

    @staticmethod
    def _draw(bench: Workbench, equaliser: Equaliser, block: str) -> None:
        equaliser.bar(block).focus()
        bench.page.keyboard.press("0")
