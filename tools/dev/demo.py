"""`dev.py demo`: pictures of three sliders, made by the real host over HTTP, measured, drawn on a sheet."""

from __future__ import annotations

import copy
import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from tools.dev.host_client import HostClient, HostError, execution_seconds, saved_files
from tools.dev.host_server import ServerFailed
from tools.dev.interpreters import clean_environment
from tools.dev.layout import Layout
from tools.dev.running_host import running_host
from tools.dev.setup import Need, Ready, set_up
from tools.dev.stamps import write_whole
from tools.dev.steps import ProgressLine

SLIDERS = {"detail": "add_detail", "saturation": "add_saturation", "brightness": "add_brightness"}
# A scene that shows well what the slider does, and its seeds.
SCENES = {
    "detail": ("day lake autumn boat", (6, 2)),
    "saturation": ("sunset mountains summer pines", (4, 3)),
    "brightness": ("night lake winter", (3, 5)),
}
STRENGTHS = (-2.0, -1.0, 0.0, 1.0, 2.0)
STACK = "<lora:add_detail:1>\n<lora:add_saturation:0.7>\n<lora:add_brightness:-0.5>"
STACK_SCENE = "sunset sea summer"
STACK_SEED = 3
STACK_FILE = "stack.png"
SHEET_FILE = "sheet.png"
MEASURES = ("luma", "saturation", "detail")
# The measure each slider is made to move.
MOVES = {"detail": "detail", "saturation": "saturation", "brightness": "luma"}


@dataclass(frozen=True)
class Shot:
    """A picture to make: one slider at one strength, or the whole stack (slider "")."""

    slider: str
    seed: int
    strength: float

    @property
    def text(self) -> str:
        """What the rack node is given."""
        return f"<lora:{SLIDERS[self.slider]}:{self.strength:g}>" if self.slider else STACK

    @property
    def scene(self) -> str:
        """The prompt."""
        return SCENES[self.slider][0] if self.slider else STACK_SCENE

    @property
    def file(self) -> str:
        return f"{self.slider}_seed{self.seed}_{self.strength:+g}.png" if self.slider else STACK_FILE


def shots() -> Iterator[Shot]:
    """Every picture of the demo, in the order of the sheet."""
    for slider, (_, seeds) in SCENES.items():
        for seed in seeds:
            for strength in STRENGTHS:
                yield Shot(slider, seed, strength)
    yield Shot("", STACK_SEED, 1.0)


def run_demo(layout: Layout, out: Path) -> int:
    """Make the demo in `out`; returns the exit status."""
    ready = set_up(layout, Need.BASE, Need.PROMPTS)
    out.mkdir(parents=True, exist_ok=True)
    log = layout.logs / "demo-host.log"
    start = time.monotonic()
    try:
        with running_host(ready, log) as server:
            client = HostClient(server.address)
            version = client.version()
            seconds = _make_pictures(client, layout, out)
    except ServerFailed as error:
        raise SystemExit(f"\ndemo failed: {error}") from error
    except (HostError, OSError) as error:
        raise SystemExit(f"\ndemo failed: {error}\nThe host's log: {layout.shown(log)}") from error
    measures = _draw_and_measure(ready, out)
    rows = [
        {
            "slider": shot.slider,
            "seed": shot.seed,
            "strength": shot.strength,
            **{name: round(measures[shot.file][name], 6) for name in MEASURES},
            "seconds": round(seconds[shot.file], 3),
            "file": shot.file,
        }
        for shot in shots()
    ]
    pictures = [row for row in rows if row["slider"]]
    report = {"pictures": pictures, "seconds": round(time.monotonic() - start, 3), "host": version}
    write_whole(out / "demo.json", json.dumps(report, indent=1) + "\n")
    _print_report(rows, layout, out)
    return 0


def _make_pictures(client: HostClient, layout: Layout, out: Path) -> dict[str, float]:
    """Queue every picture and write it to `out`; returns the host's seconds for each file."""
    template = json.loads((layout.demo / "picture.json").read_text(encoding="utf-8"))
    todo = list(shots())
    seconds = {}
    with ProgressLine(f"{len(todo)} pictures") as line:
        for number, shot in enumerate(todo, start=1):
            line.tick(f"{number} of {len(todo)}: {shot.file}")
            entry = client.run(_prompt(template, shot))
            (saved,) = saved_files(entry)
            (out / shot.file).write_bytes(client.view(saved.filename, saved.subfolder, saved.type))
            seconds[shot.file] = execution_seconds(entry)
    return seconds


def _prompt(template: Mapping[str, Any], shot: Shot) -> dict[str, Any]:
    prompt = copy.deepcopy(dict(template))
    prompt["rack"]["inputs"]["text"] = shot.text
    prompt["positive"]["inputs"]["text"] = shot.scene
    prompt["sample"]["inputs"]["seed"] = shot.seed
    return prompt


def _draw_and_measure(ready: Ready, out: Path) -> dict[str, dict[str, float]]:
    """Draw the contact sheet and return the measures of each file; both by the host's interpreter."""
    rows = [
        {"slider": slider, "seed": seed, "moves": MOVES[slider]}
        | {"files": [shot.file for shot in shots() if (shot.slider, shot.seed) == (slider, seed)]}
        for slider, (_, seeds) in SCENES.items()
        for seed in seeds
    ]
    order = {
        "folder": str(out.absolute()),
        "sheet": SHEET_FILE,
        "strengths": STRENGTHS,
        "rows": rows,
        "extra": {"file": STACK_FILE, "text": STACK},
    }
    with ProgressLine("contact sheet"):
        answer = subprocess.run(
            [str(ready.host.python), "-m", "tools.dev.contact_sheet"],
            cwd=ready.layout.root,
            env=clean_environment(),
            input=json.dumps(order),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        if answer.returncode != 0:
            raise SystemExit(f"\ndrawing the contact sheet failed:\n{answer.stderr.strip()}")
    measures: dict[str, dict[str, float]] = json.loads(answer.stdout)
    return measures


def _print_report(rows: list[dict[str, Any]], layout: Layout, out: Path) -> None:
    print(
        f"\n{'slider':<12}{'seed':>4}{'strength':>10}{'luma':>9}{'saturation':>12}{'detail':>9}{'seconds':>9}"
    )
    for row in rows:
        name = row["slider"] or "stack"
        strength = f"{row['strength']:+g}" if row["slider"] else ""
        print(
            f"{name:<12}{row['seed']:>4}{strength:>10}{row['luma']:>9.4f}{row['saturation']:>12.4f}"
            f"{row['detail']:>9.4f}{row['seconds']:>9.2f}"
        )
    print()
    for slider, moved in MOVES.items():
        print(f"{slider}: {moved} rises with every step of strength for {_rising(rows, slider)} seeds")
    folder = layout.shown(out.absolute())
    print(f"\n{len(rows)} pictures, demo.json and the contact sheet are in {folder}")
    print(f"Open {Path(folder) / SHEET_FILE}", flush=True)


def _rising(rows: list[dict[str, Any]], slider: str) -> str:
    """For how many seeds the slider's measure grows from each strength to the next, as "2 of 2"."""
    count = 0
    _, seeds = SCENES[slider]
    for seed in seeds:
        values = [row[MOVES[slider]] for row in rows if (row["slider"], row["seed"]) == (slider, seed)]
        count += all(low < high for low, high in pairwise(values))
    return f"{count} of {len(seeds)}"
