"""How LoRAs come into a rack: searched for, pasted, dropped; and what shows of files that are not there."""

from __future__ import annotations

import io
import json
import statistics
from pathlib import Path

import pytest
from lora_folder import HOSTILE, write_lora
from PIL import Image, PngImagePlugin
from playwright.sync_api import expect
from workbench import Rack, Workbench

INK, OIL = "styles/ink_wash", "styles/oil_paint"

_PASTE = """(rack, text) => {
    const data = new DataTransfer();
    data.setData("text/plain", text);
    rack.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}"""
_OPEN_PICKER = """async (rack) => {
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const options = () => [...document.querySelectorAll(".lora-rack-picker [role=option]")];
    const isHere = () => options().length > 3 && options().every((one) => !one.hasAttribute("aria-busy"));
    const start = performance.now();
    rack.querySelector(".lora-rack-add").click();
    do await frame(); while (!isHere());
    await frame();
    return performance.now() - start;
}"""
_DROP = """(rack, [name, bytes]) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], name));
    for (const kind of ["dragover", "drop"]) {
        rack.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
    }
}"""


def _drop(rack: Rack, name: str, content: bytes) -> None:
    rack.element.evaluate(_DROP, [name, list(content)])


def _png(**texts: str) -> bytes:
    fields = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        fields.add_text(name, text)
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG", pnginfo=fields)
    return out.getvalue()


@pytest.mark.frontends
def test_a_lora_is_found_among_thousands_and_added(bench: Workbench) -> None:
    rack = bench.add_rack("")
    picker = rack.open_picker()
    expect(picker.get_by_role("option").nth(3)).not_to_have_attribute("aria-busy", "")
    picker.get_by_role("combobox").fill("styl 4217")
    expect(picker.get_by_role("option").first).to_contain_text("style_4217")
    picker.get_by_role("combobox").press("Enter")
    rack.holds("<lora:library/shelf_42/style_4217:1>")
    expect(picker.get_by_role("option").first).to_contain_text("in the rack")
    picker.get_by_role("combobox").fill("ink wash")
    expect(picker.get_by_role("option").first).to_contain_text("ink_wash")
    picker.get_by_role("option").first.click()
    rack.holds("<lora:library/shelf_42/style_4217:1>", f"<lora:{INK}:1>")


def test_a_hasty_enter_takes_what_was_typed_not_what_was_shown(bench: Workbench) -> None:
    rack = bench.add_rack("")
    picker = rack.open_picker()
    expect(picker.get_by_role("option").nth(3)).to_be_visible()
    bench.page.keyboard.type("ink wash")
    bench.page.keyboard.press("Enter")
    rack.holds(f"<lora:{INK}:1>")


def test_the_list_of_thousands_is_there_at_once(bench: Workbench, rendering: str) -> None:
    """Measured in the page: from the press to a frame with the first rows and a field to type in."""
    rack = bench.add_rack("")
    bench.at_rest(rack.element)
    taken_ms = []
    for _ in range(9):
        taken_ms.append(rack.element.evaluate(_OPEN_PICKER))
        expect(bench.page.get_by_role("combobox")).to_be_focused()
        expect(bench.page.get_by_role("option").nth(3)).to_contain_text("add_saturation")
        bench.page.keyboard.press("Escape")
    bench.pictures.mkdir(parents=True, exist_ok=True)
    (bench.pictures / f"picker-opens-{rendering}.json").write_text(json.dumps(taken_ms))
    assert statistics.median(taken_ms) < 5000


def test_the_list_of_thousands_holds_few_elements_and_scrolls_to_its_end(bench: Workbench) -> None:
    rack = bench.add_rack("")
    picker = rack.open_picker()
    expect(picker.get_by_role("option").nth(3)).to_contain_text("add_saturation")
    expect(picker.get_by_role("status")).to_contain_text("LoRAs")
    listed = picker.get_by_role("listbox")
    listed.evaluate("(list) => { list.scrollTop = list.scrollHeight; }")
    expect(picker.get_by_role("option").last).to_contain_text("oil_paint")
    assert picker.get_by_role("option").count() < 40


def test_trigger_words_and_families_are_searched(bench: Workbench) -> None:
    rack = bench.add_rack("")
    picker = rack.open_picker()
    for typed in ("monochrome", "ink stable diffusion 1"):
        picker.get_by_role("combobox").fill("")

        def first(typed: str = typed) -> bool:
            # What is written beside files is read in the background.
            picker.get_by_role("combobox").fill(typed + " ")
            picker.get_by_role("combobox").fill(typed)
            bench.page.wait_for_timeout(300)
            return "ink_wash" in " ".join(picker.get_by_role("option").all_text_contents()[:1])

        bench.eventually(first, True)


def test_pasted_tags_become_rows_whatever_is_around_them(bench: Workbench) -> None:
    rack = bench.add_rack(f"<lora:{OIL}:1>")
    rack.element.evaluate(_PASTE, f"a lake, (misty:1.2), <lora:{INK}:0.7>, dawn")
    rack.holds(f"<lora:{OIL}:1>", f"<lora:{INK}:0.7>")
    rack.element.evaluate(_PASTE, "nothing of the kind")
    expect(rack.element.get_by_role("alert")).to_contain_text("no LoRA tags")
    rack.holds(f"<lora:{OIL}:1>", f"<lora:{INK}:0.7>")


def test_a_bad_tag_is_not_pasted_and_the_reason_is_said(bench: Workbench) -> None:
    rack = bench.add_rack(f"<lora:{OIL}:1>")
    rack.element.evaluate(_PASTE, f"<lora:{INK}:much>")
    expect(rack.element.get_by_role("alert")).to_contain_text("expected a number")
    rack.holds(f"<lora:{OIL}:1>")


def test_pictures_and_workflows_bring_their_loras(bench: Workbench) -> None:
    rack = bench.add_rack("")
    parameters = f"a lake <lora:{INK}:0.7>\nNegative prompt: blurry\nSteps: 20"
    _drop(rack, "a1111.png", _png(parameters=parameters))
    rack.holds(f"<lora:{INK}:0.7>")
    loader = {
        "lora_name": f"{OIL}.safetensors",
        "strength_model": 0.5,
        "strength_clip": 0.25,
        "model": ["1", 0],
    }
    _drop(rack, "comfy.png", _png(prompt=json.dumps({"2": {"class_type": "LoraLoader", "inputs": loader}})))
    rack.holds(f"<lora:{INK}:0.7>", f"<lora:{OIL}.safetensors:unet=0.5:te=0.25>")
    workflow = {"nodes": [{"id": 1, "type": "LoraRackStack", "widgets_values": [f"<lora:{INK}:2>"]}]}
    _drop(rack, "workflow.json", json.dumps(workflow).encode())
    rack.holds(f"<lora:{INK}:0.7>", f"<lora:{OIL}.safetensors:unet=0.5:te=0.25>", f"<lora:{INK}:2>")
    _drop(rack, "plain.png", _png())
    expect(rack.element.get_by_role("alert")).to_contain_text("This file names no LoRA")


@pytest.mark.parametrize("name", ["twice", "ink_wsh"])
def test_a_row_without_a_file_says_so_at_once_and_offers_candidates(bench: Workbench, name: str) -> None:
    rack = bench.add_rack(f"<lora:{name}:0.8>")
    wanted = "a/twice" if name == "twice" else INK
    rack.row(name).get_by_role("button", name=f"{wanted}.safetensors").click()
    rack.holds(f"<lora:{wanted}:0.8>")
    row = rack.row(wanted.rpartition("/")[2])
    expect(row.get_by_role("slider")).to_be_visible()
    expect(row).not_to_contain_text("No file")
    expect(row).not_to_contain_text("Which is meant")


def test_a_file_put_there_later_is_found_after_a_refresh(bench: Workbench, base: Path) -> None:
    path = base / "models" / "loras" / "late_arrival.safetensors"
    path.unlink(missing_ok=True)
    rack = bench.add_rack("<lora:late_arrival:1>")
    expect(rack.row("late_arrival")).to_contain_text("No file of this name is here")
    write_lora(path)
    bench.page.evaluate("() => app.refreshComboInNodes()")
    expect(rack.row("late_arrival")).not_to_contain_text("No file of this name is here")


def test_markup_in_titles_words_and_metadata_is_text(bench: Workbench) -> None:
    rack = bench.add_rack("<lora:hostile:1>")
    row = rack.row("hostile")
    row.get_by_role("button", name="hostile", exact=True).click()
    expect(row.get_by_role("button", name=f"Copy {HOSTILE}")).to_be_visible()
    rack.menu("hostile", "Inspect the file")
    inspector = bench.page.get_by_role("dialog", name="Inspect the file")
    expect(inspector.get_by_text(HOSTILE).first).to_be_visible()
    bench.page.keyboard.press("Escape")
    picker = rack.open_picker()
    picker.get_by_role("combobox").fill("hostile")
    expect(picker.get_by_role("option").first).to_contain_text(HOSTILE)
    assert bench.page.evaluate("window.hacked") is None
    assert bench.page.locator(".lora-rack-theme img[src='x']").count() == 0


def test_markup_in_a_remark_and_in_a_name_that_is_not_here(bench: Workbench) -> None:
    rack = bench.add_rack("# it is <img src=x onerror=window.hacked=1>\n<lora:a&lt;b&gt;\"'/x:1>")
    expect(rack.rows.first).to_contain_text("<img src=x onerror=window.hacked=1>")
    expect(rack.rows.nth(1)).to_contain_text("No file of this name is here")
    assert bench.page.evaluate("window.hacked") is None


def test_a_file_dropped_twice_counts_once_and_its_remarks_are_shown(bench: Workbench) -> None:
    rack = bench.add_rack("<lora:people/freckles:1>")
    nodes = [
        {"id": 1, "type": "CR Load LoRA", "widgets_values": ["Off", f"{INK}.safetensors", 0.5, 0.5]},
        {"id": 2, "type": "LoraRackAdd", "widgets_values": [OIL, 1, 1, "OUTALL", 0.2, 1]},
        {"id": 3, "type": "Note", "widgets_values": ["<lora:name:strength>"]},
    ]
    lines = ["<lora:people/freckles:1>", f"# <lora:{INK}.safetensors:0.5>"]
    lines.append(f"<lora:{OIL}:1:lbw=OUTALL:start=0.2>")
    for _ in range(2):
        _drop(rack, "workflow.json", json.dumps({"nodes": nodes, "links": []}).encode())
        rack.holds(*lines)
    expect(rack.element.get_by_role("alert")).to_contain_text("are in the rack")


def test_a_name_no_tag_can_hold_keeps_no_other_row_out(bench: Workbench, base: Path) -> None:
    odd = base / "models" / "loras" / "odd"
    for name in ("trailing .safetensors", "ratio 3:2.safetensors"):
        write_lora(odd / name)
    bench.page.evaluate("() => app.refreshComboInNodes()")
    rack = bench.add_rack(f"<lora:{INK}:0.8>")
    picker = rack.open_picker()
    for typed, found in (("trailing", "trailing "), ("ratio", "ratio 3:2"), ("oil paint", "oil_paint")):
        picker.get_by_role("combobox").fill(typed)
        expect(picker.get_by_role("option").first).to_contain_text(found)
        picker.get_by_role("option").first.click()
        if typed == "ratio":
            expect(rack.element.get_by_role("alert")).to_contain_text("Rename the file")
    rack.holds(f"<lora:{INK}:0.8>", "<lora:odd/trailing .safetensors:1>", f"<lora:{OIL}:1>")
    for name in ("trailing .safetensors", "ratio 3:2.safetensors"):
        (odd / name).unlink()


def test_the_bars_of_a_row_are_those_its_text_means(bench: Workbench) -> None:
    rack = bench.add_rack(f"<lora:{INK}:1:lbw=IN04-08=0.5 OUT*=0>")
    bars = rack.row("ink_wash").locator(".lora-rack-blocks i")
    expect(bars.nth(20)).to_be_attached()
    heights = bars.evaluate_all("(all) => all.map((bar) => parseFloat(bar.style.height))")
    assert heights[0] == 100
    assert heights.count(50) == 5
    assert heights[-1] < 10
