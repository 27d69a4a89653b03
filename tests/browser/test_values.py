"""The value stays what it is: saved and loaded, copied, undone, in subgraphs, switched, queued."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from workbench import Rack, Workbench

from tools.dev.host_client import HostClient, saved_files

INK, OIL = "styles/ink_wash", "styles/oil_paint"
TWO = f"<lora:{INK}:0.8>\n\n  <lora:{OIL}:0.50>"  # not as it would be written


def _set(rack: Rack, name: str, value: str) -> None:
    rack.number(name).fill(value)
    rack.number(name).press("Enter")


def test_a_text_is_not_rewritten_by_being_shown(bench: Workbench) -> None:
    rack = bench.add_rack(TWO)
    expect(rack.rows).to_have_count(2)
    assert rack.text == TWO
    _set(rack, "ink_wash", "1")
    rack.holds(f"<lora:{INK}:1>", f"<lora:{OIL}:0.5>")


def test_a_new_node_shows_an_empty_rack_and_keeps_the_default_text(bench: Workbench) -> None:
    rack = bench.add_rack()
    expect(rack.element).to_contain_text("No LoRAs yet")
    assert "add_detail" in rack.text
    rack.open_picker().get_by_role("combobox").fill("ink wash")
    bench.page.keyboard.press("Enter")
    rack.holds(f"<lora:{INK}:1>")


@pytest.mark.frontends
def test_saved_and_loaded(bench: Workbench) -> None:
    rack = bench.add_rack(f"<lora:{INK}:0.8>")
    _set(rack, "ink_wash", "0.65")
    rack.holds(f"<lora:{INK}:0.65>")
    saved = bench.workflow()
    assert saved["nodes"][0]["widgets_values"] == [f"<lora:{INK}:0.65>"]
    bench.clear()
    bench.load(saved)
    again = bench.rack(bench.racks()[0])
    expect(again.number("ink_wash")).to_have_value("0.65")
    again.holds(f"<lora:{INK}:0.65>")


def test_a_page_loaded_again_shows_the_last_edit(bench: Workbench) -> None:
    bench.is_spent = True
    bench.command("Comfy.NewBlankWorkflow")
    rack = bench.add_rack(f"<lora:{INK}:0.8>")
    bench.remember()
    _set(rack, "ink_wash", "0.6125")
    rack.holds(f"<lora:{INK}:0.6125>")
    kept = """() => [localStorage, sessionStorage].flatMap((all) => Object.values(all))
        .some((one) => one.includes("0.6125"))"""
    bench.page.wait_for_function(kept)  # the host keeps open workflows some time after a change
    bench.page.reload()
    bench.page.wait_for_function(
        "() => window.app?.graph?.nodes?.some((n) => n.comfyClass === 'LoraRackStack')"
    )
    again = bench.rack(bench.racks()[0])
    expect(again.number("ink_wash")).to_have_value("0.6125")
    again.holds(f"<lora:{INK}:0.6125>")


def test_a_workflow_saved_without_the_page_shows_its_rows(bench: Workbench) -> None:
    node: dict[str, Any] = {
        "id": 7, "type": "LoraRackStack", "pos": [330, 130], "size": [420, 300], "flags": {}, "order": 0,
        "mode": 0, "inputs": [], "outputs": [], "properties": {}, "widgets_values": [f"<lora:{INK}:0.3>"],
    }  # fmt: skip
    bench.load({"last_node_id": 7, "last_link_id": 0, "nodes": [node], "links": [], "version": 0.4})
    expect(bench.rack("7").number("ink_wash")).to_have_value("0.30")


@pytest.mark.frontends
def test_copied_and_pasted_racks_are_two(bench: Workbench) -> None:
    rack = bench.add_rack(f"<lora:{INK}:0.8>")
    bench.page.evaluate(
        "(id) => { app.canvas.selectNode(app.graph.getNodeById(id)); app.canvas.copyToClipboard();"
        " app.canvas.pasteFromClipboard(); }",
        rack.node,
    )
    (other,) = [node for node in bench.racks() if node != rack.node]
    pasted = bench.rack(other)
    bench.page.evaluate(
        "(id) => { app.graph.getNodeById(id).pos = [790, 130]; app.canvas.setDirty(true, true); }", other
    )
    _set(pasted, "ink_wash", "0.1")
    pasted.holds(f"<lora:{INK}:0.1>")
    rack.holds(f"<lora:{INK}:0.8>")
    expect(rack.number("ink_wash")).to_have_value("0.80")


@pytest.mark.frontends
def test_an_edit_is_undone_and_done_again(bench: Workbench) -> None:
    bench.command("Comfy.NewBlankWorkflow")
    rack = bench.add_rack(f"<lora:{INK}:0.8>")
    bench.remember()
    _set(rack, "ink_wash", "0.25")
    rack.holds(f"<lora:{INK}:0.25>")
    for command, strength in (("Undo", "0.80"), ("Redo", "0.25"), ("Undo", "0.80")):
        bench.command(f"Comfy.{command}")
        bench.eventually(bench.texts, [f"<lora:{INK}:{float(strength)}>"])
        shown = bench.rack(bench.racks()[0])
        expect(shown.number("ink_wash")).to_have_value(strength)
        shown.holds(f"<lora:{INK}:{float(strength)}>")


@pytest.mark.frontends
def test_in_a_subgraph(bench: Workbench) -> None:
    bench.is_spent = True
    rack = bench.add_rack(f"<lora:{INK}:0.8>")
    bench.page.evaluate(
        "(id) => { const node = app.graph.getNodeById(id); app.canvas.selectNode(node);"
        " const { node: outside } = app.graph.convertToSubgraph(new Set([node]));"
        " app.canvas.setGraph(outside.subgraph); app.canvas.ds.offset = [0, 0];"
        " app.canvas.setDirty(true, true); }",
        rack.node,
    )
    inside = bench.rack(bench.racks()[0])
    expect(inside.element).to_be_visible()
    _set(inside, "ink_wash", "0.4")
    bench.eventually(lambda: inside.text, f"<lora:{INK}:0.4>")
    texts = [node["inputs"].get("text") for node in bench.prompt().values()]
    assert texts == [f"<lora:{INK}:0.4>"]


@pytest.mark.frontends
def test_switching_the_rendering_keeps_value_and_picture(bench: Workbench, rendering: str) -> None:
    bench.is_spent = True
    rack = bench.add_rack(f"<lora:{INK}:0.8>")
    switch = "async (on) => { await app.extensionManager.setting.set('Comfy.VueNodes.Enabled', on); }"
    is_drawn = "(on) => Boolean(document.querySelector('[data-node-id] .lora-rack')) === on"
    try:
        bench.page.evaluate(switch, rendering == "classic")
        bench.page.wait_for_function(is_drawn, arg=rendering == "classic")
        _set(rack, "ink_wash", "0.35")
        rack.holds(f"<lora:{INK}:0.35>")
    finally:
        bench.page.evaluate(switch, rendering == "nodes2")
        bench.page.wait_for_function(is_drawn, arg=rendering == "nodes2")
    expect(rack.number("ink_wash")).to_have_value("0.35")


@pytest.mark.frontends
def test_a_change_queued_at_once_is_in_the_prompt(bench: Workbench) -> None:
    rack = bench.add_rack(f"<lora:{INK}:0.8>")
    rack.fader("ink_wash").focus()
    queued = bench.page.evaluate(
        """async (id) => {
            const rack = app.graph.getNodeById(id).widgets.at(-1).element;
            const key = new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true });
            rack.querySelector("[role=slider]").dispatchEvent(key);
            return (await app.graphToPrompt()).output[id].inputs.text;
        }""",
        rack.node,
    )
    assert queued == f"<lora:{INK}:0.85>"


def test_five_hundred_rows(bench: Workbench) -> None:
    lines = [f"<lora:library/shelf_{n // 100:02}/style_{n:04}:0.5>" for n in range(500)]
    rack = bench.add_rack("\n".join(lines))
    expect(rack.rows).to_have_count(500)
    height = bench.page.evaluate("(id) => app.graph.getNodeById(id).size[1]", rack.node)
    assert height < 900
    _set(rack, "style_0002", "0.75")
    lines[2] = lines[2].replace("0.5", "0.75")
    rack.holds(*lines)
    rack.element.get_by_role("list").evaluate("(list) => { list.scrollTop = list.scrollHeight; }")
    _set(rack, "style_0499", "1.5")
    lines[499] = lines[499].replace("0.5", "1.5")
    rack.holds(*lines)


def test_text_mode_reads_what_is_typed_and_shows_where_it_is_wrong(bench: Workbench) -> None:
    rack = bench.add_rack(f"<lora:{INK}:0.8>")
    rack.element.get_by_role("button", name="Show as text").click()
    area = rack.element.get_by_role("textbox", name="The stack as text, one LoRA a line")
    expect(area).to_have_value(f"<lora:{INK}:0.8>")
    area.fill(f"<lora:{INK}:0.8>\n<lora:{OIL}:lots>")
    expect(rack.element.get_by_role("alert")).to_contain_text("line 2, column 24")
    rack.element.get_by_role("button", name="Show the place").click()
    assert area.evaluate("(area) => area.selectionStart") == len(f"<lora:{INK}:0.8>\n") + 23
    area.fill(f"<lora:{OIL}:0.2>")
    expect(rack.element.get_by_role("alert")).to_be_hidden()
    rack.element.get_by_role("button", name="Show as text").click()
    expect(rack.number("oil_paint")).to_have_value("0.20")
    rack.holds(f"<lora:{OIL}:0.2>")


def test_a_text_that_comes_over_a_wire_is_said_to(bench: Workbench) -> None:
    rack = bench.add_rack(f"<lora:{INK}:0.8>")
    bench.page.evaluate(
        "(id) => { const source = LiteGraph.createNode('PrimitiveStringMultiline'); source.pos = [30, 500];"
        " app.graph.add(source); const rack = app.graph.getNodeById(id);"
        " source.connect(0, rack, rack.inputs.findIndex((input) => input.name === 'text')); }",
        rack.node,
    )
    expect(rack.element.get_by_role("alert")).to_contain_text("comes over a wire")
    assert isinstance(bench.prompt()[rack.node]["inputs"]["text"], list)


@pytest.fixture
def demo_graph() -> dict[str, Any]:
    """A small picture of the demo model, its stack left out."""

    def node(kind: str, **inputs: Any) -> dict[str, Any]:
        return {"class_type": kind, "inputs": inputs}

    sampler = {
        "seed": 5,
        "steps": 3,
        "cfg": 2.5,
        "sampler_name": "euler",
        "scheduler": "simple",
        "denoise": 1.0,
    }
    return {
        "1": node("CheckpointLoaderSimple", ckpt_name="rack_demo.safetensors"),
        "2": node("CLIPLoader", clip_name="rack_demo_clip.safetensors", type="sd3"),
        "3": node("LoraRackStack", text=""),
        "4": node("LoraRackApply", model=["1", 0], clip=["2", 0], stack=["3", 0], mismatch="error"),
        "5": node("CLIPTextEncode", clip=["4", 1], text="day mountains lake"),
        "6": node("CLIPTextEncode", clip=["4", 1], text=""),
        "7": node("EmptySD3LatentImage", width=64, height=64, batch_size=1),
        "8": node(
            "KSampler", model=["4", 0], positive=["5", 0], negative=["6", 0], latent_image=["7", 0], **sampler
        ),
        "9": node("VAEDecode", samples=["8", 0], vae=["1", 2]),
        "10": node("SaveImage", images=["9", 0], filename_prefix="browser"),
    }


def test_what_the_page_queues_makes_the_picture_the_api_makes(
    bench: Workbench, client: HostClient, demo_graph: dict[str, Any]
) -> None:
    bench.page.evaluate("async (graph) => { await app.loadApiJson(graph, 'demo'); }", demo_graph)
    workflow = bench.workflow()
    for node in workflow["nodes"]:  # the page lays nodes out before it knows how high a rack is
        is_rack = node["type"] == "LoraRackStack"
        node["pos"] = [330, 130] if is_rack else [node["pos"][0] + 2000, node["pos"][1]]
    bench.load(workflow)
    bench.page.evaluate(
        "() => { app.canvas.ds.scale = 1; app.canvas.ds.offset = [0, 0]; app.canvas.setDirty(true, true); }"
    )
    rack = bench.rack(bench.racks()[0])
    for name, strength in (("add_detail", "0.8"), ("night_words", "-0.5")):
        picker = rack.open_picker()
        picker.get_by_role("combobox").fill(name)
        expect(picker.get_by_role("option").first).to_contain_text(name)
        picker.get_by_role("combobox").press("Enter")
        bench.page.keyboard.press("Escape")
        _set(rack, name, strength)
    rack.holds("<lora:add_detail:0.8>", "<lora:night_words:-0.5>")
    before = set(client.get("/history"))
    bench.page.evaluate("async () => { await app.queuePrompt(0); }")
    bench.eventually(lambda: len(set(client.get("/history")) - before), 1)
    (from_page,) = set(client.get("/history")) - before
    demo_graph["3"]["inputs"]["text"] = "<lora:add_detail:0.8>\n<lora:night_words:-0.5>"
    demo_graph["10"]["inputs"]["filename_prefix"] = "by_api"
    entries = [client.wait(from_page), client.run(demo_graph)]
    files = [saved_files(entry)[0] for entry in entries]
    pictures = [Image.open(io.BytesIO(client.view(f.filename, f.subfolder, f.type))) for f in files]
    expect(rack.row("add_detail").get_by_role("img", name="It fits")).to_be_visible()
    expect(rack.row("night_words").get_by_role("img", name="It fits")).to_be_visible()
    assert np.array_equal(*(np.asarray(picture.convert("RGB")) for picture in pictures))
