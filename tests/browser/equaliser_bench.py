"""LoRA Block Weights nodes in the page, and what their texts mean, by a few lines that are not our parser."""

from __future__ import annotations

import re
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect
from workbench import Workbench

SDXL, FLUX = "blocks/sdxl_style.safetensors", "blocks/flux_style.safetensors"
LACKING = ("IN00", "IN01", "IN02", "IN03", "IN06", "OUT06", "OUT07", "OUT08")
ORDER = ("BASE", *(f"IN{n:02}" for n in range(9)), "M00", *(f"OUT{n:02}" for n in range(9)))
TOP = 1.5  # of the usual scale, which begins with 0

_NEW = """([lora, text]) => {
    const node = LiteGraph.createNode("LoraRackBlocks");
    node.pos = [330, 130];
    app.graph.add(node);
    const named = (name) => node.widgets.find((widget) => widget.name === name);
    named("lora_name").value = lora;
    named("lora_name").callback?.(lora);
    if (text !== null) named("blocks").value = text;
    app.canvas.setDirty(true, true);
    return String(node.id);
}"""


@dataclass(frozen=True)
class Equaliser:
    """One LoRA Block Weights node in the page."""

    bench: Workbench
    node: str
    element: Locator

    @property
    def page(self) -> Page:
        return self.bench.page

    @property
    def text(self) -> str:
        found: str = self.page.evaluate(
            "(id) => app.graph.getNodeById(id).widgets.find((w) => w.name === 'blocks').value", self.node
        )
        return found

    def bar(self, block: str, part: str = "") -> Locator:
        name = f"{block}, {part}" if part else block
        return self.element.get_by_role("slider", name=name, exact=True)

    def weights(self) -> dict[str, float]:
        """What the bars say, as a screen reader is told."""
        read = """(field) => [...field.querySelectorAll('[role="slider"]')].map((bar) =>
            [bar.getAttribute("aria-label").split(",")[0], Number(bar.getAttribute("aria-valuenow"))])"""
        return dict(self.element.evaluate(read))

    def point(self, block: str, value: float) -> tuple[float, float]:
        box = self.bench.box(self.bar(block))
        return box["x"] + box["width"] / 2, box["y"] + box["height"] * (1 - value / TOP)

    def written(self) -> str:
        """The text once all that was drawn is in it: what would be queued."""
        found: str = self.bench.prompt()[self.node]["inputs"]["blocks"]
        return found

    def holds(self, expected: str) -> None:
        """Wait until the text is this, and what would be queued is the same."""
        self.bench.eventually(lambda: self.text, expected)
        assert self.written() == expected


def add(bench: Workbench, text: str | None = None, lora: str = SDXL, waits: bool = True) -> Equaliser:
    node = bench.page.evaluate(_NEW, [lora, text])
    return find(bench, node, waits)


def find(bench: Workbench, node: str, waits: bool = True) -> Equaliser:
    """The equaliser of a node; its bars are there unless the test does not wait for them."""
    mark = f"equaliser-{node}-{bench.page.evaluate('() => Math.random().toString(36).slice(2)')}"
    bench.page.evaluate(
        "([id, mark]) => { app.graph.getNodeById(id).widgets.at(-1).element.id = mark; }", [node, mark]
    )
    element = bench.page.locator(f"#{mark}")
    expect(element).to_be_visible()
    if waits:
        expect(element).to_have_attribute("aria-busy", "false")
    return Equaliser(bench, node, element)


def meaning(text: str) -> dict[str, float]:
    """The weights of a text of single blocks, ranges within a kind, kinds and a default."""
    weights = dict.fromkeys(ORDER, 1.0)
    for term in text.split():
        name, _, value = term.partition("=")
        for block in ORDER:
            if name in ("*", block) or (name.endswith("*") and block.startswith(name[:-1])):
                weights[block] = float(value)
            found = re.fullmatch(r"([A-Z]+)(\d+)-(\d+)", name)
            number = block.removeprefix(found[1]) if found else ""
            if found and number.isdigit() and int(found[2]) <= int(number) <= int(found[3]):
                weights[block] = float(value)
    return weights


def own(weights: dict[str, float]) -> dict[str, float]:
    """Only the blocks the file has."""
    return {block: value for block, value in weights.items() if block not in LACKING}
