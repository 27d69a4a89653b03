"""What many previews and many runs leave in the page: no more than a few do."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from workbench import Workbench

PREVIEWS, COLUMNS, LINES = 12, 9, 9
MOST_HELD = 24
"""Pictures a scrubber may hold (web/scrubber/stage.mjs)."""

_ADD = """([previews, columns, lines]) => {
    const place = (count, at) => Math.floor(count / 2) - at;
    window.run = (round) => {
        const frames = Array.from({ length: columns * lines }, (_, n) => ({
            filename: "cell.png", subfolder: "", type: "output", latent: 0,
            strengths: [place(columns, n % columns), place(lines, Math.floor(n / columns))],
            measures: { luma: n + round, saturation: 1, detail: 2 },
        }));
        const output = { lora_rack_frames: frames, lora_rack_axes: [] };
        for (const node of app.graph.nodes) node.onExecuted?.(output);
    };
    for (let n = 0; n < previews; n++) {
        const node = LiteGraph.createNode("LoraRackSweepSheet");
        node.pos = [(n % 4) * 420, Math.floor(n / 4) * 560];
        app.graph.add(node);
    }
}"""
_RUN = """async (times) => {
    for (let round = 0; round < times; round++) {
        window.run(round);
        await new Promise((done) => requestAnimationFrame(done));
    }
}"""
_PICTURES = """() => app.graph.nodes.map((node) => {
    const images = [...node.widgets.at(-1).element.querySelectorAll("img")];
    const isSeen = (image) => getComputedStyle(image).visibility === "visible";
    return [images.length, images.filter(isSeen).length];
})"""
_HERE = """() => app.graph.nodes.every((node) =>
    node.widgets.at(-1).element.querySelector(".lora-rack-scrub-stage"))"""


def _counts(bench: Workbench) -> dict[str, int]:
    """DOM nodes and listeners of the page, detached ones included, after a collection of garbage."""
    session = bench.page.context.new_cdp_session(bench.page)
    for _ in range(2):
        session.send("HeapProfiler.collectGarbage")
    counted = session.send("Memory.getDOMCounters")
    session.detach()
    return {name: int(counted[name]) for name in ("nodes", "jsEventListeners")}


def test_many_previews_hold_few_pictures_and_runs_leave_nothing(bench: Workbench, base: Path) -> None:
    bench.is_spent = True
    (base / "output").mkdir(exist_ok=True)
    Image.new("RGB", (16, 16)).save(base / "output" / "cell.png")
    bench.page.evaluate(_ADD, [PREVIEWS, COLUMNS, LINES])
    bench.page.wait_for_function(_HERE)
    bench.page.evaluate(_RUN, 5)
    pictures = bench.page.evaluate(_PICTURES)
    assert len(pictures) == PREVIEWS
    assert all(1 <= held <= MOST_HELD and shown == 1 for held, shown in pictures)
    before = _counts(bench)
    bench.page.evaluate(_RUN, 30)
    after = _counts(bench)
    # A run too many held would be 12 pictures with two listeners each, or 30 times that.
    assert all(after[name] - before[name] < 100 for name in after), (before, after)
