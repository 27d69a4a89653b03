"""The page as these tests handle it: what a person does, and what the graph holds afterwards."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Error,
    FloatRect,
    Locator,
    Page,
    Route,
    expect,
)

from tools.dev.host_client import HostClient
from tools.dev.layout import PACK

_SETTINGS = {
    "Comfy.Locale": "en",
    "Comfy.TutorialCompleted": True,
    "Comfy.Graph.CanvasMenu": False,
    "Comfy.Workflow.ShowMissingModelsWarning": False,
    "Comfy.Validation.Workflows": False,
}
PATIENCE_S = 30
"""How long a busy machine may take for what is there at once on an idle one. No claim about speed."""

_READY = (
    "() => Boolean(window.app?.graph && app.extensionManager)",
    "() => Boolean(LiteGraph.registered_node_types.LoraRackStack)",
)
_AT_REST = """async (elements) => {
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const places = () => elements.map((element) => {
        const { x, y, width, height } = element.getBoundingClientRect();
        return [x, y, width, height].map(Math.round).join();
    }).join(" ");
    for (let before = "", still = 0; still < 4;) {
        await frame();
        const now = places();
        still = now === before ? still + 1 : 0;
        before = now;
    }
}"""
_NEW_RACK = """([text, x, y]) => {
    const node = LiteGraph.createNode("LoraRackStack");
    node.pos = [x, y];
    app.graph.add(node);
    if (text !== null) node.widgets[0].value = text;
    app.canvas.setDirty(true, true);
    return String(node.id);
}"""


@dataclass
class Held:
    """Questions under way to the server."""

    count: int = 0
    waiting: list[Route] = field(default_factory=list)

    def take(self, route: Route) -> None:
        self.count += 1
        self.waiting.append(route)

    def let_go(self) -> None:
        while self.waiting:
            self.waiting.pop(0).continue_()


@dataclass
class Workbench:
    """One open page of the host."""

    page: Page
    client: HostClient
    pictures: Path
    errors: list[str] = field(default_factory=list)
    is_spent: bool = False  # a test left it in a state no other should begin with
    theme: str = "dark"
    loaded_at_start: tuple[str, ...] = ()  # of web/, before any node of ours was in the page

    @classmethod
    def new(cls, browser: Browser, client: HostClient, pictures: Path) -> Workbench:
        """A page of its own, with nothing in it yet."""
        permissions = ["clipboard-read", "clipboard-write"]
        context = browser.new_context(
            viewport={"width": 1280, "height": 900}, permissions=permissions, locale="en"
        )
        context.set_default_timeout(PATIENCE_S * 1000)
        return cls(context.new_page(), client, pictures)

    def open(self, url: str, rendering: str) -> None:
        settings = {
            **_SETTINGS,
            "Comfy.VueNodes.Enabled": rendering == "nodes2",
            "Comfy.ColorPalette": self.theme,
        }
        for name, value in settings.items():
            self.client.post(f"/settings/{name}", value)
        fetched: list[str] = []
        self.page.on("request", lambda request: fetched.append(request.url.partition("?")[0]))
        self.page.on("console", self._console)
        self.page.on("pageerror", self._page_error)
        self.page.goto(url)
        for ready in _READY:
            self.page.wait_for_function(ready, timeout=4 * PATIENCE_S * 1000)
        self.clear()
        ours = f"/extensions/{PACK}/"
        self.loaded_at_start = tuple(url.partition(ours)[2] for url in fetched if ours in url)

    def wear(self, theme: str) -> None:
        """Change the page's colours as its settings do."""
        if theme == self.theme:
            return
        text = "() => getComputedStyle(document.documentElement).getPropertyValue('--input-text')"
        before = self.page.evaluate(text)
        self.page.evaluate("(theme) => app.extensionManager.setting.set('Comfy.ColorPalette', theme)", theme)
        self.page.wait_for_function(f"(before) => ({text})() !== before", arg=before)
        self.theme = theme

    def remember(self) -> None:
        """Have the host take the graph as a step to go back to, as it does after a person's edit.

        It takes none while it still opens a workflow.
        """
        self.page.wait_for_function(
            "() => { const tracker = app.extensionManager.workflow.activeWorkflow.changeTracker;"
            " tracker.checkState(); return tracker.activeState?.nodes?.length === app.graph.nodes.length; }"
        )

    def clear(self) -> None:
        """An empty graph at its natural size, nothing floating above it."""
        self.page.keyboard.press("Escape")
        self.page.evaluate(
            "() => { app.graph.clear(); app.canvas.ds.scale = 1; app.canvas.ds.offset = [0, 0];"
            " app.canvas.setDirty(true, true); }"
        )

    def add_rack(self, text: str | None = None, x: int = 330, y: int = 130) -> Rack:
        """A new rack node holding a text, or as the host makes it."""
        node = self.page.evaluate(_NEW_RACK, [text, x, y])
        rack = self.rack(node)
        expect(rack.element).to_be_visible()
        expect(rack.element).to_have_attribute("aria-busy", "false")
        return rack

    def rack(self, node: str) -> Rack:
        """The rack of a node of the graph that is open."""
        element = self.page.evaluate_handle(
            "([id]) => app.canvas.graph.getNodeById(id).widgets.at(-1).element", [node]
        ).as_element()
        assert element is not None
        # Elements of nodes that were there before may still lie about in the page.
        mark = f"rack-{uuid.uuid4().hex[:8]}"
        element.evaluate("(rack, mark) => { rack.id = mark; }", mark)
        return Rack(self, node, self.page.locator(f"#{mark}"))

    def racks(self) -> list[str]:
        """The ids of the rack nodes in the graph that is open."""
        found: list[str] = self.page.evaluate(
            "() => app.canvas.graph.nodes"
            ".filter((node) => node.comfyClass === 'LoraRackStack').map((node) => String(node.id))"
        )
        return found

    def texts(self) -> list[str]:
        """What the rack and block weight nodes of the graph that is open hold."""
        found: list[str] = self.page.evaluate(
            "() => app.canvas.graph.nodes.flatMap((node) => node.widgets ?? [])"
            ".filter((widget) => ['text', 'blocks'].includes(widget.name)).map((widget) => widget.value)"
        )
        return found

    def command(self, name: str) -> None:
        """One of the page's commands, as its menus and keys call them."""
        self.page.evaluate("async (name) => { await app.extensionManager.command.execute(name); }", name)

    def prompt(self) -> dict[str, Any]:
        """What the page would queue, in the API format."""
        found: dict[str, Any] = self.page.evaluate("async () => (await app.graphToPrompt()).output")
        return found

    def workflow(self) -> dict[str, Any]:
        """What the page would save."""
        found: dict[str, Any] = self.page.evaluate("() => JSON.parse(JSON.stringify(app.graph.serialize()))")
        return found

    def load(self, workflow: dict[str, Any]) -> None:
        self.page.evaluate("async (workflow) => { await app.loadGraphData(workflow); }", workflow)

    def eventually(self, question: Callable[[], Any], answer: Any) -> None:
        """Ask until the answer is the right one."""
        until = time.monotonic() + PATIENCE_S
        while question() != answer and time.monotonic() < until:
            self.page.wait_for_timeout(50)
        found = question()
        assert found == answer, found

    def at_rest(self, *parts: Locator) -> None:
        """Wait until parts stand still: the host lays nodes out over several frames."""
        self.page.evaluate(_AT_REST, [part.element_handle() for part in parts])

    def box(self, part: Locator) -> FloatRect:
        """Where a part is on the screen once it stands still."""
        self.at_rest(part)
        box = part.bounding_box()
        assert box is not None
        return box

    @contextmanager
    def held(self, question: str) -> Iterator[Held]:
        """Keep questions of the page from reaching the server until they are let go."""
        held = Held()
        self.page.route(f"**/lora_rack/{question}", held.take)
        try:
            yield held
        finally:
            self.page.unroute(f"**/lora_rack/{question}", held.take)

    def picture(self, name: str) -> Path:
        """Keep what the page shows now, for eyes."""
        self.pictures.mkdir(parents=True, exist_ok=True)
        path = self.pictures / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    def _console(self, message: ConsoleMessage) -> None:
        place = message.location.get("url", "")
        is_ours = f"/{PACK}/" in (place + message.text) or "lora_rack" in (place + message.text).lower()
        is_answer = (
            "status of 400" in message.text
        )  # the browser's note on a question that was answered with no
        if message.type in ("error", "warning") and is_ours and not is_answer:
            self.errors.append(f"{message.type}: {message.text} ({place})")

    def _page_error(self, error: Error) -> None:
        if f"/{PACK}/" in (error.stack or ""):
            self.errors.append(f"{error.message}\n{error.stack}")


@dataclass
class OpenPage:
    """The page that tests share as long as none fails in it: opening one takes longer than most tests."""

    browser: Browser
    client: HostClient
    pictures: Path
    url: str
    rendering: str
    _bench: Workbench | None = None

    def __enter__(self) -> OpenPage:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bench is not None:
            self._bench.page.context.close()

    def bench(self) -> Workbench:
        """The page, or a new one in the place of one that is spent."""
        if self._bench is not None and self._bench.is_spent:
            self._bench.page.context.close()
            self._bench = None
        if self._bench is None:
            self._bench = Workbench.new(self.browser, self.client, self.pictures)
            self._bench.open(self.url, self.rendering)
        return self._bench


@dataclass(frozen=True)
class Rack:
    """One rack in the page."""

    bench: Workbench
    node: str
    element: Locator

    @property
    def text(self) -> str:
        """The value of the node's widget, as the graph knows it."""
        found: str = self.bench.page.evaluate(
            "(id) => app.canvas.graph.getNodeById(id).widgets.find((w) => w.name === 'text').value", self.node
        )
        return found

    def holds(self, *lines: str) -> None:
        """Wait until the text is exactly these lines, and what would be queued is the same."""
        self.bench.eventually(lambda: self.text, "\n".join(lines))
        queued = self.bench.prompt()
        assert queued[self.node]["inputs"]["text"] == "\n".join(lines)

    @property
    def rows(self) -> Locator:
        return self.element.get_by_role("listitem")

    def row(self, name: str) -> Locator:
        return self.element.get_by_role("listitem", name=f"LoRA {name}", exact=True)

    def fader(self, name: str) -> Locator:
        return self.row(name).get_by_role("slider", name=f"Strength of {name}", exact=True)

    def number(self, name: str) -> Locator:
        return self.row(name).get_by_role("textbox", name=f"Strength of {name}, as a number")

    def menu(self, name: str, item: str) -> None:
        """Choose from the menu of a row."""
        self.row(name).get_by_role("button", name=f"More: {name}").click()
        self.bench.page.get_by_role("menuitem", name=item).click()

    def open_picker(self) -> Locator:
        self.element.get_by_role("button", name="Add LoRA").click()
        return self.bench.page.get_by_role("dialog", name="Add LoRA")
