"""Named racks in the page, and files that are not here: saved, inserted, got, and what a reload leaves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_sites import SHA256, Fakes, Fault
from playwright.sync_api import Locator, expect
from workbench import Rack, Workbench

INK, OIL = "styles/ink_wash", "styles/oil_paint"
HASH = SHA256[:10]


@pytest.fixture(autouse=True)
def _nothing_kept(bench: Workbench, base: Path) -> Iterator[None]:
    yield
    for file in (base / "models" / "loras").glob("Ink Wash*"):  # no other test looks for it
        file.unlink()
    for rack in bench.client.get("/lora_rack/racks")["racks"]:
        bench.client.post("/lora_rack/rack/delete", {"name": rack["name"], "version": rack["version"]})


def _shelf(rack: Rack) -> Locator:
    rack.element.get_by_role("button", name="Racks", exact=True).click()
    return rack.bench.page.get_by_role("dialog", name="Named racks")


def test_a_rack_is_saved_and_inserted_by_name_and_as_rows(bench: Workbench) -> None:
    rack = bench.add_rack(f"<lora:{INK}:0.5>\n# a remark\n<lora:{OIL}:1>")
    shelf = _shelf(rack)
    shelf.get_by_role("textbox", name="Name for this rack").fill("portrait")
    shelf.get_by_role("button", name="Save this rack").click()
    expect(shelf.get_by_role("listitem", name="portrait")).to_contain_text(f"{INK}, {OIL}")
    shelf.get_by_role("textbox", name="Name for this rack").fill("portrait")
    shelf.get_by_role("button", name="Save this rack").click()
    expect(shelf.get_by_role("alert")).to_contain_text("there is a rack called 'portrait' already")
    bench.picture("shelf")
    bench.page.keyboard.press("Escape")

    other = bench.add_rack("", y=520)
    _shelf(other).get_by_role("button", name="Insert as one row, by its name: portrait").click()
    other.holds("<rack:portrait>")
    row = other.element.get_by_role("listitem", name="Rack portrait")
    number = row.get_by_role("textbox", name="Strength of portrait, as a number")
    number.fill("0.5")
    number.press("Enter")
    other.holds("<rack:portrait:0.5>")
    bench.picture("named_rack")
    row.get_by_role("switch").click()
    other.holds("# <rack:portrait:0.5>")
    row.get_by_role("switch").click()
    row.get_by_role("button", name="More: portrait").click()
    bench.page.get_by_role("menuitem", name="Put its rows here").click()
    other.holds(f"<lora:{INK}:0.25>", "# a remark", f"<lora:{OIL}:0.5>")


def test_a_rack_that_another_page_changed_is_not_overwritten(bench: Workbench) -> None:
    rack = bench.add_rack(f"<lora:{INK}:0.5>")
    saved = bench.client.post("/lora_rack/rack/save", {"name": "p", "text": "<lora:a:1>"})
    shelf = _shelf(rack)
    one = shelf.get_by_role("listitem", name="p")
    one.get_by_role("button", name="More: p").click()
    newer = {"name": "p", "text": "<lora:a:2>", "version": saved["version"]}
    bench.client.post("/lora_rack/rack/save", newer)
    one.get_by_role("button", name="Replace by this rack: p").click()
    one.get_by_role("button", name="Really replace?: p").click()
    expect(shelf.get_by_role("alert")).to_contain_text("has been changed since you read it")
    assert bench.client.get("/lora_rack/rack?name=p")["text"] == "<lora:a:2>"
    one = shelf.get_by_role("listitem", name="p")
    one.get_by_role("button", name="Delete: p").click()
    one.get_by_role("button", name="Really delete?: p").click()
    expect(shelf.get_by_role("status")).to_have_text(re.compile("No rack is kept yet"))
    bench.page.keyboard.press("Escape")


def test_a_missing_row_gets_its_file_after_saying_what_it_is(
    bench: Workbench, sites: Fakes, base: Path
) -> None:
    sites.fault = Fault(cuts=[200] * 10**3)
    sites.asked.clear()
    rack = bench.add_rack(f"<lora:wash:0.8:hash={HASH}>")
    row = rack.row("wash")
    get = row.get_by_role("button", name="Get…: wash")
    expect(get).to_be_visible()
    assert sites.asked == [], "nothing is asked before a person does"
    get.click()
    offer = bench.page.get_by_role("dialog", name="Get a LoRA")
    expect(offer).to_contain_text("Ink Wash.safetensors")
    expect(offer).to_contain_text("SDXL")
    expect(offer).to_contain_text("sharing merges")
    expect(offer).to_contain_text("The site says that this is the file the row asks for.")
    assert sites.paths("store") == []
    bench.picture("offer")
    offer.get_by_role("button", name="Get", exact=True).click()
    expect(row.get_by_role("progressbar")).to_be_visible()
    bench.picture("getting")
    expect(row.get_by_role("button", name="Cancel: wash")).to_be_visible()
    sites.fault = Fault()
    expect(row.get_by_role("progressbar")).to_be_hidden()
    expect(get).to_be_hidden()
    assert json.dumps(bench.client.get("/lora_rack/get/jobs")["jobs"][-1]["state"]) == '"done"'
