"""What is asked of the host's loop: a prompt alone, and while 20 clients use every route over 5,000 files.

`people` ask one thing a second each, as open pages do at most; `flood` asks without a pause. `prompt_ratio`
is the time of a prompt beside them over its time alone, `slowest_s` the longest a route took. A route alone
has the host's processor time for one answer too, which a busy machine hardly changes (Linux).
RACK_LOOP_PROMPTS is how many prompts each figure is the median of (5); with 0 only the routes are asked.
"""

from __future__ import annotations

import json
import os
import statistics
import threading
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from served import STACKS, Served, picture, served

from tools.dev.host_client import execution_seconds, saved_files

FILES, CLIENTS, ASKED = 5000, 20, 20
PROMPTS = int(os.environ.get("RACK_LOOP_PROMPTS", "5"))
NAME = "library/shelf_00/style_0001.safetensors"


@dataclass
class Clients:
    """What 20 threads saw: seconds by route, and answers that were no success."""

    served: Served
    dropped: bytes
    pause_s: float
    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failed: list[str] = field(default_factory=list)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """While the threads ask."""
        ended = threading.Event()
        threads = [threading.Thread(target=self._ask, args=(ended, n), daemon=True) for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            for thread in threads:
                thread.join(60)

    def _ask(self, ended: threading.Event, first: int) -> None:
        routes = _routes(self.dropped)
        number = first
        while not ended.wait(self.pause_s):
            name, path, body, kind = routes[number % len(routes)]
            number += 1
            started = time.monotonic()
            try:
                _ask(self.served, path, body, kind)
            except urllib.error.HTTPError as error:
                self.failed.append(f"{name}: {error.code} {error.read()[:200]!r}")
            self.seconds[name].append(time.monotonic() - started)


def _routes(dropped: bytes) -> list[tuple[str, str, bytes | None, str]]:
    """Every route of the pack: name, path, body, its type."""
    row = {"kind": "entry", "name": NAME, "strength_model": 0.8, "strength_clip": 0.8}
    text = "\n".join(f"<lora:style_{number:04}:0.5>" for number in range(20))
    workflow = {"1": {"class_type": "LoraLoader", "inputs": {"lora_name": NAME, "strength_model": 1}}}
    posts = {
        "parse": {"text": text},
        "files": {"rows": [row] * 20},
        "write": {"rows": [row] * 20},
        "blocks": {"name": NAME, "blocks": "IN04=0.5", "elements": "", "part": "", "weights": {}},
        "convert": {"workflow": workflow, "to": "rack"},
    }
    gets = {
        "about": "about",
        "loras": "loras?query=&offset=0&limit=60",
        "search": "loras?query=style_3&offset=0&limit=60",
        "info": f"info?name={NAME}",
        "thumbnail": f"thumbnail?name={NAME}",
        "energy": f"energy?name={NAME}",
    }
    routes: list[tuple[str, str, bytes | None, str]] = [
        (name, f"/lora_rack/{path}", None, "") for name, path in gets.items()
    ]
    for name, body in posts.items():
        routes.append((name, f"/lora_rack/{name}", json.dumps(body).encode(), "application/json"))
    routes.append(("stack_in_file", "/lora_rack/stack_in_file", dropped, "image/png"))
    return routes


def run() -> Iterator[tuple[str, dict[str, float]]]:
    """The two cases, then the slowest answer of each route beside people."""
    with served(FILES) as host:
        entry = host.client.run(picture(STACKS[0], 0))
        (file,) = saved_files(entry)
        dropped = host.client.view(file.filename, file.subfolder, file.type)
        first = Clients(host, dropped, 0.0)  # the index is made, and every route used once
        with first.asking():
            time.sleep(15)
        for name, path, body, kind in _routes(dropped):
            yield f"route {name}", _alone(host, path, body, kind)
        for case, pause_s in (("people", 1.0), ("flood", 0.0)) if PROMPTS else ():
            alone, beside = [], []
            clients = Clients(host, dropped, pause_s)
            for number in range(PROMPTS):  # turn about: a machine's speed changes with the hour
                alone.append(_seconds(host, 100 + number))
                with clients.asking():
                    time.sleep(1.5)
                    beside.append(_seconds(host, 200 + number))
            slowest = {name: max(found) for name, found in clients.seconds.items()}
            yield (
                case,
                {
                    "prompt_s": statistics.median(alone),
                    "prompt_ratio": statistics.median(beside) / statistics.median(alone),
                    "asked": float(sum(map(len, clients.seconds.values()))),
                    "refused": float(len(clients.failed)),
                    "median_s": statistics.median(s for found in clients.seconds.values() for s in found),
                    "slowest_s": max(slowest.values()),
                },
            )
            for problem in sorted(set(clients.failed))[:5]:
                print(f"  {problem}", flush=True)


def _alone(host: Served, path: str, body: bytes | None, kind: str) -> dict[str, float]:
    """One route asked a few times with nothing else going on."""
    seconds, before = [], host.processor_s()
    for _ in range(ASKED):
        started = time.monotonic()
        _ask(host, path, body, kind)
        seconds.append(time.monotonic() - started)
    return {"processor_s": (host.processor_s() - before) / ASKED, "slowest_s": max(seconds)}


def _ask(host: Served, path: str, body: bytes | None, kind: str) -> None:
    request = urllib.request.Request(host.server.url + path, data=body)
    if body is not None:
        request.add_header("Content-Type", kind)
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()


def _seconds(host: Served, seed: int) -> float:
    return execution_seconds(host.client.run(picture(STACKS[seed % len(STACKS)], seed, steps=20, size=128)))
