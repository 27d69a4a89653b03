"""LoRAs that are not here, got through the server: looked up, brought, stopped, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from fake_sites import CONTENT, MODEL, SHA256, VERSION, Fakes, Fault
from raw_requests import ask

from tools.dev.host_client import HostClient

Json = dict[str, Any]
HASH = f"hash={SHA256[:10]}"


@pytest.fixture(autouse=True)
def _clean(client: HostClient, sites: Fakes, loras: Path) -> Iterator[None]:
    sites.asked.clear()
    yield
    sites.fault = Fault()
    for job in jobs(client):
        if job["state"] in ("waiting", "coming"):
            post(client, "cancel", id=job["id"])
        post(client, "forget", id=job["id"])
    for file in (*loras.glob("Ink Wash*"), *loras.glob(".Ink Wash*")):
        file.unlink()


def jobs(client: HostClient) -> list[Json]:
    return list(client.get("/lora_rack/get/jobs")["jobs"])


def post(client: HostClient, what: str, **body: Any) -> Json:
    return dict(client.post(f"/lora_rack/get/{what}", body))


def refused(client: HostClient, what: str, **body: Any) -> Json:
    with pytest.raises(HTTPError) as raised:
        post(client, what, **body)
    assert raised.value.code == 400
    return dict(json.load(raised.value)["error"])


def wait(client: HostClient, job: Json, is_it: Callable[[Json], bool]) -> Json:
    """By the events that the page gets; the list of jobs says what went before."""
    socket = client._open_socket()
    try:
        socket.settimeout(30)
        while True:
            (now,) = [known for known in jobs(client) if known["id"] == job["id"]]
            if is_it(now):
                return now
            while True:
                said = socket.recv()
                if isinstance(said, str) and json.loads(said)["type"] == "lora_rack_get":
                    break
    finally:
        socket.close()


def has_ended(job: Json) -> bool:
    return job["state"] not in ("waiting", "coming")


def test_before_a_byte_comes_the_page_is_told_what_it_is(client: HostClient, sites: Fakes) -> None:
    references = [HASH, f"civitai:{MODEL}@{VERSION}", "hash=" + "1" * 10, "nonsense"]
    by_hash, by_number, nobody, nonsense = post(client, "look_up", references=references)["offers"]
    assert by_hash["asked"] == HASH
    assert by_hash["offer"]["size"] == len(CONTENT)
    assert by_hash["offer"]["family"] == "SDXL"
    assert by_hash["offer"]["claims_it"] is True
    assert {"selling the file", "sharing merges"} & {*by_hash["offer"]["forbids"]}
    assert by_number["offer"]["claims_it"] is None
    assert (nobody["offer"], nobody["problem"]["type"]) == (None, "NotOffered")
    assert nonsense["problem"]["type"] == "BadReference"
    assert sites.paths("store") == []


def test_answers_are_kept(client: HostClient, sites: Fakes) -> None:
    post(client, "look_up", references=[HASH])
    sites.asked.clear()
    assert post(client, "look_up", references=[HASH])["offers"][0]["offer"]["name"] == "Ink Wash.safetensors"
    assert sites.asked == []


def test_a_missing_row_is_got_and_is_a_file_then(client: HostClient, sites: Fakes, loras: Path) -> None:
    row = client.post("/lora_rack/parse", {"text": f"<lora:wash:0.8:{HASH}>"})["rows"]
    (missing,) = client.post("/lora_rack/files", {"rows": row})["files"]
    # The second where files of other tests are not all hashed yet: one of them might be it.
    assert missing["problem"]["type"] in ("MissingLora", "SearchUnfinished")
    assert sites.asked == [], "nothing is asked before a person does"
    done = wait(client, post(client, "start", reference=HASH), has_ended)
    assert (done["state"], done["path"]) == ("done", str(loras / "Ink Wash.safetensors"))
    assert (loras / "Ink Wash.safetensors").read_bytes() == CONTENT
    (found,) = client.post("/lora_rack/files", {"rows": row})["files"]
    assert found["card"]["name"] == "Ink Wash.safetensors"


def test_a_download_is_stopped_and_goes_on(client: HostClient, sites: Fakes, loras: Path) -> None:
    sites.fault = Fault(cuts=[100] * 10**4)
    job = post(client, "start", reference=HASH)
    assert post(client, "start", reference=HASH)["id"] == job["id"]
    wait(client, job, lambda now: now["received"] > 0)
    assert refused(client, "forget", id=job["id"])["type"] == "BadRequest"
    assert post(client, "cancel", id=job["id"])["state"] == "cancelled"
    assert not (loras / "Ink Wash.safetensors").exists()
    sites.fault = Fault()
    again = wait(client, post(client, "start", reference=HASH), has_ended)
    if again["state"] == "failed":  # the stopped one had not let go of its part yet
        again = wait(client, post(client, "start", reference=HASH), has_ended)
    assert again["state"] == "done"


@pytest.mark.parametrize(
    ("what", "body", "kind"),
    [
        ("start", {"reference": HASH, "folder": "/tmp"}, "BadRequest"),
        ("start", {"reference": HASH, "folder": "../loras"}, "BadRequest"),
        ("start", {"reference": "https://example.org/x.safetensors"}, "BadReference"),
        ("start", {"reference": 3}, "BadRequest"),
        ("start", {}, "BadRequest"),
        ("look_up", {"references": "x"}, "BadRequest"),
        ("look_up", {"references": ["x"] * 1000}, "BadRequest"),
        ("cancel", {"id": "nobody"}, "BadRequest"),
        ("forget", {"id": None}, "BadRequest"),
    ],
)
def test_a_bad_request_asks_no_site(
    client: HostClient, sites: Fakes, what: str, body: Json, kind: str
) -> None:
    assert refused(client, what, **body)["type"] == kind
    assert sites.asked == []
    assert jobs(client) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Content-Type": "text/plain"},
    ],
)
def test_the_page_of_another_server_cannot_make_this_one_download(
    client: HostClient, sites: Fakes, headers: dict[str, str]
) -> None:
    body = json.dumps({"reference": HASH}).encode()
    given = {"Content-Type": "application/json", **headers}
    status, _ = ask(client, "POST", "/lora_rack/get/start", body, **given)
    assert status in (400, 403)
    assert sites.asked == []
    assert jobs(client) == []


def test_its_own_page_may(client: HostClient) -> None:
    body = json.dumps({"reference": HASH}).encode()
    own = {"Content-Type": "application/json", "Origin": f"http://{client.address}"}
    status, answer = ask(client, "POST", "/lora_rack/get/start", body, **own)
    assert status == 200, answer
    assert wait(client, json.loads(answer), has_ended)["state"] == "done"
