"""Requests and files made to do harm: a typed answer in bounded time, and the server goes on answering."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import threading
import time
import urllib.error
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from raw_requests import ask

from tests.fuzzing import making
from tools.dev.host_client import HostClient, PromptRejected

MOST_HELD_S = 0.5  # between two answers of the host; its loop is held 0.2 s at most
MOST_WAIT_S = 40.0  # for thousands of rows, on a busy machine
DEMO = "add_detail.safetensors"


def _post(client: HostClient, path: str, body: Any, kind: str = "application/json") -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, answer = ask(client, "POST", f"/lora_rack/{path}", data, **{"Content-Type": kind})
    return status, json.loads(answer)


def _held(client: HostClient, work: Callable[[], None]) -> float:
    """The longest the host took to answer others while `work` was done, in seconds."""
    waits: list[float] = []
    is_done = threading.Event()

    def keep_asking() -> None:
        while not waits or not is_done.wait(0.02):
            started = time.monotonic()
            ask(client, "GET", "/prompt")
            waits.append(time.monotonic() - started)

    asker = threading.Thread(target=keep_asking)
    asker.start()
    try:
        work()
    finally:
        is_done.set()
        asker.join()
    assert waits, "the work was over before the host was asked anything"
    return max(waits)


def _check_not_held(client: HostClient, work: Callable[[], None]) -> None:
    """Fails when the work holds the host each time: a machine that is busy with other things does so once."""
    assert min(_held(client, work) for _ in range(3)) < MOST_HELD_S


@pytest.mark.parametrize("charset", ["bogus", "hex", "zlib", "utf-16", "latin-1"])
def test_a_charset_that_is_not_utf_8_is_refused(client: HostClient, charset: str) -> None:
    status, answer = _post(client, "parse", {"text": ""}, f"application/json; charset={charset}")
    assert status == 400
    assert "UTF-8" in answer["error"]["message"]
    assert _post(client, "parse", {"text": ""}, "application/json; charset=UTF-8") == (200, {"rows": []})


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 100_000, b'{"text": 1' + b"1" * 5_000 + b"}", b"\xff{}"]
)
@pytest.mark.parametrize("path", ["parse", "files", "write", "blocks", "convert"])
def test_json_beyond_bounds_is_refused(client: HostClient, path: str, body: bytes) -> None:
    status, answer = _post(client, path, body)
    assert (status, bool(answer.get("error", {}).get("message"))) == (400, True)


def test_a_body_in_chunks_is_read_no_further_than_its_limit(client: HostClient) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(24):
            yield b" " * 2**20

    connection = http.client.HTTPConnection(client.address, timeout=30)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/lora_rack/parse", chunks(), headers, encode_chunked=True)
        answer = connection.getresponse()
        assert answer.status == 400
        assert "larger than" in json.loads(answer.read())["error"]["message"]
    finally:
        connection.close()


def test_thousands_of_rows_take_time_that_grows_with_them(client: HostClient) -> None:
    missing = [{"kind": "entry", "name": f"no such file {number}"} for number in range(3_000)]
    same = [{"kind": "entry", "name": DEMO}] * 9_000

    def ask() -> None:
        for rows in (missing, same):
            started = time.monotonic()
            status, answer = _post(client, "files", {"rows": rows})
            assert (status, len(answer["files"])) == (200, len(rows))
            assert time.monotonic() - started < MOST_WAIT_S
        assert answer["files"][-1]["card"]["name"] == DEMO

    _check_not_held(client, ask)
    assert _post(client, "files", {"rows": same * 2})[0] == 400


TEXTS = {
    "2,000 missing rows": ("\n".join(f"<lora:no such {n}:1>" for n in range(2_000)), "1980 other problems"),
    "20,000 rows of one file": ("<lora:add_detail:1>\n" * 20_000, "at most 10000 rows"),
    "3 MB of open tags": ("<lora:a " * 375_000, "or more other problems"),
}


@pytest.mark.parametrize("node", ["LoraRackStack", "LoraRackPrompt"])
@pytest.mark.parametrize("case", TEXTS)
def test_a_text_of_any_size_is_checked_without_holding_the_host(
    client: HostClient, node: str, case: str
) -> None:
    text, said = TEXTS[case]
    nodes = {"1": {"class_type": node, "inputs": {"text": text}}}
    nodes["2"] = {
        "class_type": "PreviewAny",
        "inputs": {"source": ["1", 0 if node == "LoraRackPrompt" else 1]},
    }

    def queue() -> None:
        with pytest.raises(PromptRejected) as refused:
            client.queue(nodes)
        assert said in str(refused.value)
        assert len(str(refused.value)) < 20_000

    _check_not_held(client, queue)


@pytest.mark.parametrize(
    ("node", "given", "missing"),
    [
        ("LoraRackStack", {}, "text"),
        ("LoraRackPrompt", {}, "text"),
        ("LoraRackAdd", {"strength_model": 1, "strength_clip": 1}, "lora_name"),
        ("LoraRackBlocks", {}, "lora_name"),
        ("LoraRackInspect", {}, "lora_name"),
    ],
)
def test_an_input_left_out_is_missed_by_the_host_itself(
    client: HostClient, node: str, given: dict[str, Any], missing: str
) -> None:
    nodes = {"1": {"class_type": node, "inputs": given}}
    nodes["2"] = {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}
    with pytest.raises(PromptRejected) as refused:
        client.queue(nodes)
    assert f"Required input is missing: {missing}" in str(refused.value)
    assert "positional" not in str(refused.value)


@pytest.fixture
def hostile_files(loras: Path) -> Iterator[Path]:
    """Files beside the others that do harm, or are none."""
    folder = loras / "hostile"
    folder.mkdir()
    numbers = Random(1)
    entry = {"dtype": "F32", "shape": [2**62] * 300, "data_offsets": [0, 0]}
    header = json.dumps({"x.lora_up.weight": entry}).encode()
    (folder / "shape.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    shutil.copy(loras / DEMO, folder / " lead.safetensors")
    shutil.copy(loras / DEMO, folder / "link.safetensors")
    (folder / "link.json").write_text('{"activation text": "a", "id": 1%s}' % ("1" * 4_301), encoding="utf-8")
    (folder / "link.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n")
    os.mkfifo(folder / "pipe.safetensors")
    (folder / "broken.safetensors").symlink_to(folder / "nothing")
    for number in range(40):
        data = making.header_file(numbers) if number % 2 else making.lora_file(numbers)
        (folder / f"{number}.safetensors").write_bytes(data)
        (folder / f"{number}.png").write_bytes(making.picture(numbers))
        ending, content = making.sidecar(numbers)
        (folder / f"{number}{ending}").write_bytes(content)
    yield folder
    shutil.rmtree(folder)


def test_no_file_takes_the_list_or_the_others_down(client: HostClient, hostile_files: Path) -> None:
    names = [name for name in client.get("/models/loras") if name.startswith("hostile")]
    assert len(names) > 40
    status, answer = ask(client, "GET", "/lora_rack/loras?limit=200")
    cards = {card["name"]: card for card in json.loads(answer)["cards"]}
    assert status == 200
    assert (
        "2^63" in cards["hostile/shape.safetensors"]["problem"]
        or cards["hostile/shape.safetensors"]["problem"]
    )
    assert cards[DEMO]["problem"] == ""
    for name in names:
        for path in ("info", "energy", "thumbnail"):
            query = urllib.parse.urlencode({"name": name})
            status, answer = ask(client, "GET", f"/lora_rack/{path}?{query}")
            assert status in (200, 400, 404), (path, name, answer[:300])
            if path != "thumbnail" and status != 404:
                json.loads(answer, parse_constant=pytest.fail)
