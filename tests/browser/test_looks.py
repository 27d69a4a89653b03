"""What the rack looks like, kept for eyes in out/browser/: both renderings, both themes."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect
from workbench import Workbench

SHOWN = """<lora:styles/ink_wash:0.8>
# <lora:styles/oil_paint:unet=0.6:te=0.3>
# portraits only
<lora:people/freckles:-0.5:start=0.2:stop=0.7>
<lora:add_detail:1.25:lbw=IN=0.3 J00=0.9 J02=0.2 OUT=1>
<lora:twice:1>
<lora:styles/ink_wsh:1.2>"""


@pytest.fixture(params=["dark", "light"])
def theme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.frontends
def test_the_rack_its_picker_and_its_inspector(bench: Workbench, rendering: str, theme: str) -> None:
    rack = bench.add_rack(SHOWN)
    expect(rack.row("ink_wsh")).to_contain_text("No file of this name is here")
    rack.row("ink_wash").get_by_role("button", name="ink_wash", exact=True).click()
    bench.page.wait_for_timeout(300)
    taken = [bench.picture(f"rack-{rendering}-{theme}")]
    picker = rack.open_picker()
    picker.get_by_role("combobox").fill("st")
    expect(picker.get_by_role("option").first).to_be_visible()
    bench.page.wait_for_timeout(500)
    taken.append(bench.picture(f"picker-{rendering}-{theme}"))
    bench.page.keyboard.press("Escape")
    rack.menu("ink_wash", "Inspect the file")
    expect(bench.page.get_by_role("dialog", name="Inspect the file")).to_contain_text("modelspec")
    taken.append(bench.picture(f"inspector-{rendering}-{theme}"))
    assert all(path.stat().st_size > 10_000 for path in taken)


_CONTRAST = """(rack) => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgb = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = (top, ground) => [0, 1, 2].map((i) => top[i] * top[3] + ground[i] * (1 - top[3]));
    const light = (colour) => {
        const [r, g, b] = colour.map((part) => part / 255)
            .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = rgb(getComputedStyle(rack).backgroundColor);
    const found = {};
    const parts = [...rack.querySelectorAll("span, button, input, strong, b, dt, dd, select")];
    for (const part of parts.filter((part) => part.checkVisibility() && !part.closest(".is-off"))) {
        const own = [...part.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!own && part.tagName !== "INPUT") continue;
        const lights = [light(over(rgb(getComputedStyle(part).color), ground)), light(ground)];
        const name = `${part.className} ${part.textContent}`;
        found[name] = (Math.max(...lights) + 0.05) / (Math.min(...lights) + 0.05);
    }
    return found;
}"""


def _faint(part: Locator) -> dict[str, float]:
    """The texts of a part that stand out too little, with their contrast (WCAG 2.2, 1.4.3: at least 4.5)."""
    ratios: dict[str, float] = part.evaluate(_CONTRAST)
    assert len(ratios) > 3
    return {name: ratio for name, ratio in ratios.items() if ratio < 4.5}


@pytest.mark.frontends
def test_texts_stand_out_from_their_ground(bench: Workbench, theme: str) -> None:
    rack = bench.add_rack(SHOWN)
    expect(rack.row("ink_wsh")).to_contain_text("No file of this name is here")
    assert _faint(rack.element) == {}
    floating = bench.page.locator(".lora-rack-popover")
    picker = rack.open_picker()
    expect(picker.get_by_role("option").nth(3)).to_contain_text("add_saturation")
    assert _faint(floating) == {}
    bench.page.keyboard.press("Escape")
    rack.menu("ink_wash", "Inspect the file")
    expect(floating).to_contain_text("modelspec")
    assert _faint(floating) == {}
    bench.page.keyboard.press("Escape")
    rack.menu("add_detail", "Block weights…")
    expect(floating.get_by_role("alert")).to_contain_text("found IN")
    assert _faint(floating) == {}
    floating.get_by_role("button", name="All back to 1").click()  # a text for another family can be replaced
    expect(floating.get_by_role("slider").first).to_be_visible()
    expect(floating.get_by_role("alert")).to_be_hidden()
    assert _faint(floating) == {}


_SET_WIDTH = """(id) => {
    for (const widget of app.graph.getNodeById(id).widgets) widget.width = 150;
    app.canvas.setDirty(true, true);
}"""


@pytest.mark.frontends
def test_the_rack_stays_as_wide_as_its_node(bench: Workbench) -> None:
    """The page's properties panel gives the widgets of a selected node its own width (1.45 and later)."""
    rack = bench.add_rack("<lora:add_detail:1>")
    bench.at_rest(rack.element)
    before = bench.box(rack.element)["width"]
    bench.page.evaluate(_SET_WIDTH, rack.node)
    bench.at_rest(rack.element)
    assert bench.box(rack.element)["width"] == pytest.approx(before, abs=1)
