"""The real ComfyUI as a child process: started on a free loopback port, waited for, always stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from tools.dev.interpreters import clean_environment
from tools.dev.layout import PACK
from tools.dev.steps import last_lines

START_LIMIT_S = 180.0
STOP_GRACE_S = 8.0
LOOPBACK = "127.0.0.1"

# How the host reports a custom node it could not import (nodes.py: load_custom_node and its summary).
_FAILED = ("Cannot import", "IMPORT FAILED")


class ServerFailed(Exception):
    """The host did not start, died, or could not import the pack; the message holds the end of its log."""


def free_port() -> int:
    """A loopback port that is free now. The host can choose one itself, but then never says which."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


class HostServer:
    """A ComfyUI with only this pack, for the length of a `with` block.

    `source` is the folder of its main.py, `python` the interpreter that runs it, `base` the folder it works
    in (tools/dev/base_folder.py makes one) and `log` the file its output goes to.
    """

    def __init__(
        self,
        source: Path,
        python: Path,
        base: Path,
        log: Path,
        *,
        on_cpu: bool = True,
        port: int | None = None,
        arguments: Sequence[str] = (),
        start_limit_s: float = START_LIMIT_S,
        stand_ins: Path | None = None,
    ):
        self.source = source
        self.python = python
        self.base = base
        self.log = log
        self.port = port or free_port()
        self._on_cpu = on_cpu
        self._arguments = tuple(arguments)
        self._start_limit_s = start_limit_s
        self._lent = {"PYTHONPATH": str(stand_ins)} if stand_ins else {}
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def from_environment(
        cls, log: Path, *, base: Path | None = None, arguments: Sequence[str] = ()
    ) -> HostServer:
        """In a test process: the host that `dev.py test` chose (RACK_HOST_DIR, RACK_BASE_DIR, …)."""
        try:
            source, chosen_base = Path(os.environ["RACK_HOST_DIR"]), Path(os.environ["RACK_BASE_DIR"])
        except KeyError as missing:
            raise ServerFailed(
                f"{missing.args[0]} is not set; run this through: python3 dev.py test api"
            ) from None
        on_cpu = os.environ.get("RACK_CPU", "1") == "1"
        lent = os.environ.get("RACK_STAND_INS")
        return cls(
            source,
            Path(sys.executable),
            base or chosen_base,
            log,
            on_cpu=on_cpu,
            arguments=arguments,
            stand_ins=Path(lent) if lent else None,
        )

    @property
    def address(self) -> str:
        """host:port, as a HostClient takes it."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def __enter__(self) -> HostServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def command(self) -> list[str]:
        """The command line of the host."""
        words = [str(self.python), "main.py", "--base-directory", str(self.base)]
        words += ["--listen", LOOPBACK, "--port", str(self.port), "--disable-auto-launch"]
        words += ["--disable-api-nodes", "--database-url", "sqlite:///:memory:"]
        words += ["--disable-all-custom-nodes", "--whitelist-custom-nodes", PACK]
        if self._on_cpu:
            words.append("--cpu")
        return [*words, *self._arguments]

    def start(self, on_wait: Callable[[], None] | None = None) -> None:
        """Start and wait until it answers, calling `on_wait` meanwhile.

        Raises ServerFailed, and leaves nothing running then.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as out:
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.source,
                env=clean_environment(PYTHONUNBUFFERED="1", **self._lent),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                # A group of its own: Ctrl-C reaches us alone, and stopping reaches all that the host started.
                start_new_session=sys.platform != "win32",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        try:
            self._wait_until_ready(on_wait or _nothing)
            self._require_pack()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the host and whatever it started; a second call does nothing."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            _signal_group(process, signal.SIGTERM)
            try:
                process.wait(timeout=STOP_GRACE_S)
            except subprocess.TimeoutExpired:
                _signal_group(process, getattr(signal, "SIGKILL", signal.SIGTERM))
                process.wait()

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log_text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def _wait_until_ready(self, on_wait: Callable[[], None]) -> None:
        limit = time.monotonic() + self._start_limit_s
        while time.monotonic() < limit:
            if not self.is_running():
                status = self._process.returncode if self._process else None
                raise ServerFailed(self._with_log_end(f"the host ended with status {status} while starting"))
            if self._answers():
                return
            on_wait()
            time.sleep(0.2)
        raise ServerFailed(self._with_log_end(f"the host did not answer within {self._start_limit_s:.0f} s"))

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/system_stats", timeout=5) as answer:
                json.load(answer)
        except (urllib.error.URLError, OSError, ValueError):
            return False
        return True

    def _require_pack(self) -> None:
        text = self.log_text()
        # Not the name alone: the checkout may be called so, and then every path of the host holds it.
        place = str(Path("custom_nodes") / PACK)
        failed = [
            line for line in text.splitlines() if place in line and any(mark in line for mark in _FAILED)
        ]
        if failed:
            end = text.find(failed[0])
            start = max(text.rfind("Traceback", 0, end), 0)
            trace = text[start : end + len(failed[0])]
            raise ServerFailed(f"the host could not import {PACK}\n{trace}\nLog: {_shown(self.log)}")

    def _with_log_end(self, what: str) -> str:
        end = "\n".join(f"  | {line}" for line in last_lines(self.log))
        return f"{what}\n{end}\nLog: {_shown(self.log)}"


def _shown(path: Path) -> str:
    """The path as typed from the current folder when it is inside, else as it is."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _nothing() -> None:
    pass


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    if sys.platform == "win32":
        process.kill() if number != signal.SIGTERM else process.terminate()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
