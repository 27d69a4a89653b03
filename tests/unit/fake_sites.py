"""Fakes of Civitai and of Hugging Face: no machine of this project reaches the real ones.

`fake_civitai` answers as https://developer.civitai.com/site/reference/ documents (model-versions, models),
`fake_hub` as huggingface_hub's own client asks (`/api/models/REPO/revision/REV?blobs=true`, `/resolve/`).
Bytes come from a third server, as with the real ones, which redirect to a store. A `Fault` says what goes
wrong.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import torch
from safetensors.torch import save

from lora_core.fetching import Answers, ByHash, Civitai, Fetched, Fetcher, HuggingFace

MODEL, VERSION = 4711, 815
TOKEN = "sesame"

_LAYER = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
CONTENT = save(
    {
        f"{_LAYER}.lora_down.weight": torch.arange(64.0).view(2, 32),
        f"{_LAYER}.lora_up.weight": torch.ones(8, 2),
    }
)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
IT = ByHash(SHA256[:10])


@dataclass
class Fault:
    """What a server does wrong; by default nothing."""

    cuts: list[int] = field(default_factory=list)  # close the connection after so many bytes of an answer
    status: int = 0  # answer the bytes with this status
    times: int = 10**6  # how often
    retry_after: str = ""
    ignores_ranges: bool = False
    no_length: bool = False
    body: bytes | None = None  # instead of the file
    content_type: str = "application/octet-stream"
    sha256: str | None = None  # a wrong promise
    needs_token: bool = False


@dataclass
class Asked:
    """One request a server saw."""

    server: str
    path: str
    authorization: str | None
    range: str | None


@dataclass
class Fakes:
    """Both sites and their store, on loopback."""

    content: bytes
    fault: Fault
    name: str = "Ink Wash.safetensors"
    asked: list[Asked] = field(default_factory=list)
    urls: dict[str, str] = field(default_factory=dict)
    in_flight: int = 0
    most_in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def paths(self, server: str) -> list[str]:
        return [asked.path for asked in self.asked if asked.server == server]

    def version(self) -> dict[str, Any]:
        digest = self.fault.sha256 or self.sha256
        return {
            "id": VERSION,
            "modelId": MODEL,
            "name": "v1",
            "baseModel": "SDXL 1.0",
            "trainedWords": ["ink wash", "brush"],
            "model": {"name": "Ink Wash", "type": "LORA", "nsfw": False, "poi": False},
            "files": [
                {
                    "id": 1,
                    "name": "training.zip",
                    "type": "Training Data",
                    "sizeKB": 1,
                    "downloadUrl": self.urls["civitai"] + "/api/download/models/815?type=Training%20Data",
                },
                {
                    "id": 2,
                    "name": self.name,
                    "type": "Model",
                    "sizeKB": len(self.content) / 1024,
                    "metadata": {"format": "SafeTensor"},
                    "hashes": {"SHA256": digest.upper(), "AutoV2": digest[:10].upper()},
                    "downloadUrl": self.urls["civitai"] + "/api/download/models/815",
                    "primary": True,
                },
            ],
            "images": [{"url": self.urls["store"] + "/picture", "nsfwLevel": 1, "type": "image"}],
        }

    def model(self) -> dict[str, Any]:
        return {
            "id": MODEL,
            "name": "Ink Wash",
            "type": "LORA",
            "allowCommercialUse": ["Image"],
            "allowDerivatives": False,
            "allowDifferentLicense": True,
            "allowNoCredit": True,
            "modelVersions": [self.version()],
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fakes: Fakes
    kind: str

    def log_message(self, format: str, *args: object) -> None:
        return

    def do_GET(self) -> None:
        fakes = self.fakes
        with fakes.lock:
            fakes.asked.append(
                Asked(self.kind, self.path, self.headers.get("Authorization"), self.headers.get("Range"))
            )
            fakes.in_flight += 1
            fakes.most_in_flight = max(fakes.most_in_flight, fakes.in_flight)
        try:
            with contextlib.suppress(ConnectionError):
                getattr(self, f"_{self.kind}")(urlsplit(self.path).path)
        finally:
            with fakes.lock:
                fakes.in_flight -= 1

    def _civitai(self, path: str) -> None:
        fakes = self.fakes
        if path.startswith("/api/v1/model-versions/by-hash/"):
            wanted = path.rpartition("/")[2].lower()
            self._json(fakes.version() if fakes.sha256.startswith(wanted) else None)
        elif path == f"/api/v1/model-versions/{VERSION}":
            self._json(fakes.version())
        elif path == f"/api/v1/models/{MODEL}":
            self._json(fakes.model())
        elif path.startswith("/api/download/models/"):
            self._redirect()
        else:
            self._json(None)

    def _hub(self, path: str) -> None:
        fakes = self.fakes
        if path.startswith("/api/models/artist/ink"):
            lfs = {"sha256": fakes.sha256, "size": len(fakes.content), "pointerSize": 135}
            file = {
                "rfilename": "ink.safetensors",
                "size": len(fakes.content),
                "blobId": "1" * 40,
                "lfs": lfs,
            }
            readme = {"rfilename": "README.md", "size": 3, "blobId": "2" * 40}
            card = {"license": "cc-by-nc-4.0", "base_model": "black-forest-labs/FLUX.1-dev"}
            answer = {"id": "artist/ink", "sha": "a" * 40, "siblings": [readme, file], "cardData": card}
            self._json({**answer, "instance_prompt": "", "tags": [], "downloads": 0, "likes": 0})
        elif path.startswith("/artist/ink/resolve/"):
            self._redirect()
        else:
            self._json(None, {"X-Error-Code": "RepoNotFound"})

    def _redirect(self) -> None:
        fault = self.fakes.fault
        if fault.needs_token and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._bytes(b"{}", 401, "application/json")
            return
        self.send_response(302)
        self.send_header("Location", self.fakes.urls["store"] + "/file")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _store(self, path: str) -> None:
        fault, fakes = self.fakes.fault, self.fakes
        if path == "/picture":
            self._bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 64, 200, "image/png")
        elif fault.status and fault.times > 0:
            fault.times -= 1
            self._bytes(b"no", fault.status, "text/plain")
        else:
            self._file(fakes.content if fault.body is None else fault.body)

    def _file(self, content: bytes) -> None:
        fault = self.fakes.fault
        wanted = self.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and not fault.ignores_ranges else 0
        if start >= len(content):
            self._bytes(b"", 416, "text/plain")
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", fault.content_type)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if fault.no_length:
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        piece = content[start:]
        if fault.cuts:
            self.wfile.write(piece[: fault.cuts.pop(0)])
            self.close_connection = True
        else:
            self.wfile.write(piece)

    def _json(self, value: Any, headers: dict[str, str] | None = None) -> None:
        status = 404 if value is None else 200
        self._bytes(json.dumps(value or {"error": "not found"}).encode(), status, "application/json", headers)

    def _bytes(self, body: bytes, status: int, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.fakes.fault.retry_after and status in (429, 503):
            self.send_header("Retry-After", self.fakes.fault.retry_after)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def fake_sites(content: bytes, fault: Fault | None = None) -> Iterator[Fakes]:
    """The three servers on free ports of loopback, stopped afterwards."""
    fakes = Fakes(content, fault or Fault())
    servers = []
    for kind in ("civitai", "hub", "store"):
        handler = type(f"_{kind}", (_Handler,), {"fakes": fakes, "kind": kind})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        fakes.urls[kind] = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
    try:
        yield fakes
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


@contextmanager
def sites_of_a_server() -> Iterator[Fakes]:
    """Both sites, for servers that are started meanwhile: they find them by their environment."""
    with fake_sites(CONTENT) as fakes, pytest.MonkeyPatch.context() as environment:
        environment.setenv("LORA_RACK_CIVITAI", fakes.urls["civitai"])
        environment.setenv("HF_ENDPOINT", fakes.urls["hub"])
        yield fakes


def fetcher_of(fakes: Fakes, token: str = "", answers: Answers | None = None) -> Fetcher:
    """A fetcher that asks the fakes."""
    sites = [Civitai(token, fakes.urls["civitai"]), HuggingFace(token, fakes.urls["hub"])]
    return Fetcher(sites, answers or Answers(None))


def get(fakes: Fakes, folder: Path, token: str = "", reference: Any = IT, **options: Any) -> Fetched:
    """The file a reference means, in a folder."""
    fetcher = fetcher_of(fakes, token)
    offer = fetcher.look_up(reference)
    return fetcher.fetch(offer, folder, lambda done, total: None, wait=lambda seconds: None, **options)
