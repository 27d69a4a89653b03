"""The text of a picture, pasted into an empty graph or given to the command: a graph, or a reason."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from workbench import Workbench

TEXT = """day mountains lake <lora:add_detail:1>
Negative prompt: night
Steps: 6, Sampler: Euler, Schedule type: Simple, CFG scale: 2.5, Seed: 5, Size: 128x128, Model: rack_demo"""
_PASTE = """(text) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", text);
    const event = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
    document.body.dispatchEvent(event);
    return event.defaultPrevented;
}"""


def _encode(bench: Workbench) -> dict[str, object]:
    found = (node for node in bench.prompt().values() if node["class_type"] == "LoraRackEncode")
    return dict(next(found, {"inputs": {}})["inputs"])


@pytest.mark.frontends
def test_a_pasted_text_becomes_a_graph_and_undo_takes_it_back(bench: Workbench) -> None:
    assert bench.page.evaluate(_PASTE, TEXT)
    bench.eventually(lambda: _encode(bench).get("positive"), "day mountains lake <lora:add_detail:1>")
    assert bench.page.evaluate(_PASTE, TEXT) is False, "a graph that is not empty is left to the host's paste"
    bench.command("Comfy.Undo")
    bench.page.wait_for_timeout(500)
    if bench.prompt():  # Nodes 2.0 notes the sizes it gives new nodes as a step of its own
        bench.command("Comfy.Undo")
    bench.eventually(bench.prompt, {})


def test_every_other_paste_is_the_hosts(bench: Workbench) -> None:
    assert bench.page.evaluate(_PASTE, "day mountains lake") is False
    assert bench.prompt() == {}


def test_the_command_says_what_is_not_here_and_refuses_nonsense(bench: Workbench) -> None:
    bench.command("LoraRack.NewFromText")
    box = bench.page.get_by_label("Paste the prompt and all lines under it.")
    box.fill("nonsense")
    bench.page.get_by_role("button", name="Make the graph").click()
    expect(bench.page.get_by_text("The text could not be read").last).to_be_visible()
    box.fill(TEXT.replace("rack_demo", "rack_dem0"))
    bench.page.get_by_role("button", name="Make the graph").click()
    report = bench.page.get_by_role("dialog", name="Made a graph from the text")
    expect(report).to_contain_text("no checkpoint 'rack_dem0' is here. Choose one of: rack_demo.safetensors")
    report.get_by_role("button", name="Close").last.click()
    assert _encode(bench)["negative"] == "night"
