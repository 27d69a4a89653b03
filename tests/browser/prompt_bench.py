"""A prompt node as the tests of its helpers handle it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Locator, expect
from workbench import Workbench

from tools.dev.layout import PACK

INK, OIL, GOLD, FRECKLES = "styles/ink_wash", "styles/oil_paint", "light/golden_hour", "people/freckles"
MODULES = f"/extensions/{PACK}/prompt"

_NEW = """([type, texts, x, y]) => {
    const node = LiteGraph.createNode(type);
    node.pos = [x, y];
    app.graph.add(node);
    node.setSize([460, 300]);
    for (const widget of node.widgets) if (widget.name in texts) widget.value = texts[widget.name];
    app.canvas.setDirty(true, true);
    return String(node.id);
}"""
_MARKS = """(area) => [...area.parentElement.querySelectorAll(".lora-rack-tag")]
    .map((mark) => [mark.textContent, [...mark.classList].slice(1).join(" ")])"""


@dataclass(frozen=True)
class Prompt:
    """One prompt of a node in the page."""

    bench: Workbench
    node: str
    widget: str
    area: Locator

    @property
    def text(self) -> str:
        """The value of the widget, as the graph knows it."""
        found: str = self.bench.page.evaluate(
            "([id, name]) => app.canvas.graph.getNodeById(id).widgets.find((w) => w.name === name).value",
            [self.node, self.widget],
        )
        return found

    def holds(self, text: str) -> None:
        """Wait until box and widget hold this text."""
        expect(self.area).to_have_value(text)
        self.bench.eventually(lambda: self.text, text)

    def looks(self, *marks: tuple[str, str]) -> None:
        """Wait until exactly these tags are coloured, each with its look."""
        self.bench.eventually(lambda: self.area.evaluate(_MARKS), [list(mark) for mark in marks])

    def caret(self, before: str, after: int = 0) -> None:
        """Put the caret into the box, `after` letters behind where a part of the text begins."""
        self.area.focus()
        self.area.evaluate(
            "(area, [part, after]) => {"
            " const place = area.value.indexOf(part) + after; area.setSelectionRange(place, place); }",
            [before, after],
        )

    @property
    def selection(self) -> list[int]:
        found: list[int] = self.area.evaluate("(area) => [area.selectionStart, area.selectionEnd]")
        return found


def add_prompt(bench: Workbench, text: str, x: int = 330, y: int = 130) -> Prompt:
    """A new prompt node with this text."""
    node = bench.page.evaluate(_NEW, ["LoraRackPrompt", {"text": text}, x, y])
    return prompt_of(bench, node)


def prompt_of(bench: Workbench, node: str, widget: str = "text") -> Prompt:
    """A prompt of a node of the open graph, as either rendering shows it."""
    shown = bench.page.locator(f"[data-node-id='{node}'] textarea")
    is_classic = bench.page.evaluate("() => !LiteGraph.vueNodesMode")
    if not is_classic:
        return Prompt(bench, node, widget, shown.first)
    area = bench.page.evaluate_handle(
        "([id, name]) => app.canvas.graph.getNodeById(id).widgets.find((w) => w.name === name).element",
        [node, widget],
    ).as_element()
    assert area is not None
    mark = f"prompt-{widget}-{node}"
    bench.page.evaluate(
        "([area, mark]) => { document.getElementById(mark)?.removeAttribute('id'); area.id = mark; }",
        [area, mark],
    )
    return Prompt(bench, node, widget, bench.page.locator(f"#{mark}"))


def prompts(bench: Workbench) -> list[str]:
    """The ids of the prompt nodes of the open graph."""
    found: list[str] = bench.page.evaluate(
        "() => app.canvas.graph.nodes"
        ".filter((node) => node.comfyClass === 'LoraRackPrompt').map((node) => String(node.id))"
    )
    return found


def lexed(bench: Workbench, texts: list[str]) -> list[list[dict[str, Any]]]:
    """The tags that the page's lexer finds in each text."""
    found: list[list[dict[str, Any]]] = bench.page.evaluate(
        "async ([module, texts]) => { const { tagsIn } = await import(module);"
        " return texts.map((text) => tagsIn(text, false)); }",
        [f"{MODULES}/lexer.mjs", texts],
    )
    return found
