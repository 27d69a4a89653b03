"""Hundreds of hostile requests to every route, and odd values at every input of every node: each is answered.

A request is made from its number, so a number that failed once fails again. `dev.py test fuzz` sets RACK_FUZZ
to send ten times as many.
"""

from __future__ import annotations

import json
import os
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from raw_requests import ask

from tests.fuzzing import making
from tools.dev.host_client import HostClient
from tools.dev.host_server import HostServer

MOST_SECONDS = 2.0
MOST_GROWTH = 200 * 2**20
DEMO = "add_detail.safetensors"
TIMES = int(os.environ.get("RACK_FUZZ", "1"))


ROUTES = ("parse", "files", "write", "blocks", "convert", "stack_in_file")
ROUTES += ("rack/save", "rack/rename", "rack/delete")
GETS = ("loras", "info", "thumbnail", "energy", "racks", "rack")
NODES = (
    "LoraRackLoad",
    "LoraRackAdd",
    "LoraRackStack",
    "LoraRackPrompt",
    "LoraRackBlocks",
    "LoraRackSliders",
)
NODES += ("LoraRackApply", "LoraRackSliderPreview", "LoraRackSweep", "LoraRackSweepSheet", "LoraRackInspect")
NODES += ("LoraRackEncode", "LoraRackSweepEncode", "LoraRackSave", "LoraRackOverlap")


@pytest.fixture(autouse=True)
def _watched(client: HostClient) -> Iterator[None]:
    """The server reads and writes its own folders alone, calls no other, and starts no program."""
    ask(client, "POST", "/fixture/watch")
    yield
    _, seen = ask(client, "DELETE", "/fixture/watch")
    assert json.loads(seen) == []


def _request(numbers: Random, client: HostClient) -> tuple[str, str, bytes | None]:
    if numbers.random() < 0.25:
        fields = {
            name: str(making.odd(numbers)).encode("utf-8", "replace")
            for name in ("name", "query", "offset", "limit")
        }
        return "GET", f"/lora_rack/{numbers.choice(GETS)}?{urllib.parse.urlencode(fields)}", None
    path = numbers.choice(ROUTES)
    if path == "stack_in_file":
        body = (
            making.picture(numbers)
            if numbers.random() < 0.5
            else making.odd_json(numbers, making.workflow(numbers))
        )
        return "POST", f"/lora_rack/{path}", body
    row = making.swapped(numbers, {"kind": "entry", "name": DEMO, "strength_model": 1, "blocks": "OUTALL"})
    sound = {"text": making.stack_text(numbers), "rows": [row, {"kind": "comment", "comment": "a"}]}
    sound |= {"name": DEMO, "blocks": "", "elements": "", "part": "", "weights": {"IN00": 0.5}, "to": "rack"}
    sound |= {"workflow": making.workflow(numbers), "version": "", "to": numbers.choice(("rack", "other"))}
    return "POST", f"/lora_rack/{path}", making.odd_json(numbers, making.swapped(numbers, sound))


def test_fuzzed_requests_are_answered(client: HostClient, server: HostServer) -> None:
    before = _memory(server)
    for number in range(500 * TIMES):
        method, path, body = _request(Random(f"request {number}"), client)
        started = _spent(server)
        status, answer = ask(client, method, path, body, **{"Content-Type": "application/json"})
        assert status < 500, (number, method, path, answer[:500])
        assert _spent(server) - started < MOST_SECONDS, (number, method, path)
        if status == 400:
            assert "error" in json.loads(answer), number
            assert len(answer) < 50_000, number
    assert _memory(server) - before < MOST_GROWTH


def test_fuzzed_inputs_of_every_node_are_answered(client: HostClient, server: HostServer) -> None:
    info = {node: client.object_info(node) for node in NODES}
    before = _memory(server)
    for number in range(300 * TIMES):
        numbers = Random(f"prompt {number}")
        node = numbers.choice(NODES)
        declared = {**info[node]["input"].get("required", {}), **info[node]["input"].get("optional", {})}
        values = {name: making.odd(numbers, 1) for name in declared if numbers.random() < 0.9}
        # A list is a wire, and from where there is no node the host itself fails.
        inputs = {name: value for name, value in values.items() if not isinstance(value, list)}
        prompt = {"1": {"class_type": node, "inputs": inputs}}
        prompt["2"] = {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}
        body = json.dumps({"prompt": prompt}).encode("utf-8", "replace")
        started = _spent(server)
        status, answer = ask(client, "POST", "/prompt", body, **{"Content-Type": "application/json"})
        assert status < 500, (number, node, answer[:500])
        assert _spent(server) - started < MOST_SECONDS, (number, node)
        assert b"positional argument" not in answer, (number, node, answer[:500])
        if status != 200:
            for errors in json.loads(answer).get("node_errors", {}).values():
                assert all(error["type"] != "exception_during_validation" for error in errors["errors"]), (
                    number,
                    answer[:900],
                )
    assert _memory(server) - before < MOST_GROWTH


def _spent(server: HostServer) -> float:
    """Seconds of processor time the host has taken; of the clock where the system does not tell."""
    try:
        fields = Path(f"/proc/{server.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return time.monotonic()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(server: HostServer) -> int:
    """Bytes the host has in memory; 0 where the system does not tell."""
    try:
        pages = Path(f"/proc/{server.pid}/statm").read_text(encoding="utf-8").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
