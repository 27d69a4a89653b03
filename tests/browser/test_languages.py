"""The page in Chinese: nodes, tooltips and the rack; changed while it is open, and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect
from workbench import Workbench

# The host loads the workflow again: what nodes it has are new ones then.
_MARK = """() => {
    const node = LiteGraph.createNode("LoraRackApply");
    node.isOfBefore = true;
    app.graph.add(node);
}"""
_LOADED_AGAIN = "() => !app.graph.nodes.some((node) => node.isOfBefore)"
_NODE = """(type) => {
    const node = LiteGraph.createNode(type);
    app.graph.add(node);
    const definition = node.constructor.nodeData;
    const specs = Object.values({ ...definition.input?.required, ...definition.input?.optional });
    return {
        title: node.title,
        category: node.constructor.category,
        description: definition.description,
        labels: [...node.inputs, ...node.outputs].map((socket) => socket.localized_name),
        widgets: node.widgets.filter((widget) => widget.name !== "lora_rack").map((widget) => widget.label),
        tooltips: specs.map((spec) => spec[1]?.tooltip),
    };
}"""


def _speak(bench: Workbench, locale: str) -> None:
    """Change the language as the settings do; the host then fetches all node definitions anew."""
    if bench.page.evaluate("() => app.extensionManager.setting.get('Comfy.Locale')") == locale:
        return
    bench.page.evaluate(_MARK)
    with bench.page.expect_response("**/object_info"):
        bench.page.evaluate("(l) => app.extensionManager.setting.set('Comfy.Locale', l)", locale)
    title = "应用 LoRA 堆栈" if locale == "zh" else "Apply LoRA Stack"
    bench.eventually(
        lambda: bench.page.evaluate("() => LiteGraph.registered_node_types.LoraRackApply.title"), title
    )
    bench.page.wait_for_function(_LOADED_AGAIN)
    bench.clear()


@pytest.fixture
def chinese(bench: Workbench) -> Iterator[Workbench]:
    _speak(bench, "zh")
    yield bench
    _speak(bench, "en")


def _strings(found: dict[str, Any]) -> list[str]:
    return [found["title"], found["category"], found["description"], *found["labels"], *found["widgets"]]


def _is_chinese(text: str) -> bool:
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)


@pytest.mark.parametrize("type", ["LoraRackLoad", "LoraRackApply", "LoraRackStack"])
def test_nodes_are_chinese(chinese: Workbench, type: str) -> None:
    found = chinese.page.evaluate(_NODE, type)
    texts = [*_strings(found), *filter(None, found["tooltips"])]
    assert [text for text in texts if not _is_chinese(text) and text != "CLIP"] == []


def test_the_rack_is_chinese(chinese: Workbench, rendering: str) -> None:
    rack = chinese.add_rack("<lora:styles/ink_wash:0.8>")
    expect(rack.element.get_by_role("button", name="添加 LoRA")).to_be_visible()
    expect(rack.element.get_by_role("slider", name="ink_wash 的强度", exact=True)).to_be_visible()
    expect(rack.element).to_contain_text("启用 1 个")
    chinese.picture(f"languages-rack-zh-{rendering}")
    for node in ("LoraRackApply", "LoraRackStack"):
        items = chinese.page.evaluate(
            "(type) => app.collectNodeMenuItems(LiteGraph.createNode(type)).map((item) => item?.content)",
            node,
        )
        assert "转换为原生 LoRA 加载器" in items


def test_english_comes_back(chinese: Workbench) -> None:
    _speak(chinese, "en")
    found = chinese.page.evaluate(_NODE, "LoraRackLoad")
    assert [text for text in _strings(found) if _is_chinese(text)] == []
    assert found["title"] == "Load LoRA"


def test_what_is_saved_does_not_depend_on_the_language(chinese: Workbench) -> None:
    chinese.add_rack("<lora:styles/ink_wash:0.8>")
    (node,) = chinese.workflow()["nodes"]
    assert node["type"] == "LoraRackStack"
    assert [socket["name"] for socket in node["inputs"]] == ["stack", "text"]
    assert node["widgets_values"] == ["<lora:styles/ink_wash:0.8>"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_help_of_a_node_opens_with_its_picture(bench: Workbench, language: str) -> None:
    if language == "zh":
        _speak(bench, "zh")
    try:
        bench.page.evaluate(
            "(type) => { const node = LiteGraph.createNode(type); node.pos = [330, 400]; app.graph.add(node);"
            " app.canvas.selectItems([node]); }",
            "LoraRackApply",
        )
        title = "应用 LoRA 堆栈" if language == "zh" else "Apply LoRA Stack"
        bench.page.get_by_test_id("info-button").click()
        page = bench.page.locator(".node-help-content")
        expect(page.get_by_role("heading", name=title).first).to_be_visible()
        picture = page.get_by_role("img", name=title)
        expect(picture).to_be_visible()
        bench.eventually(lambda: picture.evaluate("(img) => img.complete && img.naturalWidth > 100"), True)
        assert f"docs/images/LoraRackApply.{language}.webp" in str(picture.get_attribute("src"))
        # The host asks for a page of its language first, and English is the one for all others.
        bench.errors[:] = [error for error in bench.errors if "docs/LoraRackApply/en.md" not in error]
    finally:
        bench.is_spent = True  # the panel stays open
        if language == "zh":
            _speak(bench, "en")
