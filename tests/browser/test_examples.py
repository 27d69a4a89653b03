"""The workflows this pack ships, opened from the host's templates and run from the page."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from workbench import Workbench

from tools.dev.host_client import HostClient
from tools.dev.layout import PACK, this_checkout

EXAMPLES = sorted((this_checkout().root / "example_workflows").glob("*.json"))
_OPEN = """async (url) => {
    const answer = await fetch(url);
    await app.loadGraphData(await answer.json());
    return app.graph.nodes.filter((node) => !LiteGraph.registered_node_types[node.type]).length;
}"""


@pytest.mark.frontends
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_a_shipped_workflow_runs_from_the_page(bench: Workbench, client: HostClient, example: Path) -> None:
    assert bench.page.evaluate(_OPEN, f"/api/workflow_templates/{PACK}/{example.name}") == 0
    before = set(client.get("/history"))
    # A page of 2026 calls the menu beside it Run too.
    bench.page.get_by_role("button", name="Run", exact=True).first.click()
    expect(bench.page.get_by_role("dialog")).to_have_count(0)
    for _ in range(1200):
        if set(client.get("/history")) - before:
            break
        bench.page.wait_for_timeout(100)
    (prompt,) = set(client.get("/history")) - before
    entry = client.wait(prompt)
    shown = [image for output in entry["outputs"].values() for image in output.get("images", [])]
    frames = [frame for output in entry["outputs"].values() for frame in output.get("lora_rack_frames", [])]
    assert shown
    assert bool(frames) == (example.stem not in {"lora_rack_demo", "lora_rack_overlap", "lora_rack_prompt"})
    for one in [*shown, *frames]:
        data = client.view(one["filename"], one["subfolder"], one["type"])
        assert np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).std() > 5
