"""The scrubber under the hand, over pictures the demo model paints."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Locator, expect
from workbench import Workbench

from tools.dev.host_client import HostClient

Json = dict[str, Any]

_BUILD = """(spec) => {
    const nodes = {};
    for (const [name, { type, pos, values }] of Object.entries(spec)) {
        const node = nodes[name] = LiteGraph.createNode(type);
        node.pos = pos;
        app.graph.add(node);
        for (const [input, value] of Object.entries(values ?? {}))
            node.widgets.find((widget) => widget.name === input).value = value;
    }
    for (const [name, { links }] of Object.entries(spec))
        for (const [input, [from, slot]] of Object.entries(links ?? {}))
            nodes[from].connect(slot, nodes[name], nodes[name].inputs.findIndex((one) => one.name === input));
    return Object.fromEntries(Object.entries(nodes).map(([name, node]) => [name, String(node.id)]));
}"""
# The middle of the widget into the middle of the window, which is not high enough for all of the node.
_CENTRE = """async ([id]) => {
    const { element } = app.graph.getNodeById(id).widgets.at(-1);
    const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    await frame();
    const box = element.getBoundingClientRect();
    const { ds } = app.canvas;
    const down = window.innerHeight / 2 + 20 - (box.top + box.bottom) / 2;
    ds.offset = [ds.offset[0], ds.offset[1] + down / ds.scale];
    app.canvas.setDirty(true, true);
    await frame();
}"""
_LOADED = {
    "checkpoint": {"type": "CheckpointLoaderSimple", "values": {"ckpt_name": "rack_demo.safetensors"}},
    "encoder": {"type": "CLIPLoader", "values": {"clip_name": "rack_demo_clip.safetensors", "type": "sd3"}},
    "latent": {"type": "EmptySD3LatentImage", "values": {"width": 128, "height": 128, "batch_size": 1}},
}
_SAMPLING = {"steps": 4, "cfg": 2.5, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}
SLIDER = {
    **_LOADED,
    "preview": {
        "type": "LoraRackSliderPreview",
        "values": {
            **_SAMPLING,
            **{
                "positive": "day mountains lake",
                "negative": "",
                "seed": 5,
                "control_after_generate": "fixed",
            },
            **{"slider": "detail", "lora_name": "auto", "values": "-2:2:5", "pick": 0.0},
        },
        "links": {
            "model": ["checkpoint", 0],
            "clip": ["encoder", 0],
            "vae": ["checkpoint", 2],
            "latent_image": ["latent", 0],
        },
    },
}
GRID = {
    **_LOADED,
    "sweep": {
        "type": "LoraRackSweep",
        "values": {"axes": "<lora:add_detail> -2, 0, 2\n<lora:add_saturation> -1, 1"},
        "links": {"model": ["checkpoint", 0], "clip": ["encoder", 0], "latent": ["latent", 0]},
    },
    **{
        name: {
            "type": "LoraRackSweepEncode",
            "values": {"text": text},
            "links": {"clip": ["sweep", 1], "sweep": ["sweep", 3]},
        }
        for name, text in (("positive", "day mountains lake"), ("negative", ""))
    },
    "sampler": {
        "type": "KSampler",
        "values": {**_SAMPLING, "seed": 5, "control_after_generate": "fixed"},
        "links": {
            "model": ["sweep", 0],
            "positive": ["positive", 0],
            "negative": ["negative", 0],
            "latent_image": ["sweep", 2],
        },
    },
    "decode": {"type": "VAEDecode", "links": {"samples": ["sampler", 0], "vae": ["checkpoint", 2]}},
    "preview": {
        "type": "LoraRackSweepSheet",
        "links": {"images": ["decode", 0], "sweep": ["sweep", 3]},
    },
}

# Page and graph → what was saved after its first run: the pictures come back with it.
_RUN: dict[tuple[str, str, str], tuple[str, Json]] = {}


@dataclass(frozen=True)
class Scrubber:
    """A node with a scrubber in the page."""

    bench: Workbench
    node: str
    element: Locator

    @property
    def thumb(self) -> Locator:
        return self.element.get_by_role("slider", name="Strength", exact=True)

    @property
    def pick(self) -> float:
        read = "(id) => app.graph.getNodeById(id).widgets.find((w) => w.name === 'pick').value"
        found: float = self.bench.page.evaluate(read, self.node)
        return found

    def seen(self) -> dict[int, tuple[float, str]]:
        """Number of a picture → how opaque it is and how it is cut, for those that are seen at all."""
        read = """(field) => [...field.querySelectorAll("img")].map(
            (image, place) => [place, Number(image.style.opacity), image.style.clipPath])"""
        return {place: (opacity, clip) for place, opacity, clip in self.element.evaluate(read) if opacity > 0}

    def stands_at(self, strength: float) -> None:
        expect(self.thumb).to_have_attribute("aria-valuenow", f"{strength:g}")

    def track_point(self, strength: float) -> tuple[float, float]:
        """Where a strength of -2 … 2 is on the track."""
        box = self.bench.box(self.element.locator(".lora-rack-scrub-track"))
        return box["x"] + box["width"] * (strength + 2) / 4, box["y"] + 12


def scrubber(bench: Workbench, node: str) -> Scrubber:
    mark = f"scrubber-{bench.page.evaluate('() => Math.random().toString(36).slice(2)')}"
    bench.page.evaluate(
        "([id, mark]) => { app.graph.getNodeById(id).widgets.at(-1).element.id = mark; }", [node, mark]
    )
    found = Scrubber(bench, node, bench.page.locator(f"#{mark}"))
    expect(found.element).to_be_visible()
    bench.page.evaluate(_CENTRE, [node])
    return found


def loaded(found: Scrubber) -> Scrubber:
    """Wait until every picture is here."""
    read = """(field) => { const all = [...field.querySelectorAll("img")];
        return all.length > 0 && all.every((image) => image.complete && image.naturalWidth === 128); }"""
    found.bench.eventually(lambda: found.element.evaluate(read), True)
    return found


def run(bench: Workbench, rendering: str, name: str = "slider") -> Scrubber:
    """The graph after a run, run for the first test only."""
    key = bench.client.address, rendering, name
    if key not in _RUN:
        ids = bench.page.evaluate(_BUILD, _placed(SLIDER if name == "slider" else GRID))
        empty = scrubber(bench, ids["preview"])
        expect(empty.element.get_by_role("status")).to_have_text("Queue to see every strength here.")
        bench.page.evaluate("async () => { await app.queuePrompt(0); }")
        expect(empty.thumb).to_be_visible(timeout=120_000)
        _RUN[key] = ids["preview"], bench.workflow()
    node, workflow = _RUN[key]
    bench.load(copy.deepcopy(workflow))
    return loaded(scrubber(bench, node))


def _placed(spec: Json) -> Json:
    left = {name: {**node, "pos": [-400, 120 * place]} for place, (name, node) in enumerate(spec.items())}
    return {**left, "preview": {**spec["preview"], "pos": [330, 130]}}


def test_a_run_shows_what_the_same_graph_queued_by_hand_gives(
    bench: Workbench, client: HostClient, rendering: str
) -> None:
    found = run(bench, rendering)
    found.stands_at(0)
    outputs = client.run(bench.prompt())["outputs"]
    theirs = outputs[found.node]["lora_rack_frames"]
    ours = bench.page.evaluate(
        "(id) => app.graph.getNodeById(id).properties.lora_rack_frames.frames", found.node
    )
    assert [frame["strengths"] for frame in ours] == [[-2.0], [-1.0], [0.0], [1.0], [2.0]]
    assert [frame["measures"] for frame in ours] == [frame["measures"] for frame in theirs]
    detail = ours[2]["measures"]["detail"]
    assert (found.thumb.get_attribute("aria-valuetext") or "").endswith(f"Detail {detail:.3f}")


def test_scrubbing_blends_and_lets_go_on_a_picture(bench: Workbench, rendering: str) -> None:
    found = run(bench, rendering)
    assert set(found.seen()) == {2}
    mouse = bench.page.mouse
    position = bench.page.evaluate("(id) => [...app.graph.getNodeById(id).pos]", found.node)
    mouse.move(*found.track_point(0))
    mouse.down()
    mouse.move(*found.track_point(1.25), steps=6)
    seen = found.seen()
    assert set(seen) == {3, 4}
    assert seen[3][0] == 1
    assert seen[4][0] == pytest.approx(0.25, abs=0.04)
    mouse.up()
    found.stands_at(1)
    assert set(found.seen()) == {3}
    assert bench.page.evaluate("(id) => [...app.graph.getNodeById(id).pos]", found.node) == position


def test_the_picture_itself_is_scrubbed(bench: Workbench, rendering: str) -> None:
    found = run(bench, rendering)
    box = bench.box(found.element.locator(".lora-rack-scrub-picture"))
    bench.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    bench.page.mouse.down()
    bench.page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 40, steps=4)
    bench.page.mouse.up()
    found.stands_at(2)


def test_keys_go_from_strength_to_strength(bench: Workbench, rendering: str) -> None:
    found = run(bench, rendering)
    found.thumb.focus()
    for key, strength in (("End", 2), ("ArrowRight", 2), ("ArrowLeft", 1), ("Home", -2), ("ArrowUp", -1)):
        bench.page.keyboard.press(key)
        found.stands_at(strength)


@pytest.mark.frontends
def test_two_strengths_are_wiped(bench: Workbench, rendering: str) -> None:
    found = run(bench, rendering)
    found.thumb.focus()
    bench.page.keyboard.press("End")
    found.element.get_by_role("radio", name="Wipe").click()
    assert found.seen() == {2: (1, ""), 4: (1, "inset(0px 0px 0px 50%)")}
    divider = found.element.get_by_role("slider", name="Where one strength ends and the other begins")
    box = bench.box(found.element.locator(".lora-rack-scrub-picture"))
    bench.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    bench.page.mouse.down()
    bench.page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2, steps=4)
    bench.page.mouse.up()
    expect(divider).to_have_attribute("aria-valuenow", "25")
    bench.page.keyboard.press("ArrowRight")
    expect(divider).to_have_attribute("aria-valuenow", "27")
    found.stands_at(2)
    compared = found.element.get_by_role("slider", name="Strength to compare with")
    compared.focus()
    bench.page.keyboard.press("Home")
    expect(compared).to_have_attribute("aria-valuenow", "-2")
    assert set(found.seen()) == {0, 4}


@pytest.mark.frontends
def test_use_this_sets_the_pick_and_the_next_stack(
    bench: Workbench, client: HostClient, rendering: str
) -> None:
    bench.command("Comfy.NewBlankWorkflow")
    found = run(bench, rendering)
    bench.remember()
    found.thumb.focus()
    bench.page.keyboard.press("End")
    found.element.get_by_role("button", name="Use +2").click()
    expect(found.element.get_by_role("button", name="+2 in use")).to_be_disabled()
    assert found.pick == 2
    prompt = bench.prompt()
    assert prompt[found.node]["inputs"]["pick"] == 2
    model = prompt[found.node]["inputs"]["model"]
    prompt["apply"] = {
        "class_type": "LoraRackApply",
        "inputs": {"model": model, "stack": [found.node, 2], "mismatch": "error"},
    }
    prompt["report"] = {"class_type": "PreviewAny", "inputs": {"source": ["apply", 2]}}
    assert "add_detail.safetensors at 2" in client.run(prompt)["outputs"]["report"]["text"][0]
    bench.command("Comfy.Undo")
    bench.eventually(lambda: found.pick, 0)
    again = loaded(scrubber(bench, found.node))
    expect(again.element.get_by_role("button", name="0 in use")).to_be_visible()


def test_pictures_the_host_threw_away_are_said_to_be_gone(bench: Workbench, rendering: str) -> None:
    run(bench, rendering)
    node, workflow = copy.deepcopy(_RUN[bench.client.address, rendering, "slider"])
    (saved,) = (one for one in workflow["nodes"] if str(one["id"]) == node)
    for frame in saved["properties"]["lora_rack_frames"]["frames"]:
        frame["filename"] = "gone_" + frame["filename"]
    bench.load(workflow)
    found = scrubber(bench, node)
    expect(found.element.get_by_role("status")).to_have_text(
        "ComfyUI has deleted these pictures. Queue again to see them."
    )
    expect(found.thumb).to_be_hidden()
    bench.errors.clear()  # the browser notes that there is no such picture, as it should


def test_two_axes_are_a_grid(bench: Workbench, rendering: str) -> None:
    found = run(bench, rendering, "grid")
    found.stands_at(0)
    cells = found.element.get_by_role("gridcell")
    expect(cells).to_have_count(6)
    expect(found.element.get_by_role("button", name="Use")).to_have_count(0)
    found.element.get_by_role("gridcell", name="+2, +1").click()
    found.stands_at(2)
    here = found.element.get_by_role("gridcell", selected=True)
    expect(here).to_have_attribute("aria-label", "+2, +1")
    for key, cell in (("ArrowDown", "+2, −1"), ("ArrowLeft", "0, −1"), ("Home", "−2, −1")):
        bench.page.keyboard.press(key)
        expect(here).to_have_attribute("aria-label", cell)
        expect(here).to_be_focused()
    found.thumb.focus()
    bench.page.keyboard.press("ArrowUp")
    expect(here).to_have_attribute("aria-label", "−2, +1")


class TestPictures:
    """For eyes: both renderings, both themes."""

    @pytest.fixture(params=["dark", "light"])
    def theme(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.mark.parametrize("name", ["slider", "grid"])
    def test_pictures(self, bench: Workbench, rendering: str, theme: str, name: str) -> None:
        found = run(bench, rendering, name)
        found.thumb.focus()
        bench.page.keyboard.press("End")
        found.element.get_by_role("radio", name="Wipe" if name == "slider" else "Blend").click()
        bench.page.wait_for_timeout(400)
        assert bench.picture(f"scrubber_{name}_{rendering}_{theme}").stat().st_size > 10_000
