"""Downloads that go on by themselves: begun, watched, stopped, and taken up again after a restart.

What was begun is written to a journal at every change but for the bytes, so that a process that dies loses no
more than the moment. A download that was stopped keeps its part beside its place: begun again it goes on.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import BadJson, BadRequest, CannotWrite, RackError
from ..reading import replacing
from ..untrusted import read_json, read_text
from .fetcher import Fetcher
from .references import read_reference

AT_ONCE = 3
_MOST_KEPT = 100  # jobs that have ended
_TELL_S = 0.25  # between two words about the bytes of one job

WAITING, COMING, DONE, FAILED, CANCELLED = "waiting", "coming", "done", "failed", "cancelled"
_OPEN = (WAITING, COMING)


@dataclass(frozen=True)
class Job:
    """One download. Sizes are in bytes, `left_s` in seconds; None and empty where it is not known (yet)."""

    id: str
    asked: str
    folder: str
    state: str = WAITING
    name: str = ""
    received: int = 0
    total: int | None = None
    bytes_per_s: float = 0.0
    path: str = ""
    sha256: str = ""
    is_verified: bool = False
    problems: tuple[str, ...] = ()
    error: dict[str, Any] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is under way, or will be."""
        return self.state in _OPEN

    def as_json(self) -> dict[str, Any]:
        """What the page shows."""
        left = (self.total or 0) - self.received
        left_s = left / self.bytes_per_s if self.bytes_per_s and self.total else None
        return {**asdict(self), "problems": list(self.problems), "left_s": left_s}


class _Stopped(Exception):
    """The person does not want it any more."""


@dataclass
class _Run:
    """What the thread of a job shares with who stops it."""

    stop: threading.Event = field(default_factory=threading.Event)
    began_at: float = 0.0
    began_with: int = 0
    told_at: float = 0.0

    def wait(self, seconds: float) -> None:
        """Raises _Stopped at once when it is stopped meanwhile."""
        if self.stop.wait(seconds):
            raise _Stopped


class Downloads:
    """The downloads of one server. Asks no site before `start` or, for what was begun earlier, `resume`.

    `fetcher` is made anew for each job, so that tokens count from then on; `folders` are those a file may go
    to; `changed` is told of every change, from any thread.
    """

    def __init__(
        self,
        fetcher: Callable[[], Fetcher],
        journal: Path,
        folders: Callable[[], Sequence[Path]],
        changed: Callable[[Job], None],
    ) -> None:
        self._fetcher, self._journal, self._folders, self._changed = fetcher, journal, folders, changed
        self._jobs: dict[str, Job] = {}
        self._runs: dict[str, _Run] = {}
        self._lock = threading.RLock()
        self._turns = threading.Semaphore(AT_ONCE)
        self._is_read = False

    def jobs(self) -> list[Job]:
        """All there are, the oldest first."""
        with self._lock:
            self._read()
            return [*self._jobs.values()]

    def start(self, asked: str, folder: str = "") -> Job:
        """Begin a download, or find that it is under way. Raises BadReference, BadRequest for the folder."""
        reference, place = str(read_reference(asked)), self._allowed(folder)
        with self._lock:
            self._read()
            for job in self._jobs.values():
                if job.is_open and (job.asked, job.folder) == (reference, place):
                    return job
            job = Job(uuid.uuid4().hex[:12], reference, place)
            self._begin(job)
        return job

    def cancel(self, id: str) -> Job:
        """Stop a download; what came is kept for the next time. Raises BadRequest."""
        with self._lock:
            job = self._job(id)
            if job.is_open:
                self._runs[id].stop.set()
                job = self._keep(replace(job, state=CANCELLED, bytes_per_s=0.0))
        return job

    def forget(self, id: str) -> Job:
        """Take a download that has ended off the list. Raises BadRequest."""
        with self._lock:
            job = self._job(id)
            if job.is_open:
                raise BadRequest(f"the download {id} is under way; cancel it first")
            del self._jobs[id]
            self._write()
        return job

    def resume(self) -> None:
        """Go on with what an earlier process had begun."""
        with self._lock:
            self._read()
            for job in [job for job in self._jobs.values() if job.is_open and job.id not in self._runs]:
                self._begin(replace(job, state=WAITING, bytes_per_s=0.0))

    def _begin(self, job: Job) -> None:
        self._runs[job.id] = _Run()
        self._keep(job)
        name = f"lora_rack_get_{job.id}"
        threading.Thread(target=self._work, args=(job.id,), name=name, daemon=True).start()

    def _work(self, id: str) -> None:
        run = self._runs[id]
        with self._turns:
            try:
                self._fetch(id, run)
            except _Stopped:
                return  # whoever stopped it has said so
            except RackError as error:
                self._change(id, run, state=FAILED, error=error.as_json())
            except Exception as error:  # a thread that dies in silence would leave a row that never ends
                problem = {"type": type(error).__name__, "message": f"the download broke: {error}"}
                self._change(id, run, state=FAILED, error=problem)

    def _fetch(self, id: str, run: _Run) -> None:
        job = self._jobs[id]
        run.wait(0)
        folder = Path(self._allowed(job.folder))
        fetcher = self._fetcher()
        offer = fetcher.look_up(read_reference(job.asked))
        name, size = offer.candidate.safe_name, offer.candidate.size
        self._change(id, run, state=COMING, name=name, total=size)
        fetched = fetcher.fetch(
            offer, folder, lambda here, total: self._count(id, run, here, total), wait=run.wait
        )
        got = fetched.got
        self._change(
            id,
            run,
            state=DONE,
            path=str(got.path),
            received=got.size,
            total=got.size,
            sha256=got.sha256,
            is_verified=got.is_verified,
            problems=fetched.problems,
        )

    def _count(self, id: str, run: _Run, received: int, total: int) -> None:
        if run.stop.is_set():
            raise _Stopped
        now = time.monotonic()
        if not run.began_at:
            run.began_at, run.began_with = now, received
        if now - run.told_at < _TELL_S and received != total:
            return
        run.told_at = now
        seconds = now - run.began_at
        speed = (received - run.began_with) / seconds if seconds > 0 else 0.0
        with self._lock:
            if self._jobs[id].state == COMING:
                self._jobs[id] = replace(
                    self._jobs[id], received=received, total=total or None, bytes_per_s=speed
                )
                self._changed(self._jobs[id])

    def _change(self, id: str, run: _Run, **values: Any) -> None:
        """Raises _Stopped where it has been stopped: what is under way by then says nothing more."""
        with self._lock:
            if run.stop.is_set():
                raise _Stopped
            self._keep(replace(self._jobs[id], bytes_per_s=0.0, **values))

    def _keep(self, job: Job) -> Job:
        self._jobs[job.id] = job
        ended = [known.id for known in self._jobs.values() if not known.is_open]
        for id in ended[:-_MOST_KEPT]:
            del self._jobs[id]
        self._write()
        self._changed(job)
        return job

    def _job(self, id: str) -> Job:
        self._read()
        if id not in self._jobs:
            raise BadRequest(f"there is no download {id[:40]!r}")
        return self._jobs[id]

    def _allowed(self, folder: str) -> str:
        """The folder, or the first there is. Raises BadRequest for one that files may not go to."""
        allowed = [str(path) for path in self._folders()]
        if not allowed:
            raise BadRequest("there is no loras folder to download into")
        if not folder:
            return allowed[0]
        if folder not in allowed:
            raise BadRequest(f"{folder[:200]!r} is none of the loras folders: {', '.join(allowed)}")
        return folder

    def _write(self) -> None:
        content = json.dumps([asdict(job) for job in self._jobs.values()], indent=1).encode()
        try:
            self._journal.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self._journal, len(content), force=True) as file:
                file.write(content)
        except (CannotWrite, OSError):
            return  # the download goes on; only a restart forgets it

    def _read(self) -> None:
        """What an earlier process left; a journal that cannot be read is as none."""
        if self._is_read:
            return
        self._is_read = True
        try:
            found = read_json(read_text(self._journal))
            jobs = [Job(**{**item, "problems": tuple(item["problems"])}) for item in _objects(found)]
        except (OSError, BadJson, TypeError, KeyError):
            return
        self._jobs = {job.id: job for job in jobs}


def _objects(found: Any) -> Iterable[dict[str, Any]]:
    if not isinstance(found, list):
        raise TypeError("no list of jobs")
    return found
