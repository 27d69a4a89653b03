"""Values led to the face of a subgraph: edited inside, they change there, and the other way round."""

from __future__ import annotations

from pathlib import Path

import pytest
from block_loras import sdxl_layers, write_lora
from equaliser_bench import SDXL
from PIL import Image
from playwright.sync_api import expect
from workbench import Workbench

INK = "styles/ink_wash"

_WRAP = """([id, name]) => {
    const node = app.graph.getNodeById(id);
    app.canvas.selectNode(node);
    const { node: outside } = app.graph.convertToSubgraph(new Set([node]));
    const [inside] = outside.subgraph.nodes;
    const slot = inside.inputs.find((input) => input.name === name);
    if (slot.link == null) outside.subgraph.addInput(name, slot.type).connect(slot, inside);
    return String(outside.id);
}"""
_ENTER = """(path) => {
    let graph = app.rootGraph ?? app.graph;
    for (const id of path) graph = graph.getNodeById(id).subgraph;
    app.canvas.setGraph(graph);
    app.canvas.ds.offset = [0, 0];
    app.canvas.setDirty(true, true);
    return path.length ? String(graph.nodes[0].id) : null;
}"""
_SET = """([id, name, value]) => {
    const widget = app.graph.getNodeById(id).widgets.find((one) => one.name === name);
    widget.value = value;
    widget.callback?.(value);
}"""
_NEW = """([type, properties]) => {
    const node = LiteGraph.createNode(type);
    node.pos = [330, 130];
    Object.assign(node.properties, properties);
    app.graph.add(node);
    return String(node.id);
}"""
_SHOWS_ZERO = """([id]) => {
    const { element } = app.canvas.graph.getNodeById(id).widgets.at(-1);
    return element.querySelector(".lora-rack-scrub-value")?.textContent === "0";
}"""
_PRESS_USE = """([id]) => {
    const { element } = app.canvas.graph.getNodeById(id).widgets.at(-1);
    element.querySelector(".lora-rack-scrub-use").click();
}"""


def _wrap(bench: Workbench, node: str, name: str) -> str:
    """Put a node of the workflow into a subgraph of its own that has one of its inputs on the face."""
    return str(bench.page.evaluate(_WRAP, [node, name]))


def _enter(bench: Workbench, *path: str) -> str:
    """Open the graph inside a subgraph, or the workflow itself; the id of the one node in there."""
    return str(bench.page.evaluate(_ENTER, list(path)))


def _queued(bench: Workbench, name: str) -> list[object]:
    return [node["inputs"][name] for node in bench.prompt().values()]


@pytest.mark.frontends
def test_a_rack_on_the_face_is_edited_inside_and_outside_at_any_depth(bench: Workbench) -> None:
    bench.is_spent = True
    node = bench.add_rack(f"<lora:{INK}:0.8>").node
    for depth in (1, 2):
        node = _wrap(bench, node, "text")
        levels = [node]
        while len(levels) < depth:
            levels.append(_enter(bench, *levels))
        inside = bench.rack(_enter(bench, *levels))
        expect(inside.element).to_be_visible()
        expect(inside.element).not_to_contain_text("over a wire")
        inside.number("ink_wash").fill("0.4")
        inside.number("ink_wash").press("Enter")
        bench.eventually(lambda: _queued(bench, "text"), [f"<lora:{INK}:0.4>"])
        _enter(bench)
        bench.page.evaluate(_SET, [node, "text", f"<lora:{INK}:0.6>"])
        assert _queued(bench, "text") == [f"<lora:{INK}:0.6>"]
        shown = bench.rack(_enter(bench, *levels))
        expect(shown.number("ink_wash")).to_have_value("0.60")
        _enter(bench)


@pytest.mark.frontends
def test_block_weights_and_a_pick_on_the_face_are_edited_inside(bench: Workbench, base: Path) -> None:
    bench.is_spent = True
    write_lora(base / "models" / "loras" / SDXL, sdxl_layers())
    node = bench.page.evaluate(_NEW, ["LoraRackBlocks", {}])
    bench.page.evaluate(_SET, [node, "lora_name", SDXL])
    outside = _wrap(bench, node, "blocks")
    bench.page.evaluate(_SET, [outside, "blocks", "IN04=0.5"])
    _enter(bench, outside)
    equaliser = bench.page.locator(".lora-rack-eq").last
    bar = equaliser.get_by_role("slider", name="IN04", exact=True)
    expect(bar).to_have_attribute("aria-valuenow", "0.5")
    bar.press("ArrowUp")
    bench.eventually(lambda: _queued(bench, "blocks"), ["IN04=0.55"])

    _enter(bench)
    bench.clear()
    (base / "output").mkdir(exist_ok=True)
    Image.new("RGB", (8, 8)).save(base / "output" / "a.png")
    frames = [{"filename": "a.png", "subfolder": "", "type": "output", "strengths": [at]} for at in (0, 2)]
    kept = {"frames": [{**frame, "latent": 0, "measures": {}} for frame in frames], "axes": [], "sheet": None}
    node = bench.page.evaluate(_NEW, ["LoraRackSliderPreview", {"lora_rack_frames": kept}])
    outside = _wrap(bench, node, "pick")
    node = _enter(bench, outside)
    bench.page.wait_for_function(_SHOWS_ZERO, arg=[node])
    _enter(bench)
    bench.page.evaluate(_SET, [outside, "pick", 2])
    assert _queued(bench, "pick") == [2]
    _enter(bench, outside)
    bench.page.evaluate(_PRESS_USE, [node])
    assert _queued(bench, "pick") == [0]
