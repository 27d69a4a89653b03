"""The rows of a rack under the hand: mouse, wheel, keys."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect
from workbench import Workbench

INK, OIL, FRECKLES = "styles/ink_wash", "styles/oil_paint", "people/freckles"
THREE = f"<lora:{INK}:0.8>\n<lora:{OIL}:0.5>\n<lora:{FRECKLES}:1>"


def _middle(bench: Workbench, part: Locator) -> tuple[float, float]:
    box = bench.box(part)
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.frontends
def test_a_fader_is_dragged_to_a_strength(bench: Workbench) -> None:
    rack = bench.add_rack(THREE)
    box = bench.box(rack.fader("ink_wash"))
    y = box["y"] + box["height"] / 2
    position = bench.page.evaluate("(id) => [...app.graph.getNodeById(id).pos]", rack.node)
    bench.page.mouse.move(box["x"] + box["width"] * (1.8 / 3), y)  # the scale goes from -1 to 2
    bench.page.mouse.down()
    bench.page.mouse.move(box["x"] + box["width"] * (1.4 / 3), y, steps=5)
    bench.page.mouse.move(box["x"] + box["width"] * (2.5 / 3), y, steps=5)
    bench.page.mouse.up()
    rack.holds(f"<lora:{INK}:1.5>", f"<lora:{OIL}:0.5>", f"<lora:{FRECKLES}:1>")
    assert bench.page.evaluate("(id) => [...app.graph.getNodeById(id).pos]", rack.node) == position


def test_a_click_sets_a_fader_and_a_double_click_puts_it_back(bench: Workbench) -> None:
    rack = bench.add_rack(f"<lora:{INK}:0.8>")
    box = bench.box(rack.fader("ink_wash"))
    bench.page.mouse.click(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
    rack.holds(f"<lora:{INK}:0>")
    rack.fader("ink_wash").dblclick()
    rack.holds(f"<lora:{INK}:1>")


def test_a_strength_is_typed_with_point_or_comma(bench: Workbench) -> None:
    rack = bench.add_rack(f"<lora:{INK}:0.8>")
    rack.number("ink_wash").fill("0,625")
    rack.number("ink_wash").press("Enter")
    rack.holds(f"<lora:{INK}:0.625>")
    rack.number("ink_wash").fill("1000")
    rack.number("ink_wash").press("Tab")
    rack.holds(f"<lora:{INK}:100>")
    rack.number("ink_wash").fill("nonsense")
    rack.number("ink_wash").press("Enter")
    rack.holds(f"<lora:{INK}:100>")
    expect(rack.number("ink_wash")).to_have_value("100.00")


def test_keys_and_wheel_move_a_fader_in_focus(bench: Workbench) -> None:
    rack = bench.add_rack(f"<lora:{INK}:0.8>")
    fader = rack.fader("ink_wash")
    fader.focus()
    for key in ("ArrowRight", "Shift+ArrowLeft", "PageUp"):
        fader.press(key)
    rack.holds(f"<lora:{INK}:1.09>")
    expect(fader).to_have_attribute("aria-valuenow", "1.09")
    bench.page.mouse.move(*_middle(bench, fader))
    bench.page.mouse.wheel(0, 100)
    rack.holds(f"<lora:{INK}:1.04>")
    fader.press("Delete")
    rack.holds(f"<lora:{INK}:1>")


def test_a_wheel_over_a_fader_without_focus_changes_nothing(bench: Workbench) -> None:
    rack = bench.add_rack(f"<lora:{INK}:0.8>")
    bench.page.mouse.move(*_middle(bench, rack.fader("ink_wash")))
    bench.page.mouse.wheel(0, 100)
    bench.page.wait_for_timeout(200)
    rack.holds(f"<lora:{INK}:0.8>")


def test_rows_are_switched_off_and_on_one_alone_and_all(bench: Workbench) -> None:
    rack = bench.add_rack(THREE)
    rack.row("oil_paint").get_by_role("switch", name="oil_paint on").click()
    rack.holds(f"<lora:{INK}:0.8>", f"# <lora:{OIL}:0.5>", f"<lora:{FRECKLES}:1>")
    rack.menu("oil_paint", "Solo")
    rack.holds(f"# <lora:{INK}:0.8>", f"<lora:{OIL}:0.5>", f"# <lora:{FRECKLES}:1>")
    rack.menu("oil_paint", "End solo")
    rack.holds(f"<lora:{INK}:0.8>", f"# <lora:{OIL}:0.5>", f"<lora:{FRECKLES}:1>")
    rack.element.get_by_role("button", name="All off").click()
    rack.holds(f"# <lora:{INK}:0.8>", f"# <lora:{OIL}:0.5>", f"# <lora:{FRECKLES}:1>")
    rack.element.get_by_role("button", name="All on").click()
    rack.holds(*THREE.split("\n"))


@pytest.mark.frontends
def test_a_row_is_dragged_to_another_place(bench: Workbench) -> None:
    rack = bench.add_rack(THREE)
    x, y = _middle(bench, rack.row("ink_wash").locator(".lora-rack-grip"))
    bench.page.mouse.move(x, y)
    bench.page.mouse.down()
    bench.page.mouse.move(x, y + 20, steps=3)
    bench.page.mouse.move(x, _middle(bench, rack.row("freckles"))[1] + 8, steps=6)
    bench.page.mouse.up()
    rack.holds(f"<lora:{OIL}:0.5>", f"<lora:{FRECKLES}:1>", f"<lora:{INK}:0.8>")


def test_a_long_list_scrolls_while_a_row_is_held_at_its_edge(bench: Workbench) -> None:
    lines = [f"<lora:library/shelf_00/style_{number:04}:0.5>" for number in range(30)]
    rack = bench.add_rack("\n".join(lines))
    shown = rack.element.get_by_role("list")
    x, y = _middle(bench, rack.row("style_0000").locator(".lora-rack-grip"))
    box = bench.box(shown)
    # Before the held row makes the list longer.
    end = shown.evaluate("(list) => list.scrollHeight - list.clientHeight")
    bench.page.mouse.move(x, y)
    bench.page.mouse.down()
    bench.page.mouse.move(x, box["y"] + box["height"] - 5, steps=4)
    bench.eventually(lambda: shown.evaluate("(list) => list.scrollTop") > end - 1, True)
    bench.page.mouse.up()
    rack.holds(*lines[1:], lines[0])


def test_the_text_encoder_gets_a_strength_of_its_own(bench: Workbench) -> None:
    rack = bench.add_rack(f"<lora:{INK}:0.8>")
    row = rack.row("ink_wash")
    row.get_by_role("button", name="ink_wash", exact=True).click()
    row.get_by_role("switch", name="Separate strength for the text encoder").click()
    number = row.get_by_role("textbox", name="Text encoder strength of ink_wash, as a number")
    number.fill("0.3")
    number.press("Enter")
    rack.holds(f"<lora:{INK}:unet=0.8:te=0.3>")
    row.get_by_role("switch", name="Separate strength for the text encoder").click()
    rack.holds(f"<lora:{INK}:0.8>")


def test_a_row_is_duplicated_copied_and_removed(bench: Workbench) -> None:
    rack = bench.add_rack(THREE)
    rack.menu("oil_paint", "Copy as tag")
    bench.eventually(lambda: bench.page.evaluate("navigator.clipboard.readText()"), f"<lora:{OIL}:0.5>")
    rack.menu("ink_wash", "Duplicate")
    rack.holds(f"<lora:{INK}:0.8>", *THREE.split("\n"))
    rack.menu("freckles", "Remove")
    rack.holds(f"<lora:{INK}:0.8>", f"<lora:{INK}:0.8>", f"<lora:{OIL}:0.5>")


def test_trigger_words_are_chips_that_copy(bench: Workbench) -> None:
    rack = bench.add_rack(f"<lora:{INK}:0.8>")
    rack.row("ink_wash").get_by_role("button", name="ink_wash", exact=True).click()
    rack.row("ink_wash").get_by_role("button", name="Copy monochrome").click()
    bench.eventually(lambda: bench.page.evaluate("navigator.clipboard.readText()"), "monochrome")


@pytest.mark.frontends
def test_everything_works_from_the_keyboard(bench: Workbench) -> None:
    rack = bench.add_rack("")
    keyboard = bench.page.keyboard
    rack.element.get_by_role("button", name="Add LoRA").focus()
    keyboard.press("Enter")
    expect(bench.page.get_by_role("combobox", name="Search name, folder, trigger word")).to_be_focused()
    keyboard.type("ink wash")
    expect(bench.page.get_by_role("option").first).to_contain_text("ink_wash")
    keyboard.press("Enter")
    keyboard.press("Escape")
    expect(rack.element.get_by_role("button", name="Add LoRA")).to_be_focused()
    rack.holds(f"<lora:{INK}:1>")
    for key in ("Tab", "Tab"):  # the text toggle, the row's switch
        keyboard.press(key)
    expect(rack.row("ink_wash").get_by_role("switch", name="ink_wash on")).to_be_focused()
    keyboard.press("Space")
    rack.holds(f"# <lora:{INK}:1>")
    for key in ("Tab", "Tab", "ArrowLeft"):  # the name, the fader
        keyboard.press(key)
    rack.holds(f"# <lora:{INK}:0.95>")
    keyboard.press("Shift+F10")
    expect(bench.page.get_by_role("menuitem", name="Inspect the file")).to_be_visible()
    for key in ("End", "Enter"):
        keyboard.press(key)
    rack.holds("")
    expect(rack.element.get_by_role("button", name="Add LoRA")).to_be_focused()


def test_rows_change_places_by_keys(bench: Workbench) -> None:
    rack = bench.add_rack(THREE)
    switch = rack.row("freckles").get_by_role("switch", name="freckles on")
    switch.press("Alt+ArrowUp")
    rack.holds(f"<lora:{INK}:0.8>", f"<lora:{FRECKLES}:1>", f"<lora:{OIL}:0.5>")
    expect(switch).to_be_focused()
    expect(rack.element.get_by_role("status")).to_have_text("people/freckles: place 2 of 3")


@pytest.mark.frontends
def test_a_taller_node_shows_more_rows(bench: Workbench) -> None:
    lines = [f"<lora:library/shelf_00/style_{number:04}:0.5>" for number in range(30)]
    rack = bench.add_rack("\n".join(lines))
    expect(rack.rows).to_have_count(30)
    before = bench.box(rack.element)
    corner = bench.page.evaluate(
        "(id) => { const { pos, size } = app.graph.getNodeById(id);"
        " const node = document.querySelector(`[data-node-id='${id}']`)?.getBoundingClientRect();"
        " return node ? [node.right, node.bottom] : [pos[0] + size[0], pos[1] + size[1]]; }",
        rack.node,
    )
    x, y = corner[0] - 3, corner[1] - 3
    bench.page.mouse.move(x, y)
    bench.page.mouse.down()
    bench.page.mouse.move(x + 30, y + 60, steps=4)
    bench.page.mouse.move(x + 60, y + 140, steps=4)
    bench.page.mouse.up()
    bench.eventually(lambda: bench.box(rack.element)["height"] > before["height"] + 100, True)
    assert bench.box(rack.element)["width"] > before["width"] + 30
    rack.holds(*lines)


def test_a_number_half_typed_outlives_what_the_server_has_to_say(bench: Workbench) -> None:
    """Cards of files and verdicts come when they come, and draw the row anew under the typing hand."""
    with bench.held("files") as held:
        rack = bench.add_rack(f"<lora:{INK}:0.8>")
        bench.eventually(lambda: held.count, 1)
        rack.number("ink_wash").click()
        bench.page.keyboard.type("0.3")
        held.let_go()
        expect(rack.row("ink_wash")).to_contain_text("SD 1")
        expect(rack.number("ink_wash")).to_have_value("0.3")
        bench.page.keyboard.type("5")
        bench.page.keyboard.press("Enter")
        rack.holds(f"<lora:{INK}:0.35>")
