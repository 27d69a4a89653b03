"""Endurance: thousands of prompts with the page open, files coming and going, previews and drops among them.

RACK_SOAK: how many prompts (3000), RACK_SOAK_MINUTES: when no more are begun. What the host remembers
of each prompt is cleared every hundred: only what the pack keeps is measured. Memory is VmRSS of the host's
process, on Linux. A lap is timed by the host's processor time, all of it over its prompts: a busy machine
changes it little.
"""

from __future__ import annotations

import os
import statistics
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from served import STACKS, Served, picture, preview, served, write_lora, write_preview

from tools.dev.host_client import execution_seconds, saved_files

PROMPTS = int(os.environ.get("RACK_SOAK", "3000"))
MINUTES = float(os.environ.get("RACK_SOAK_MINUTES", "inf"))
LAP = 100
FILES, KEPT = 300, 20


@dataclass(frozen=True)
class Sample:
    """The state of the host and of the page after a lap."""

    memory_mib: float
    open_files: int
    index_kib: float
    temporary: int  # files in the host's temp folder
    heap_mib: float
    processor_s: float  # of a prompt, and of what goes with it


@dataclass
class Run:
    """One endurance run."""

    host: Served
    page: Any
    seconds: list[float] = field(default_factory=list)
    added: list[Path] = field(default_factory=list)

    def lap(self, first: int) -> Sample:
        """A hundred prompts and what goes with them."""
        before = self.host.processor_s()
        for number in range(first, first + LAP):
            self._prompt(number)
            if number % 10 == 3:
                self._change_files(number)
            if number % 20 == 7:
                self._look_around(number)
        self.host.client.post("/history", {"clear": True})
        return self._sample((self.host.processor_s() - before) / LAP)

    def _prompt(self, number: int) -> None:
        if number % 20 == 19:
            self.host.client.run(preview(number))
            return
        entry = self.host.client.run(picture(STACKS[number % len(STACKS)], number))
        self.seconds.append(execution_seconds(entry))
        (file,) = saved_files(entry)
        if number % 10 == 0:
            self._drop(self.host.client.view(file.filename, file.subfolder, file.type))
        (self.host.base / "output" / file.subfolder / file.filename).unlink()

    def _drop(self, data: bytes) -> None:
        address = f"{self.host.server.url}/lora_rack/stack_in_file"
        request = urllib.request.Request(address, data=data, headers={"Content-Type": "image/png"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert b"add_" in answer.read()

    def _change_files(self, number: int) -> None:
        lora = write_lora(
            self.host.loras / "new" / f"new_{number}.safetensors", ss_output_name=f"New {number}"
        )
        write_preview(lora, number)
        self.added.append(lora)
        if len(self.added) > KEPT:
            gone = self.added.pop(0)
            gone.unlink()
            gone.with_suffix(".preview.png").unlink()

    def _look_around(self, number: int) -> None:
        """In the page: another text for the rack, a search, and the previews of new files."""
        self.page.evaluate(
            """async ([text, names]) => {
                const rack = app.graph._nodes.find((node) => node.type === "LoraRackStack");
                rack.widgets[0].value = text;
                app.canvas.setDirty(true, true);
                const get = (path) => fetch(`/lora_rack/${path}`).then((answer) => answer.blob());
                await get("loras?query=new&offset=0&limit=60");
                for (const name of names) await get(`thumbnail?name=${encodeURIComponent(name)}`);
                await new Promise(requestAnimationFrame);
            }""",
            [STACKS[number % len(STACKS)], [f"new/{lora.name}" for lora in self.added[-5:]]],
        )

    def _sample(self, processor_s: float) -> Sample:
        process = Path("/proc") / str(self.host.server.pid)
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        session = self.page.context.new_cdp_session(self.page)
        session.send("HeapProfiler.collectGarbage")
        heap = session.send("Runtime.getHeapUsage")["usedSize"]
        session.detach()
        return Sample(
            memory_mib=int(status["VmRSS"].split()[0]) / 2**10,
            open_files=len(list((process / "fd").iterdir())),
            index_kib=self.host.index.stat().st_size / 2**10,
            temporary=sum(1 for path in (self.host.base / "temp").rglob("*") if path.is_file()),
            heap_mib=heap / 2**20,
            processor_s=processor_s,
        )


@contextmanager
def _page(host: Served) -> Iterator[Any]:
    """The editor in Chromium with the demo's graph open, which is told of every prompt."""
    from playwright.sync_api import sync_playwright

    arguments = ["--disable-gpu"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        arguments.append("--no-sandbox")
    host.client.post("/settings/Comfy.TutorialCompleted", True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["RACK_CHROMIUM"], args=arguments)
        page = browser.new_page()
        page.set_default_timeout(240_000)
        page.goto(host.server.url)
        page.wait_for_function(
            "() => Boolean(window.app?.graph && LiteGraph.registered_node_types.LoraRackStack)"
        )
        page.evaluate("(prompt) => app.loadApiJson(prompt, 'demo')", picture(STACKS[0], 0))
        host.client.client_id = page.evaluate("() => app.api?.clientId ?? sessionStorage.getItem('clientId')")
        yield page
        browser.close()


def run() -> Iterator[tuple[str, dict[str, float]]]:
    """A row each lap, and the whole: growth of the memory, and the last hundred's time over the first's."""
    with served(FILES) as host, _page(host) as page:
        work = Run(host, page)
        samples: list[Sample] = []
        end = time.monotonic() + MINUTES * 60
        for first in range(0, PROMPTS, LAP):
            if time.monotonic() > end:
                break
            samples.append(work.lap(first))
            found = samples[-1]
            yield f"after {first + LAP}", {**vars(found), "median_s": statistics.median(work.seconds[-90:])}
        first, last = samples[0], samples[-1]
        yield (
            "whole",
            {
                "prompts": float(len(samples) * LAP),
                "memory_ratio": last.memory_mib / first.memory_mib,
                "heap_ratio": last.heap_mib / first.heap_mib,
                "open_files_more": float(last.open_files - first.open_files),
                "processor_ratio": last.processor_s / first.processor_s,
                "latency_ratio": statistics.median(work.seconds[-90:]) / statistics.median(work.seconds[:90]),
            },
        )
