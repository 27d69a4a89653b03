"""The equaliser under the hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from block_loras import flux_layers, sdxl_layers, write_lora
from equaliser_bench import FLUX, LACKING, ORDER, SDXL, add, find, meaning, own
from playwright.sync_api import expect
from workbench import Workbench


@pytest.fixture(scope="module", autouse=True)
def block_loras(base: Path) -> None:
    """Files with many blocks beside the others."""
    write_lora(base / "models" / "loras" / SDXL, sdxl_layers())
    write_lora(base / "models" / "loras" / FLUX, flux_layers())


@pytest.mark.frontends
def test_a_curve_is_drawn_across_the_bars(bench: Workbench) -> None:
    equaliser = add(bench)
    assert list(equaliser.weights()) == list(ORDER)
    position = bench.page.evaluate("(id) => [...app.graph.getNodeById(id).pos]", equaliser.node)
    mouse = bench.page.mouse
    mouse.move(*equaliser.point("IN04", 0.5))
    mouse.down()
    mouse.move(*equaliser.point("OUT01", 1.2), steps=3)
    mouse.up()
    drawn = own(meaning(equaliser.written()))
    steps = ORDER.index("OUT01") - ORDER.index("IN04")
    for place, block in enumerate(ORDER[ORDER.index("IN04") : ORDER.index("OUT01") + 1]):
        if block not in LACKING:
            # A straight line of places, seen in steps of 0.05; kinds stand a little apart, so not quite.
            assert drawn[block] == pytest.approx(0.5 + 0.7 * place / steps, abs=0.06)
            assert drawn[block] * 20 == pytest.approx(round(drawn[block] * 20))
    assert {drawn[block] for block in ("BASE", "OUT02", "OUT03")} == {1.0}
    bench.eventually(lambda: own(equaliser.weights()), drawn)
    equaliser.holds(equaliser.text)
    assert bench.page.evaluate("(id) => [...app.graph.getNodeById(id).pos]", equaliser.node) == position


def test_a_fast_stroke_leaves_no_gap(bench: Workbench) -> None:
    equaliser = add(bench)
    mouse = bench.page.mouse
    mouse.move(*equaliser.point("OUT00", 0.25))
    mouse.down()
    mouse.move(*equaliser.point("OUT05", 0.25), steps=1)
    mouse.up()
    equaliser.holds("OUT*=0.25")


def test_shift_draws_finely(bench: Workbench) -> None:
    equaliser = add(bench)
    mouse = bench.page.mouse
    mouse.move(*equaliser.point("M00", 1.0))
    bench.page.keyboard.down("Shift")
    mouse.down()
    mouse.move(*equaliser.point("M00", 0.7), steps=4)
    mouse.up()
    bench.page.keyboard.up("Shift")
    equaliser.holds("M00=0.97")


def test_keys_and_wheel_move_a_bar_in_focus(bench: Workbench) -> None:
    equaliser = add(bench)
    bar = equaliser.bar("IN04")
    bar.focus()
    for key in ("ArrowDown", "ArrowDown", "Shift+ArrowUp", "PageDown"):
        bench.page.keyboard.press(key)
    equaliser.holds("IN04=0.66")
    bench.page.keyboard.press("ArrowRight")
    expect(equaliser.bar("IN05")).to_be_focused()
    bench.page.keyboard.press("0")
    equaliser.holds("IN04=0.66 IN05=0")
    box = bench.box(equaliser.bar("IN05"))
    scale = bench.page.evaluate("() => app.canvas.ds.scale")
    bench.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    bench.page.mouse.wheel(0, -100)
    equaliser.holds("IN04=0.66 IN05=0.05")
    assert bench.page.evaluate("() => app.canvas.ds.scale") == scale
    bench.page.keyboard.press("Delete")
    equaliser.holds("IN04=0.66")
    expect(bar).to_have_attribute("aria-valuenow", "0.66")


def test_a_double_click_resets_one_bar(bench: Workbench) -> None:
    equaliser = add(bench, "IN04=0.2 M00=0.4")
    bench.page.mouse.dblclick(*equaliser.point("M00", 0.4))
    equaliser.holds("IN04=0.2")


def test_blocks_that_the_file_lacks_are_said_to_be_so_and_stay(bench: Workbench) -> None:
    equaliser = add(bench)
    for block in LACKING:
        expect(equaliser.bar(block)).to_have_attribute("aria-disabled", "true")
        expect(equaliser.bar(block)).to_have_attribute("aria-valuetext", "1.00, not in this file")
    bench.page.mouse.click(*equaliser.point("IN01", 0.3))
    bench.page.mouse.click(*equaliser.point("OUT00", 0.3))
    equaliser.holds("OUT00=0.3")


def test_energy_is_that_of_the_file(bench: Workbench) -> None:
    """‖ΔW‖² of a rank 1 layer is its size squared; the shares follow from the sizes in the file."""
    equaliser = add(bench)
    sizes: dict[str, float] = {}
    names = {"middle_block": "M00", "te1": "BASE"}
    for layer, _, _, size in sdxl_layers():
        found = re.search(r"(input|output)_blocks_(\d+)|(middle_block)|(te1)", layer)
        assert found
        if found[1]:
            block = f"{'IN' if found[1] == 'input' else 'OUT'}{int(found[2]):02}"
        else:
            block = names[found[3] or found[4]]
        sizes[block] = sizes.get(block, 0.0) + size**2
    whole = sum(sizes.values())
    for block, energy in sizes.items():
        said = equaliser.bar(block).get_attribute("aria-valuetext") or ""
        assert float(said.split(", ")[1].split(" %")[0]) == pytest.approx(100 * energy / whole, abs=0.5)


def test_a_preset_is_chosen_and_inverted(bench: Workbench) -> None:
    equaliser = add(bench)
    equaliser.element.get_by_role("combobox", name="Presets").select_option("SDXL-OUTALL")
    equaliser.holds("SDXL-OUTALL")
    bench.eventually(lambda: equaliser.weights()["IN04"], 0.0)
    # BASE, IN04, IN05, IN07, IN08, M00, OUT00-05 in Inspire's list: 1, then five 0, then 1
    expected = {
        block: 1.0 if block.startswith(("OUT", "BASE")) else 0.0 for block in own(equaliser.weights())
    }
    assert own(equaliser.weights()) == expected
    equaliser.element.get_by_role("button", name="Invert").click()
    inverse = {block: 1 - value for block, value in expected.items()}
    bench.eventually(lambda: own(meaning(equaliser.text)), inverse)
    equaliser.element.get_by_role("button", name="All back to 1").click()
    equaliser.holds("")
    assert set(equaliser.weights().values()) == {1.0}


def test_an_element_has_weights_of_its_own(bench: Workbench) -> None:
    equaliser = add(bench, "OUT00=0.5")
    equaliser.element.get_by_role("combobox", name="What the bars stand for").select_option("attn2")
    expect(equaliser.bar("OUT00", "attn2")).to_have_attribute("aria-valuenow", "0.5")
    equaliser.bar("IN05", "attn2").focus()
    bench.page.keyboard.press("0")
    equaliser.holds("OUT00=0.5 IN05/attn2=0")
    equaliser.element.get_by_role("combobox", name="What the bars stand for").select_option("")
    expect(equaliser.bar("IN05")).to_have_attribute("aria-valuenow", "1")
    equaliser.bar("IN04").focus()
    bench.page.keyboard.press("0")
    equaliser.holds("IN04=0 OUT00=0.5 IN05/attn2=0")


def test_a_text_is_typed_and_what_is_wrong_is_said(bench: Workbench) -> None:
    equaliser = add(bench)
    field = equaliser.element.get_by_role("textbox", name="Block weights as text")
    field.fill("in4 = .5,  OUT* = 0")
    field.press("Enter")
    equaliser.holds("IN04=0.5 OUT*=0")
    bench.eventually(lambda: equaliser.weights()["OUT03"], 0.0)
    hostile = "<script>window.hacked=1</script>"
    field.fill(hostile)
    field.press("Enter")
    expect(equaliser.element.get_by_role("alert")).to_contain_text("<script>window.hacked")
    assert bench.page.evaluate("() => window.hacked") is None
    assert equaliser.text == hostile
    field.fill("M00=0.5")
    field.press("Enter")
    equaliser.holds("M00=0.5")
    expect(equaliser.element.get_by_role("alert")).to_be_hidden()


def test_the_text_is_copied(bench: Workbench) -> None:
    equaliser = add(bench, "IN04=0.5 IN05/attn2=0")
    equaliser.element.get_by_role("button", name="Copy as text").click()
    bench.eventually(lambda: bench.page.evaluate("() => navigator.clipboard.readText()"), equaliser.text)


def test_a_saved_workflow_shows_the_same_curve_again(bench: Workbench) -> None:
    equaliser = add(bench, "IN04=0.5 OUT*=0.25")
    shown = equaliser.weights()
    bench.load(bench.workflow())
    again = find(bench, equaliser.node)
    again.holds("IN04=0.5 OUT*=0.25")
    bench.eventually(again.weights, shown)


@pytest.mark.frontends
def test_a_drawn_bar_is_undone(bench: Workbench) -> None:
    bench.command("Comfy.NewBlankWorkflow")
    equaliser = add(bench, "IN04=0.5")
    bench.remember()
    equaliser.bar("M00").focus()
    bench.page.keyboard.press("0")
    equaliser.holds("IN04=0.5 M00=0")
    bench.command("Comfy.Undo")
    bench.eventually(bench.texts, ["IN04=0.5"])
    node = bench.page.evaluate("() => String(app.graph.nodes[0].id)")
    before = find(bench, node)
    before.holds("IN04=0.5")
    bench.eventually(lambda: before.weights()["M00"], 1.0)


def test_another_lora_brings_its_own_blocks(bench: Workbench) -> None:
    equaliser = add(bench, "*=0.5")
    change = """([id, lora]) => {
        const lora_name = app.graph.getNodeById(id).widgets.find((widget) => widget.name === "lora_name");
        lora_name.value = lora;
        lora_name.callback?.(lora);
    }"""
    bench.page.evaluate(change, [equaliser.node, FLUX])
    expect(equaliser.bar("S37")).to_have_attribute("aria-valuenow", "0.5")
    assert len(equaliser.weights()) == 19 + 38
    equaliser.holds("*=0.5")


def test_a_wired_text_is_not_drawn_on(bench: Workbench) -> None:
    equaliser = add(bench)
    wire = """(id) => { const text = LiteGraph.createNode("PrimitiveString"); app.graph.add(text);
        const node = app.graph.getNodeById(id);
        text.connect(0, node, node.inputs.findIndex((input) => input.name === "blocks")); }"""
    bench.page.evaluate(wire, equaliser.node)
    expect(equaliser.element.get_by_role("alert")).to_contain_text("over a wire")
    bench.page.mouse.click(*equaliser.point("M00", 0.3))
    bench.page.wait_for_timeout(200)
    assert equaliser.text == ""


def test_a_row_of_a_rack_has_an_equaliser(bench: Workbench) -> None:
    rack = bench.add_rack("<lora:blocks/sdxl_style:0.8>\n<lora:styles/ink_wash:1>")
    rack.menu("sdxl_style", "Block weights…")
    panel = bench.page.get_by_role("dialog", name="Block weights of sdxl_style")
    panel.get_by_role("slider", name="M00", exact=True).focus()
    bench.page.keyboard.press("0")
    rack.holds("<lora:blocks/sdxl_style:0.8:lbw=M00=0>", "<lora:styles/ink_wash:1>")
    panel.get_by_role("combobox", name="Presets").select_option("SDXL-INALL")
    rack.holds("<lora:blocks/sdxl_style:0.8:lbw=SDXL-INALL>", "<lora:styles/ink_wash:1>")
    bench.page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    rack.row("sdxl_style").get_by_role("button", name="Block weights…: sdxl_style").click()
    expect(panel).to_be_focused()
    bench.page.keyboard.press("Escape")
    expect(panel).to_be_hidden()


def test_the_bars_grow_with_their_node(bench: Workbench) -> None:
    equaliser = add(bench)
    before = bench.box(equaliser.element)
    corner = """(id) => {
        const { pos, size } = app.graph.getNodeById(id);
        const node = document.querySelector(`[data-node-id="${id}"]`)?.getBoundingClientRect();
        return node ? [node.right, node.bottom] : [pos[0] + size[0], pos[1] + size[1]];
    }"""
    x, y = (edge - 3 for edge in bench.page.evaluate(corner, equaliser.node))
    bench.page.mouse.move(x, y)
    bench.page.mouse.down()
    bench.page.mouse.move(x + 30, y + 60, steps=4)
    bench.page.mouse.move(x + 60, y + 140, steps=4)
    bench.page.mouse.up()
    taller = before["height"] + 100
    bench.eventually(lambda: bench.box(equaliser.element)["height"] > taller, True)


@pytest.fixture(params=["dark", "light"])
def both_themes(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestPictures:
    """For eyes: both renderings, both themes."""

    @pytest.fixture
    def theme(self, both_themes: str) -> str:
        return both_themes

    @pytest.mark.parametrize(("lora", "name"), [(SDXL, "sdxl"), (FLUX, "flux")])
    def test_pictures(self, bench: Workbench, rendering: str, theme: str, lora: str, name: str) -> None:
        text = (
            "IN04=0.4 IN05=0.7 M00=1.2 OUT03=0.6 OUT04=0.3"
            if lora == SDXL
            else "D04-09=0.5 S*=0.8 S20-30=1.2"
        )
        equaliser = add(bench, text, lora)
        equaliser.bar("M00" if lora == SDXL else "S10").hover()
        bench.page.wait_for_timeout(400)
        assert bench.picture(f"equaliser_{name}_{rendering}_{theme}").stat().st_size > 10_000
