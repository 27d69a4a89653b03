"""Racks kept under names, over HTTP and in graphs: saved, used, changed, and by two pages at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

import numpy as np
import pytest
from graphs import FAMILIES, Graph, ours, pictures, texts

from tools.dev.host_client import HostClient, PromptRejected

Json = dict[str, Any]
SD3 = next(family for family in FAMILIES if family.name == "sd3")


@pytest.fixture(autouse=True)
def _no_racks(client: HostClient) -> Iterator[None]:
    yield
    for rack in client.get("/lora_rack/racks")["racks"]:
        client.post("/lora_rack/rack/delete", {"name": rack["name"], "version": rack["version"]})


def save(client: HostClient, name: str, text: str, version: str = "") -> Json:
    return dict(client.post("/lora_rack/rack/save", {"name": name, "text": text, "version": version}))


def refused(client: HostClient, path: str, body: Json) -> Json:
    with pytest.raises(HTTPError) as raised:
        client.post(f"/lora_rack/{path}", body)
    assert raised.value.code == 400
    return dict(json.load(raised.value)["error"])


def picture(client: HostClient, text: str) -> np.ndarray:
    graph = Graph()
    model, _ = SD3.load(graph)
    SD3.picture(graph, ours(graph, model, None, text)[0], None)
    return pictures(client, graph)[0]


def test_a_rack_is_kept_in_the_user_folder_as_text(client: HostClient, base: Path) -> None:
    text = "<lora:sd3/style_1:0.5>\n# a remark\n# <lora:sd3/style_2:1>"
    saved = save(client, "my portrait", text)
    assert (base / "user" / "lora_rack" / "racks" / "my portrait.txt").read_text(encoding="utf-8") == text
    assert client.get(f"/lora_rack/rack?{urlencode({'name': 'my portrait'})}") == saved
    assert saved["text"] == text
    (listed,) = client.get("/lora_rack/racks?query=portrait")["racks"]
    assert listed["loras"] == ["sd3/style_1", "sd3/style_2"]
    assert client.get("/lora_rack/racks?query=nothing")["racks"] == []
    moved = client.post(
        "/lora_rack/rack/rename", {"name": "my portrait", "to": "p", "version": saved["version"]}
    )
    assert (moved["name"], moved["text"]) == ("p", text)


def test_a_named_rack_paints_what_its_rows_paint_and_is_noticed_when_it_changes(client: HostClient) -> None:
    first = save(client, "p", "<lora:sd3/style_1:1>\n<rack:q:0.5>")
    save(client, "q", "<lora:sd3/style_2:1>")
    by_name = picture(client, "<rack:p:0.5>")
    assert np.array_equal(by_name, picture(client, "<lora:sd3/style_1:0.5>\n<lora:sd3/style_2:0.25>"))
    save(client, "p", "<lora:sd3/style_1:-1>", first["version"])
    changed = picture(client, "<rack:p:0.5>")
    assert np.array_equal(changed, picture(client, "<lora:sd3/style_1:-0.5>"))
    assert not np.array_equal(changed, by_name)


def test_a_prompt_may_name_one(client: HostClient) -> None:
    save(client, "p", "<lora:sd3/style_1:1>")
    graph = Graph()
    graph.show([graph.add("LoraRackPrompt", text="a lake <rack:p:0.5>, blue"), 0])
    assert texts(client, graph) == ["a lake, blue"]


def test_what_is_wrong_is_said_when_it_is_queued(client: HostClient) -> None:
    save(client, "p", "<lora:not_here:1>")
    graph = Graph()
    model, _ = SD3.load(graph)
    ours(graph, model, None, "<rack:nobody>\n# <rack:off>\n<lora:sd3/style_1:1>\n<rack:p>")
    SD3.picture(graph, [str(len(graph.nodes)), 0], None)
    with pytest.raises(PromptRejected) as raised:
        client.queue(graph.nodes)
    told = "\n".join(raised.value.lines())
    assert "line 1, column 1: no rack is called 'nobody'" in told
    assert "line 4, column 1: in the rack 'p', no LoRA is called 'not_here'" in told
    assert "off" not in told


def test_a_circle_names_its_chain(client: HostClient) -> None:
    save(client, "p", "<rack:q>")
    problem = refused(client, "rack/save", {"name": "q", "text": "<rack:p>", "version": ""})
    assert (problem["type"], problem["chain"]) == ("BadRackChain", ["p", "q", "p"])


def test_of_two_pages_that_save_at_once_one_is_told(client: HostClient) -> None:
    version = save(client, "p", "<lora:a:1>")["version"]

    def attempt(number: int) -> str:
        try:
            return str(save(client, "p", f"<lora:a:{number}>", version)["text"])
        except HTTPError as error:
            return str(json.load(error)["error"]["type"])

    with ThreadPoolExecutor(8) as pool:
        told = [*pool.map(attempt, range(2, 18))]
    assert told.count("RackChanged") == 15
    assert [text for text in told if text != "RackChanged"] == [client.get("/lora_rack/rack?name=p")["text"]]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"name": "../p", "text": "<lora:a:1>"}, "BadRackName"),
        ({"name": "p", "text": "no tag"}, "BadStackText"),
        ({"name": "p"}, "BadRequest"),
        ({"name": ["p"], "text": ""}, "BadRequest"),
        ({"name": "p", "text": "", "version": 3}, "BadRequest"),
        ({"name": "p", "text": "", "version": "0"}, "RackChanged"),
    ],
)
def test_a_bad_request_is_a_typed_error(client: HostClient, body: Json, kind: str) -> None:
    assert refused(client, "rack/save", body)["type"] == kind
    assert client.get("/lora_rack/racks")["racks"] == []


def test_the_page_reads_and_writes_such_rows(client: HostClient) -> None:
    save(client, "p", "<lora:sd3/style_1:1>")
    read = client.post("/lora_rack/parse", {"text": "<rack:p:0.8>\n# <rack:gone>"})["rows"]
    assert [(row["kind"], row["name"], row["strength"], row["enabled"]) for row in read] == [
        ("rack", "p", 0.8, True),
        ("rack", "gone", 1.0, False),
    ]
    read[0]["strength"] = 0.5
    assert client.post("/lora_rack/write", {"rows": read})["text"] == "<rack:p:0.5>\n# <rack:gone>"
    here, gone = client.post("/lora_rack/files", {"rows": read})["files"]
    assert (here["problem"], gone["problem"]["type"]) == (None, "MissingRack")
