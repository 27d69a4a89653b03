"""Moving in: loaders turned into a rack and back, as one step to undo, and what is said about the rest."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect
from workbench import Workbench

# A checkpoint, two of the host's loaders in a row, a prompt and a sampler; ids 1 to 5.
_LOADERS = """([names]) => {
    const add = (type, x, values = {}) => {
        const node = LiteGraph.createNode(type);
        node.pos = [x, 120];
        app.graph.add(node);
        for (const [name, value] of Object.entries(values)) {
            node.widgets.find((widget) => widget.name === name).value = value;
        }
        return node;
    };
    const checkpoint = add("CheckpointLoaderSimple", 0, { ckpt_name: "rack_demo.safetensors" });
    let from = checkpoint;
    for (const [at, name] of names.entries()) {
        const values = { lora_name: name, strength_model: 0.5 + at, strength_clip: 0.25 };
        const loader = add("LoraLoader", 320 + 320 * at, values);
        from.connect(0, loader, "model");
        from.connect(1, loader, "clip");
        from = loader;
    }
    const prompt = add("CLIPTextEncode", 1000, { text: "a lake" });
    const sampler = add("KSampler", 1300);
    from.connect(0, sampler, "model");
    from.connect(1, prompt, "clip");
    prompt.connect(0, sampler, "positive");
    app.extensionManager.workflow.activeWorkflow.changeTracker.checkState();
}"""
_NAMES = ["add_detail.safetensors", "add_saturation.safetensors"]
_TEXT = "<lora:add_detail.safetensors:unet=0.5:te=0.25>\n<lora:add_saturation.safetensors:unet=1.5:te=0.25>"


def _types(bench: Workbench) -> list[str]:
    found: list[str] = bench.page.evaluate("() => app.canvas.graph.nodes.map((node) => node.type).sort()")
    return found


def _select(bench: Workbench, *types: str) -> None:
    bench.page.evaluate(
        "(types) => app.canvas.selectItems(app.canvas.graph.nodes.filter((n) => types.includes(n.type)))",
        list(types),
    )


def _loaders(bench: Workbench) -> dict[str, Any]:
    bench.page.evaluate(_LOADERS, [_NAMES])
    return bench.prompt()


def _of(prompt: dict[str, Any], type: str) -> dict[str, Any]:
    (inputs,) = [node["inputs"] for node in prompt.values() if node["class_type"] == type]
    return dict(inputs)


@pytest.mark.frontends
def test_loaders_become_one_rack_and_undo_takes_it_back(bench: Workbench) -> None:
    before = _loaders(bench)
    bench.command("LoraRack.TurnIntoRack")
    expect(bench.page.get_by_text("2 nodes replaced").last).to_be_visible()
    prompt = bench.prompt()
    assert _of(prompt, "LoraRackStack")["text"] == _TEXT
    apply = _of(prompt, "LoraRackApply")
    assert prompt[apply["model"][0]]["class_type"] == "CheckpointLoaderSimple"
    assert prompt[_of(prompt, "KSampler")["model"][0]]["class_type"] == "LoraRackApply"
    assert prompt[_of(prompt, "CLIPTextEncode")["clip"][0]]["class_type"] == "LoraRackApply"
    (rack,) = bench.racks()
    expect(bench.rack(rack).rows).to_have_count(2)
    bench.command("Comfy.Undo")
    bench.eventually(bench.prompt, before)
    bench.command("Comfy.Redo")
    bench.eventually(lambda: len(bench.racks()), 1)


@pytest.mark.frontends
def test_and_back_again_into_the_hosts_loaders(bench: Workbench) -> None:
    before = _loaders(bench)
    bench.command("LoraRack.TurnIntoRack")
    bench.eventually(lambda: len(bench.racks()), 1)
    bench.command("LoraRack.TurnIntoLoaders")
    bench.eventually(lambda: len(bench.racks()), 0)
    after = bench.prompt()
    loaders = [node["inputs"] for node in after.values() if node["class_type"] == "LoraLoader"]
    names = ("lora_name", "strength_model", "strength_clip")
    expected = [node["inputs"] for node in before.values() if node["class_type"] == "LoraLoader"]
    assert [[one[name] for name in names] for one in loaders] == [
        [e[name] for name in names] for e in expected
    ]
    assert len(after) == len(before)
    bench.command("Comfy.Undo")
    bench.eventually(lambda: len(bench.racks()), 1)


def test_only_what_is_selected_is_turned(bench: Workbench) -> None:
    _loaders(bench)
    bench.page.evaluate("() => app.canvas.selectItems([app.graph.nodes[1]])")
    bench.command("LoraRack.TurnIntoRack")
    bench.eventually(lambda: len(bench.racks()), 1)
    prompt = bench.prompt()
    assert _of(prompt, "LoraRackStack")["text"] == _TEXT.splitlines()[0]
    assert _of(prompt, "LoraLoader")["lora_name"] == _NAMES[1]


def test_what_cannot_be_carried_over_is_said_with_its_reason(bench: Workbench, rendering: str) -> None:
    _loaders(bench)
    bench.command("LoraRack.TurnIntoRack")
    bench.eventually(lambda: len(bench.racks()), 1)
    bench.page.evaluate(
        "(text) => { app.graph.nodes.find((n) => n.type === 'LoraRackStack').widgets[0].value = text; }",
        "<lora:add_detail:1:lbw=OUTALL>",
    )
    before = _types(bench)
    bench.command("LoraRack.TurnIntoLoaders")
    report = bench.page.get_by_role("dialog", name="Nothing was changed")
    expect(report).to_contain_text("'add_detail' has block weights")
    bench.picture(f"moving-in-report-{rendering}")
    report.get_by_role("button", name="Close").click()
    expect(report).to_have_count(0)
    assert _types(bench) == before


def test_nothing_to_turn_is_said(bench: Workbench) -> None:
    bench.command("LoraRack.TurnIntoRack")
    expect(bench.page.get_by_text("There is no LoRA loader").first).to_be_visible()


def test_inside_a_subgraph_the_level_that_is_open_is_turned(bench: Workbench) -> None:
    _loaders(bench)
    _select(bench, "LoraLoader")
    bench.page.evaluate(
        "() => { const { node } = app.canvas.graph.convertToSubgraph(app.canvas.selectedItems);"
        " app.canvas.openSubgraph(node.subgraph, node); }"
    )
    bench.eventually(lambda: _types(bench), ["LoraLoader", "LoraLoader"])
    _select(bench, "LoraLoader")
    bench.command("LoraRack.TurnIntoRack")
    bench.eventually(lambda: _types(bench), ["LoraRackApply", "LoraRackStack"])
    prompt = bench.prompt()
    assert _of(prompt, "LoraRackStack")["text"] == _TEXT
    assert prompt[_of(prompt, "LoraRackApply")["model"][0]]["class_type"] == "CheckpointLoaderSimple"


@pytest.mark.frontends
@pytest.mark.parametrize("type", ["LoraLoader", "LoraRackApply"])
def test_the_menu_of_a_node_offers_it(bench: Workbench, type: str) -> None:
    _loaders(bench)
    if type == "LoraRackApply":
        bench.command("LoraRack.TurnIntoRack")
        bench.eventually(lambda: len(bench.racks()), 1)
    found = bench.page.evaluate(
        "(type) => app.collectNodeMenuItems(app.graph.nodes.find((n) => n.type === type))"
        ".map((item) => item?.content)",
        type,
    )
    assert ("Turn into a LoRA Rack" if type == "LoraLoader" else "Turn into host loaders") in found


def test_what_is_changed_while_the_server_converts_is_not_lost(bench: Workbench) -> None:
    _loaders(bench)
    with bench.held("convert") as held:
        bench.page.evaluate("() => { app.extensionManager.command.execute('LoraRack.TurnIntoRack'); }")
        bench.eventually(lambda: held.count, 1)
        bench.page.evaluate(
            "() => { app.graph.nodes.find((n) => n.type === 'CLIPTextEncode').widgets[0].value = 'a hill'; }"
        )
        held.let_go()
        bench.eventually(lambda: held.count, 2)
        held.let_go()
        bench.eventually(lambda: len(bench.racks()), 1)
    assert _of(bench.prompt(), "CLIPTextEncode")["text"] == "a hill"


def test_another_workflow_opened_while_the_server_converts_stays_as_it_is(bench: Workbench) -> None:
    _loaders(bench)
    with bench.held("convert") as held:
        bench.page.evaluate("() => { app.extensionManager.command.execute('LoraRack.TurnIntoRack'); }")
        bench.eventually(lambda: held.count, 1)
        bench.command("Comfy.NewBlankWorkflow")
        held.let_go()
        expect(bench.page.get_by_text("Another workflow or subgraph was opened").first).to_be_visible()
    assert bench.racks() == []
