"""LoRAs that are not here, got from their sites into the host's loras folders."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from pathlib import Path

import folder_paths
from server import PromptServer

from ...lora_core.errors import FileError
from ...lora_core.fetching import Answers, Downloads, Fetcher, Job, known_sites
from .library import INDEX

EVENT = "lora_rack_get"
"""What the page is told a job under, over the host's websocket."""

_USER = Path(folder_paths.get_user_directory())


def lora_folders() -> list[Path]:
    """The host's loras folders, the one that it writes to first."""
    return [Path(path) for path in folder_paths.get_folder_paths("loras")]


def fetcher() -> Fetcher:
    """Asks the sites, with the tokens of this moment: their file lies where no route of the host reads."""
    return Fetcher(known_sites(_USER), _answers())


@cache
def _answers() -> Answers:
    return Answers(_USER / "lora_rack" / "answers.sqlite3")


def _tell(job: Job) -> None:
    if job.path:  # a row that asks for its hash finds it at once, however many files nobody has read
        with suppress(FileError):  # it may have been moved by now
            INDEX.refresh([Path(job.path)])
            INDEX.measure(Path(job.path))
    server = getattr(PromptServer, "instance", None)
    if server is not None:
        server.send_sync(EVENT, job.as_json())


DOWNLOADS = Downloads(fetcher, _USER / "lora_rack" / "downloads.json", lora_folders, _tell)
