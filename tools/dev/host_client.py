"""A small synchronous client of a running ComfyUI: queue a prompt, wait for it, fetch what it made.

HTTP is the standard library's. Progress needs websocket-client, which only the test tools bring; nothing else
here does. Prompts are in the API format: {node id: {"class_type": …, "inputs": {…}}}.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Prompt = Mapping[str, Mapping[str, Any]]
Json = dict[str, Any]

POLL_S = 0.05
SILENCE_S = 5.0


class HostError(Exception):
    """The host answered, and it was not what was asked for. Drawn on top of:

    HostError
    ├── PromptRejected     POST /prompt refused the prompt, or some of its outputs (node_errors)
    └── ExecutionFailed    a node raised while the prompt ran, or the run was interrupted
    """


class PromptRejected(HostError):
    """The prompt or a part of it was not valid. `node_errors` is the host's: {node id: {"errors": […]}}.

    When only some outputs were refused the host runs the others; then `prompt_id` names that run.
    """

    def __init__(self, message: str, node_errors: Json, prompt_id: str | None = None):
        self.message = message
        self.node_errors = node_errors
        self.prompt_id = prompt_id
        super().__init__("\n".join([message, *self.lines()]))

    def lines(self) -> list[str]:
        """One line for each thing the host found wrong."""
        return [
            f"node {node} ({errors.get('class_type', '?')}): {error['message']}: {error['details']}"
            for node, errors in self.node_errors.items()
            for error in errors["errors"]
        ]


class ExecutionFailed(HostError):
    """The run ended early. `report` is the host's execution_error (or execution_interrupted) message."""

    def __init__(self, kind: str, report: Json):
        self.kind = kind
        self.report = report
        self.node_id: str = report.get("node_id", "")
        self.node_type: str = report.get("node_type", "")
        self.exception_type: str = report.get("exception_type", "")
        self.message: str = report.get("exception_message", kind).strip()
        super().__init__(f"node {self.node_id} ({self.node_type}): {self.exception_type}: {self.message}")

    @property
    def was_interrupted(self) -> bool:
        return self.kind == "execution_interrupted"


@dataclass(frozen=True)
class Progress:
    """How far one node is: step `value` of `maximum`."""

    node: str
    value: int
    maximum: int


@dataclass(frozen=True)
class SavedFile:
    """A file a prompt left on the host, as `view` takes it."""

    filename: str
    subfolder: str
    type: str


class HostClient:
    """One client of the host at `address` ("127.0.0.1:8188")."""

    def __init__(self, address: str, *, timeout_s: float = 60.0):
        self.address = address
        self.client_id = uuid.uuid4().hex
        self._timeout_s = timeout_s

    def queue(self, prompt: Prompt, **extra: Any) -> str:
        """Queue a prompt and return its id; raises PromptRejected, also when only a part was refused.

        `extra` goes into the body of POST /prompt beside the prompt (extra_data, front, …).
        """
        body = {"prompt": prompt, "client_id": self.client_id, **extra}
        try:
            answer = self.post("/prompt", body)
        except urllib.error.HTTPError as error:
            refused = _body_of(error)
            if error.code != 400 or "error" not in refused:
                raise
            what = ": ".join(filter(None, (refused["error"]["message"], refused["error"]["details"])))
            raise PromptRejected(what, refused["node_errors"]) from None
        if answer.get("node_errors"):
            raise PromptRejected("some outputs were refused", answer["node_errors"], answer["prompt_id"])
        return str(answer["prompt_id"])

    def run(
        self,
        prompt: Prompt,
        on_progress: Callable[[Progress], None] | None = None,
        *,
        limit_s: float = 600.0,
    ) -> Json:
        """Queue a prompt, wait until it has run and return its history entry ({"outputs": …, "status": …}).

        Raises PromptRejected, ExecutionFailed, or TimeoutError after `limit_s`.
        """
        if on_progress is None:
            return self.wait(self.queue(prompt), limit_s=limit_s)
        socket = self._open_socket()
        try:
            prompt_id = self.queue(prompt)
            for event in self._events(socket, prompt_id, limit_s):
                on_progress(event)
        finally:
            socket.close()
        return self.wait(prompt_id, limit_s=limit_s)

    def wait(self, prompt_id: str, *, limit_s: float = 600.0) -> Json:
        """The history entry of a queued prompt, once it has run; raises ExecutionFailed or TimeoutError."""
        limit = time.monotonic() + limit_s
        while True:
            entry: Json | None = self.get(f"/history/{prompt_id}").get(prompt_id)
            if entry is not None:
                break
            if time.monotonic() > limit:
                raise TimeoutError(f"prompt {prompt_id} did not end within {limit_s:.0f} s")
            time.sleep(POLL_S)
        for kind, report in entry["status"]["messages"]:
            if kind in ("execution_error", "execution_interrupted"):
                raise ExecutionFailed(kind, report)
        return entry

    def view(self, filename: str, subfolder: str = "", type: str = "output") -> bytes:
        """The content of a file the host keeps in its output, input or temp folder."""
        query = urllib.parse.urlencode({"filename": filename, "subfolder": subfolder, "type": type})
        return self._open("/view?" + query)

    def object_info(self, node: str) -> Json:
        """The host's description of a node class; raises HostError when it has no such class."""
        found: Json = self.get("/object_info/" + urllib.parse.quote(node))
        if node not in found:
            raise HostError(f"the host has no node {node}")
        description: Json = found[node]
        return description

    def system_stats(self) -> Json:
        return self.get("/system_stats")

    def version(self) -> str:
        """The host's own version, such as 0.3.75."""
        return str(self.system_stats()["system"]["comfyui_version"])

    def interrupt(self) -> None:
        """Stop what is running; its `run` or `wait` raises ExecutionFailed."""
        self.post("/interrupt", {})

    def free(self) -> None:
        """Unload every model and drop every cached result."""
        self.post("/free", {"unload_models": True, "free_memory": True})

    def upload(
        self, filename: str, data: bytes, *, subfolder: str = "", type: str = "input", overwrite: bool = True
    ) -> SavedFile:
        """Put a picture into the host's input (or temp) folder; returns where it is."""
        border = uuid.uuid4().hex
        fields = {"subfolder": subfolder, "type": type, "overwrite": "true" if overwrite else "false"}
        parts = [
            f'--{border}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        ]
        head = f'--{border}\r\nContent-Disposition: form-data; name="image"; filename="{filename}"\r\n'
        parts.append(head + "Content-Type: application/octet-stream\r\n\r\n")
        body = "".join(parts).encode() + data + f"\r\n--{border}--\r\n".encode()
        answer = json.loads(self._open("/upload/image", body, f"multipart/form-data; boundary={border}"))
        return SavedFile(answer["name"], answer["subfolder"], answer["type"])

    def get(self, path: str) -> Any:
        """GET `path` and read the answer as JSON; raises urllib.error.HTTPError."""
        return json.loads(self._open(path))

    def post(self, path: str, body: Any) -> Any:
        """POST `body` as JSON and read the answer as JSON ({} when empty); raises urllib.error.HTTPError."""
        answer = self._open(path, json.dumps(body).encode(), "application/json")
        return json.loads(answer) if answer.strip() else {}

    def _open(self, path: str, data: bytes | None = None, content_type: str | None = None) -> bytes:
        headers = {"Content-Type": content_type} if content_type else {}
        request = urllib.request.Request(f"http://{self.address}{path}", data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:
            content: bytes = answer.read()
        return content

    def _open_socket(self) -> Any:
        import websocket

        address = f"ws://{self.address}/ws?clientId={self.client_id}"
        return websocket.create_connection(address, timeout=SILENCE_S)

    def _events(self, socket: Any, prompt_id: str, limit_s: float) -> Iterator[Progress]:
        """The progress of one prompt until it ends, however it ends."""
        import websocket

        limit = time.monotonic() + limit_s
        while time.monotonic() < limit:
            try:
                message = socket.recv()
            except websocket.WebSocketTimeoutException:
                continue  # a node that says nothing for long, such as one that loads a model
            if not isinstance(message, str):
                continue  # a preview picture
            event = json.loads(message)
            kind, data = event["type"], event["data"]
            if data.get("prompt_id") != prompt_id:
                continue
            if kind == "progress":
                yield Progress(data["node"], data["value"], data["max"])
            elif kind in ("execution_success", "execution_error", "execution_interrupted"):
                return


def saved_files(entry: Json) -> list[SavedFile]:
    """Every picture a history entry lists, in the order of its nodes."""
    return [
        SavedFile(image["filename"], image["subfolder"], image["type"])
        for output in entry["outputs"].values()
        for image in output.get("images", [])
    ]


def execution_seconds(entry: Json) -> float:
    """How long the host took over a prompt, by its own clock."""
    times = {kind: report["timestamp"] for kind, report in entry["status"]["messages"]}
    return (times["execution_success"] - times["execution_start"]) / 1000


def _body_of(error: urllib.error.HTTPError) -> Json:
    try:
        content = json.loads(error.read())
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
