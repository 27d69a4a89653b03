"""What the page fetches of ours, and when; and what it says where something does not come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from block_loras import sdxl_layers, write_lora
from equaliser_bench import SDXL, add
from playwright.sync_api import Browser, expect
from workbench import Workbench

from tools.dev.host_client import HostClient
from tools.dev.host_server import HostServer
from tools.dev.layout import this_checkout

WEB = this_checkout().root / "web"
MAX_START_BYTES = 150_000
NOT_LOADED = "This part of the page did not load. Try again, or reload the page."


@pytest.mark.frontends
def test_the_page_fetches_little_before_a_widget_is_needed(bench: Workbench) -> None:
    fetched = {*bench.loaded_at_start}
    assert {"extension.js", "style.css", "rack/rack_view.js"} <= fetched
    assert [name for name in fetched if name.endswith(".mjs")] == []
    assert sum((WEB / name).stat().st_size for name in fetched) < MAX_START_BYTES


@pytest.fixture
def fresh(chromium: Browser, server: HostServer, base: Path, tmp_path: Path) -> Iterator[Workbench]:
    """A page in which nothing has come yet, whose server gives none of what comes later."""
    write_lora(base / "models" / "loras" / SDXL, sdxl_layers())
    bench = Workbench.new(chromium, HostClient(server.address), tmp_path)
    bench.open(server.url, "nodes2")
    bench.page.route("**/*.mjs", lambda route: route.abort())
    yield bench
    bench.page.context.close()


def test_what_does_not_come_is_said_and_comes_when_asked_again(fresh: Workbench) -> None:
    """As while the server restarts."""
    rack = fresh.add_rack("<lora:styles/ink_wash:0.8>", x=30)
    rack.element.get_by_role("button", name="Add LoRA").click()
    expect(rack.element.get_by_role("alert")).to_contain_text(NOT_LOADED)
    equaliser = add(fresh, "IN04=0.5", waits=False)
    expect(equaliser.element.get_by_role("alert")).to_contain_text(NOT_LOADED)
    assert fresh.prompt()[equaliser.node]["inputs"]["blocks"] == "IN04=0.5"
    fresh.command("LoraRack.TurnIntoRack")
    expect(fresh.page.get_by_role("alert").filter(has_text=NOT_LOADED).last).to_be_visible()

    fresh.page.unroute("**/*.mjs")
    equaliser.element.get_by_role("button", name="Try again").click()
    expect(equaliser.element).to_have_attribute("aria-busy", "false")
    expect(equaliser.bar("IN04")).to_be_visible()
    expect(rack.open_picker().get_by_role("option").first).to_be_visible()
