"""A strength over the sampling: drawn, moved with the keys, typed, and taken back."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from workbench import Rack, Workbench

INK = "styles/ink_wash"


def _opened(bench: Workbench, text: str) -> Rack:
    rack = bench.add_rack(text)
    rack.row("ink_wash").get_by_role("button", name="ink_wash").first.click()
    return rack


def _typed(rack: Rack, label: str, text: str) -> None:
    field = rack.row("ink_wash").get_by_role("textbox", name=f"{label}: ink_wash")
    field.fill(text)
    field.press("Enter")


@pytest.mark.frontends
def test_a_curve_is_drawn_by_dragging_points(bench: Workbench) -> None:
    rack = _opened(bench, f"<lora:{INK}:unet=0.8:te=0.5>")
    rack.row("ink_wash").get_by_role("button", name="Rise", exact=True).click()
    rack.holds(f"<lora:{INK}:unet=0@0,0.8@1:te=0.5>")
    points = rack.row("ink_wash").get_by_role("slider", name="Strength over the sampling")
    expect(points).to_have_count(2)
    drawing = bench.box(rack.row("ink_wash").locator(".lora-rack-curve svg"))
    bench.page.mouse.click(drawing["x"] + drawing["width"] / 2, drawing["y"] + 9)  # half way, at the top
    expect(points).to_have_count(3)
    expect(points.nth(1)).to_have_attribute("aria-valuetext", "1.00 at 50 %")
    rack.holds(f"<lora:{INK}:unet=0@0,1@0.5,0.8@1:te=0.5>")
    expect(rack.number("ink_wash").first).to_have_value("1.00")
    box = bench.box(points.nth(0))
    bench.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    bench.page.mouse.down()
    bench.page.mouse.move(drawing["x"] + drawing["width"] * 0.25, drawing["y"] + 9, steps=4)
    bench.page.mouse.up()
    expect(points.nth(0)).to_have_attribute("aria-valuetext", "1.50 at 23 %")


@pytest.mark.frontends
def test_points_are_moved_and_removed_with_the_keys(bench: Workbench) -> None:
    rack = _opened(bench, f"<lora:{INK}:unet=0@0,1@0.5,0.4@1:te=1>")
    points = rack.row("ink_wash").get_by_role("slider", name="Strength over the sampling")
    points.nth(1).focus()
    for key in ("ArrowDown", "Shift+ArrowUp", "ArrowRight"):
        points.nth(1).press(key)
    rack.holds(f"<lora:{INK}:unet=0@0,0.96@0.55,0.4@1:te=1>")
    points.nth(1).press("Delete")
    rack.holds(f"<lora:{INK}:unet=0@0,0.4@1:te=1>")
    rack.row("ink_wash").get_by_role("button", name="Constant").click()
    rack.holds(f"<lora:{INK}:unet=0.4:te=1>")
    expect(points.first).to_be_hidden()


def test_a_curve_and_steps_are_typed_and_nonsense_is_put_back(bench: Workbench) -> None:
    rack = _opened(bench, f"<lora:{INK}:unet=0.8:te=0.5>")
    _typed(rack, "Strength over the sampling", "0@0, 0.5@1")
    rack.holds(f"<lora:{INK}:unet=0@0,0.5@1:te=0.5>")
    _typed(rack, "Steps", "2-4")
    rack.holds(f"<lora:{INK}:unet=0@0,0.5@1:te=0.5:steps=2-4>")
    for label, text in (("Strength over the sampling", "0@"), ("Steps", "now")):
        _typed(rack, label, text)
    rack.holds(f"<lora:{INK}:unet=0@0,0.5@1:te=0.5:steps=2-4>")
    _typed(rack, "Strength over the sampling", "")
    _typed(rack, "Steps", "")
    rack.holds(f"<lora:{INK}:0.5>")


def test_the_fader_of_a_curve_moves_all_of_it_and_keeps_its_shape(bench: Workbench) -> None:
    rack = bench.add_rack(f"<lora:{INK}:0@0,1@0.5>")
    for strength, points in (("0.5", "0@0,0.5@0.5"), ("0", "0@0,0.01@0.5"), ("2", "0@0,2@0.5")):
        rack.number("ink_wash").first.fill(strength)
        rack.number("ink_wash").first.press("Enter")
        rack.holds(f"<lora:{INK}:{points}>")
    expect(rack.row("ink_wash").locator(".lora-rack-span")).to_have_attribute(
        "title", "Strength over the sampling: 0@0,2@0.5"
    )
