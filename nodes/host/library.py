"""The host's LoRA files by what a stack calls them.

A reference is a name, or an entry: a name and maybe a hash. INDEX is what the pack keeps on disk of the
files; it lies in the host's user folder and may be deleted at any time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import comfy.utils
import folder_paths

from ...lora_core.errors import GoneLora, RackError, SearchUnfinished, UnresolvedLora
from ...lora_core.library import FileFacts, Index, Library, Limits, words_stamp
from ...lora_core.reading import Stamp
from ...lora_core.stack import Entry

Reference = str | Entry


@dataclass(frozen=True)
class Located(Entry):
    """An entry that was looked up: its name is the host's, which other packs' nodes look up too, and `path`
    is its file. A node hands it on, so that no other has to look it up again.
    """

    path: Path = Path()


INDEX = Index(
    Path(folder_paths.get_user_directory()) / "lora_rack" / "index.sqlite3",
    logging.getLogger(__name__).warning,
)

# The host checks a queued workflow on the thread that serves its page. Half a second is bearable there.
_WHILE_THE_PAGE_WAITS = Limits(headers=64, bytes=2**28, files=256)


def lora_names() -> list[str]:
    """Every LoRA the host lists, as it spells them."""
    names: list[str] = folder_paths.get_filename_list("loras")
    return names


def resolve_name(reference: Reference) -> str:
    """The host's spelling of the file that is meant, whatever has to be read to find it. Raises
    UnresolvedLora.
    """
    name, hash = _parts(reference)
    return _there(_library().find(name, hash, progress=_Bar()))


def look_up(reference: Reference) -> str:
    """As `resolve_name`, with little reading: raises SearchUnfinished where that does not suffice."""
    (found,) = look_up_all([reference])
    if isinstance(found, RackError):
        raise found
    return found


def look_up_all(references: Iterable[Reference]) -> list[str | RackError]:
    """What `look_up` gives or raises for each of many, in the time of one for those that mean the same."""
    library = _library()
    known: dict[tuple[str, str], str | RackError] = {}

    def find(name: str, hash: str) -> str | RackError:
        try:
            return _there(library.find(name, hash, _WHILE_THE_PAGE_WAITS))
        except RackError as error:
            return error

    parts = [_parts(reference) for reference in references]
    for name, hash in parts:
        if (name, hash) not in known:
            known[name, hash] = find(name, hash)
    return [known[part] for part in parts]


def check(reference: Reference) -> None:
    """Raises UnresolvedLora for what means no file, as far as that shows without much reading."""
    (error,) = check_all([reference])
    if error is not None:
        raise error


def check_all(references: Iterable[Reference]) -> list[RackError | None]:
    """What `check` raises for each of many, if anything."""
    # Where it takes more reading, resolve_name answers when the workflow runs.
    found = look_up_all(references)
    return [
        one if isinstance(one, RackError) and not isinstance(one, SearchUnfinished) else None for one in found
    ]


def locate(entry: Entry) -> Located:
    """The entry with the file it means. One that has it keeps it while the file is there, but for a hash,
    which another file may have by now. Raises UnresolvedLora.
    """
    if isinstance(entry, Located) and not entry.hash and entry.path.is_file():
        return entry
    name = resolve_name(entry)
    return Located(**{**_values(entry), "name": name}, path=_place(name))


def resolve_active(entries: Iterable[Entry]) -> list[Located]:
    """The entries that change anything, each with its file. Raises UnresolvedLora with the row, counted from
    1 among all entries.
    """
    located: list[Located] = []
    known: dict[tuple[str, str], Located] = {}
    for row, entry in enumerate(entries, start=1):
        if not entry.is_active:
            continue
        part = _parts(entry)
        try:
            known[part] = known.get(part) or locate(entry)
            located.append(replace(known[part], **{**_values(entry), "name": known[part].name}))
        except UnresolvedLora as error:
            error.begin_with(f"row {row}")
            raise
    return located


def lora_path(reference: Reference) -> Path:
    """Where a LoRA lies. Raises UnresolvedLora."""
    return reference.path if isinstance(reference, Located) else _place(resolve_name(reference))


def listed_paths(names: Iterable[str]) -> dict[str, Path]:
    """Where LoRAs lie, for those of `names` that the host lists under exactly this name.

    Names from outside go through here: what is not listed never becomes a path.
    """
    listed = frozenset(lora_names())
    places = ((name, _path_of(name)) for name in names if name in listed)
    return {name: path for name, path in places if path is not None}


def facts_of(paths: Iterable[Path]) -> Mapping[Path, FileFacts]:
    """What is known of files that exist."""
    return INDEX.facts_of([*paths])


def fingerprint(references: Sequence[Reference]) -> str:
    """Changes whenever one of the files does, or what is told of its trigger words, for IS_CHANGED.

    A hash never changes what file it stands for.
    """
    return " ".join(_fingerprint(*part) for part in dict.fromkeys(map(_parts, references)))


def _fingerprint(name: str, hash: str) -> str:
    # No bar: the host asks before the node runs.
    if hash:
        try:
            path = _place(_library().find(name, hash, _WHILE_THE_PAGE_WAITS))
        except (SearchUnfinished, UnresolvedLora):
            return f"hash:{hash}"
        return f"hash:{hash}:{words_stamp(path)}"
    path = _place(_library().find(name))
    stamp = Stamp.of(path)
    beside = words_stamp(path)
    return f"{stamp.path}:{stamp.size}:{stamp.mtime_ns}:{stamp.config_mtime_ns}:{beside}"


def _library() -> Library:
    return Library(lora_names(), _path_of, INDEX)


def _place(name: str) -> Path:
    """Where a listed file lies. Raises GoneLora."""
    path = _path_of(name)
    if path is None:
        raise GoneLora(name)
    return path


def _there(name: str) -> str:
    """The name of a listed file that is there. Raises GoneLora."""
    _place(name)
    return name


def _path_of(name: str) -> Path | None:
    found = folder_paths.get_full_path("loras", name)
    return Path(found) if found else None


def _values(entry: Entry) -> dict[str, Any]:
    return {field.name: getattr(entry, field.name) for field in fields(Entry)}


def _parts(reference: Reference) -> tuple[str, str]:
    return (reference, "") if isinstance(reference, str) else (reference.name, reference.hash)


class _Bar:
    """The host's progress bar, which also stops the work when the user does; shown once there is work."""

    def __init__(self) -> None:
        self._bar: comfy.utils.ProgressBar | None = None

    def __call__(self, done: int, total: int) -> None:
        if self._bar is None:
            self._bar = comfy.utils.ProgressBar(total)
        self._bar.update_absolute(done, total)
