"""What the page asks the server: lists, texts, rows, pictures; and that nothing else can be had."""

from __future__ import annotations

import io
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tools.dev.host_client import HostClient
from tools.dev.host_server import HostServer
from tools.dev.layout import PACK, this_checkout

DEMO = "add_detail.safetensors"


def _get(client: HostClient, path: str, **query: object) -> Any:
    return client.get(f"/lora_rack/{path}?{urllib.parse.urlencode(query)}")


def _post(client: HostClient, path: str, **body: object) -> Any:
    return client.post(f"/lora_rack/{path}", body)


def _error(refused: pytest.ExceptionInfo[urllib.error.HTTPError]) -> Any:
    assert refused.value.code == 400
    return json.loads(refused.value.read())["error"]


def _raw(client: HostClient, path: str, **query: object) -> tuple[bytes, str]:
    url = f"http://{client.address}/lora_rack/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read(), answer.headers["Content-Type"]


def test_an_installed_pack_says_its_version(client: HostClient, server: HostServer) -> None:
    stated = re.search(r'(?m)^version = "(.+)"$', (this_checkout().root / "pyproject.toml").read_text())
    assert stated is not None
    assert _get(client, "about") == {"name": "LoRA Rack", "version": stated[1]}
    assert f"LoRA Rack {stated[1]}\n" in server.log_text()


def test_what_the_page_loads_later_is_a_script_that_no_cache_keeps_unasked(client: HostClient) -> None:
    url = f"http://{client.address}/extensions/{PACK}/picker/picker.mjs"
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.headers.get_content_type() == "text/javascript"
        assert answer.headers["Cache-Control"] == "no-cache"
        tag = answer.headers["ETag"]
    again = urllib.request.Request(url, headers={"If-None-Match": tag})
    with pytest.raises(urllib.error.HTTPError) as unchanged:
        urllib.request.urlopen(again, timeout=30)
    assert unchanged.value.code == 304
    assert unchanged.value.headers["Cache-Control"] == "no-cache"
    assert not [path for path in client.get("/extensions") if path.endswith(".mjs")]


def test_the_list_comes_in_pages_in_the_hosts_order(client: HostClient) -> None:
    names = client.get("/models/loras")
    first = _get(client, "loras", limit=2)
    second = _get(client, "loras", offset=2, limit=2)
    assert first["total"] == len(names)
    assert [card["name"] for card in first["cards"] + second["cards"]] == names[:4]


def test_a_search_finds_letters_in_any_order_of_terms(client: HostClient) -> None:
    found = _get(client, "loras", query="detl add")
    assert [card["name"] for card in found["cards"]] == [DEMO]
    assert _get(client, "loras", query="no such lora anywhere") == {"total": 0, "offset": 0, "cards": []}


def test_info_holds_the_metadata(client: HostClient) -> None:
    info = _get(client, "info", name="add_detail")
    assert info["name"] == DEMO
    assert info["size"] > 0
    assert info["metadata"]["modelspec.title"] == info["title"]


@pytest.mark.parametrize(
    "name",
    [
        "../checkpoints/rack_demo.safetensors",
        "/etc/passwd",
        "..\\..\\x",
        "C:\\x.safetensors",
        "%2e%2e/x",
        "a\0b",
    ],
)
@pytest.mark.parametrize("path", ["info", "thumbnail"])
def test_names_that_are_not_listed_reach_no_file(client: HostClient, name: str, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        _raw(client, path, name=name)
    assert refused.value.code == (400 if path == "info" else 404)


def test_a_thumbnail_is_a_small_webp_of_the_preview_beside_the_file(client: HostClient, loras: Path) -> None:
    preview = loras / "add_detail.preview.png"
    Image.new("RGB", (900, 600), "teal").save(preview)
    try:
        data, kind = _raw(client, "thumbnail", name=DEMO)
        assert kind == "image/webp"
        assert Image.open(io.BytesIO(data)).size == (256, 171)
        preview.write_bytes(b"<svg onload=alert(1)>")
        with pytest.raises(urllib.error.HTTPError) as refused:
            _raw(client, "thumbnail", name=DEMO)
        assert _error(refused)["type"] == "BrokenFile"
    finally:
        preview.unlink()
    with pytest.raises(urllib.error.HTTPError) as missing:
        _raw(client, "thumbnail", name=DEMO)
    assert missing.value.code == 404


def test_rows_of_a_text_are_written_back_as_the_same_text(client: HostClient) -> None:
    lines = [
        "<lora:a:0.8>",
        "# a remark",
        "# <lora:b:unet=0.5:te=0.25>",
        "<lora:c:1:start=0.2:stop=0.7:hash=3f2a91c0de>",
    ]
    rows = _post(client, "parse", text="\n".join(lines))["rows"]
    assert [row["text"] for row in rows] == lines
    assert [row["kind"] for row in rows] == ["entry", "comment", "entry", "entry"]
    written = _post(client, "write", rows=rows)
    assert written == {"rows": rows, "text": "\n".join(lines)}
    changed = {**rows[0], "strength_model": 0.4, "enabled": False, "blocks": "IN04-08=0.5"}
    (row,) = _post(client, "write", rows=[changed])["rows"]
    assert row["text"] == "# <lora:a:unet=0.4:te=0.8:lbw=IN04-08=0.5>"


def test_a_bad_text_is_an_error_with_its_place(client: HostClient) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        _post(client, "parse", text="<lora:a:1>\n<lora:b:much>")
    error = _error(refused)
    assert (error["type"], error["line"], error["column"]) == ("BadStackText", 2, 9)


def test_a_prompt_gives_its_tags(client: HostClient) -> None:
    rows = _post(client, "parse", text="a lake <lora:a:0.5>, (mist:1.2) <3 <lora:b:1>", anywhere=True)["rows"]
    assert [row["text"] for row in rows] == ["<lora:a:0.5>", "<lora:b:1>"]


def test_files_of_rows_or_why_there_is_none(client: HostClient) -> None:
    rows = _post(client, "parse", text="<lora:add_detail:1>\n# remark\n<lora:add_detial:1>")["rows"]
    found, remark, missing = _post(client, "files", rows=rows)["files"]
    assert found["card"]["name"] == DEMO
    assert remark == {"card": None, "problem": None}
    assert missing["problem"]["type"] == "MissingLora"
    assert DEMO in missing["problem"]["candidates"]


ROW = {"kind": "entry", "name": "a"}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("text", "rows must be a list"),
        ([ROW, {"kind": "row"}], "row 2: kind is 'row'"),
        ([{"kind": "entry"}], "row 1: 'name' is missing"),
        ([{**ROW, "strength_model": "1"}], "row 1: strength_model is '1'"),
        ([{**ROW, "strength_model": True}], "row 1: strength_model is True"),
        ([{**ROW, "enabled": 1}], "row 1: enabled is 1"),
        ([{**ROW, "start": 2}], "row 1:"),
        ([{**ROW, "name": "a>b"}], "cannot be part of a tag"),
        ([{**ROW, "blocks": "IN99-="}], "block weights"),
        ([7], "row 1:"),
    ],
)
def test_bad_rows_say_what_is_wrong(client: HostClient, rows: object, said: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        _post(client, "write", rows=rows)
    assert said in _error(refused)["message"]


def test_a_form_of_another_site_is_no_question(client: HostClient) -> None:
    request = urllib.request.Request(
        f"http://{client.address}/lora_rack/parse", b'{"text": ""}', {"Content-Type": "text/plain"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)
    assert "must be JSON" in _error(refused)["message"]


@pytest.mark.parametrize("query", ["offset=-1", "offset=x", "limit=99999999999"])
def test_bad_numbers_are_refused(client: HostClient, query: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        client.get(f"/lora_rack/loras?{query}")
    assert "must be a whole number" in _error(refused)["message"]


def test_an_apply_node_says_what_became_of_each_row(client: HostClient) -> None:
    from graphs import Graph, load_demo, ours

    graph = Graph()
    model, clip, _ = load_demo(graph)
    _, _, report = ours(graph, model, clip, "<lora:add_detail:0.8>\n<lora:night_words:0>")
    graph.show(report)
    outputs = client.run(graph.nodes)["outputs"]
    (verdicts,) = [output["lora_rack"] for output in outputs.values() if "lora_rack" in output]
    assert [(verdict["name"], verdict["state"]) for verdict in verdicts] == [(DEMO, "ok")]


@pytest.mark.parametrize(
    ("name", "said"), [("ratio 3:2.safetensors", "cannot be part of a tag"), ("odd ", "spaces")]
)
def test_a_row_that_cannot_be_written_keeps_no_other_out(client: HostClient, name: str, said: str) -> None:
    rows = [{**ROW, "strength_model": 0.5, "strength_clip": 0.5}, {**ROW, "name": name}, {**ROW, "name": "b"}]
    written = _post(client, "write", rows=rows)
    assert written["text"] == "<lora:a:0.5>\n<lora:b:1>"
    assert [row["text"] for row in written["rows"]] == ["<lora:a:0.5>", "", "<lora:b:1>"]
    assert said in written["rows"][1]["problem"]["message"]
    alone = _post(client, "write", rows=[{**ROW, "name": name}], partial=True)
    assert alone["text"] == ""
    assert said in alone["rows"][0]["problem"]["message"]


def test_tags_of_a_prompt_say_what_they_mean_and_where(client: HostClient) -> None:
    tags = ["<lora:add_detail:0.3:.8>", "<lora:gone😀 :unet=2>", "<lora:add_detail:much>", "<lora:add_detail"]
    fine, missing, wrong, cut = _post(client, "tags", tags=tags)["tags"]
    assert (fine["card"]["name"], fine["name"], fine["strengths"]) == (DEMO, [6, 16], [[17, 20], [21, 23]])
    assert (fine["row"]["strength_model"], fine["row"]["strength_clip"], fine["problem"]) == (0.8, 0.3, None)
    assert (missing["name"], missing["strengths"]) == (
        [6, 12],
        [[19, 20]],
    )  # a smile is two of JavaScript's letters
    assert (missing["card"], missing["problem"]["type"]) == (None, "MissingLora")
    assert (wrong["row"], wrong["problem"]["column"]) == (None, 18)
    assert cut["problem"]["type"] == "BadStackText"


@pytest.mark.parametrize("tags", [None, "<lora:a:1>", [1], ["<lora:a:1>"] * 1001])
def test_what_is_no_list_of_tags_is_refused(client: HostClient, tags: object) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        _post(client, "tags", tags=tags)
    assert _error(refused)["type"] == "BadRequest"


def test_a_prompt_loses_the_tags_at_some_places_and_nothing_else(client: HostClient) -> None:
    text = "😀 <lora:add_detail:0.8>, a lake <lora:much:x>"
    left = _post(client, "untag", text=text, starts=[3])
    assert left["text"] == "😀, a lake <lora:much:x>"
    assert [row["text"] for row in left["rows"]] == ["<lora:add_detail:0.8>"]
    assert _post(client, "untag", text=text, starts=[])["text"] == text


@pytest.mark.parametrize(
    "body", [{"starts": [1]}, {"text": "a", "starts": "1"}, {"text": "a", "starts": [True]}]
)
def test_what_is_no_prompt_or_no_place_in_it_is_refused(client: HostClient, body: dict[str, object]) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        _post(client, "untag", **body)
    assert _error(refused)["type"] == "BadRequest"
