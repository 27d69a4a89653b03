"""Every LoRA file there is, and which of them a stack's row means.

By hash when one is given, else by path, stem or alias (docs/references.md). What has not been read yet is
read only when the answer needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from time import time_ns

from ..errors import AmbiguousLora, FileError, MissingLora, OtherContent, SearchUnfinished
from ..reading import read_hash
from .index import HashMatch, Index, Progress
from .resolve import file_name, file_stem, named, named_but_for_case, nearest, only
from .sidecars import page_beside
from .survey import Survey

_MOST_HINTS = 50  # missing names of one request that near names are looked for
_WHERE_CIVITAI_ANSWERS = "https://civitai.com/api/v1/model-versions/by-hash/"


@dataclass(frozen=True)
class Limits:
    """How much a search may read before it raises SearchUnfinished; None is no limit."""

    headers: int | None = None  # files whose header is not in the index
    bytes: int | None = None  # of files whose hash is not
    files: int | None = None  # that are hashed for it, however small they are


_NO_LIMITS = Limits()


class Library:
    """LoRA files by name, as they are now: make one for each request and ask it all there is to ask.

    `names` are relative to a loras folder; `path_of` says where one lies, None if it is gone.
    """

    def __init__(self, names: Sequence[str], path_of: Callable[[str], Path | None], index: Index) -> None:
        self.names = names
        self.index = index
        self._path_of = path_of
        self._hints = _MOST_HINTS
        self._seen: Mapping[Path, str] | None = None

    def find(
        self, name: str, hash: str = "", limits: Limits = _NO_LIMITS, progress: Progress | None = None
    ) -> str:
        """The one of `names` that a name, or its hash, means.

        Raises MissingLora, AmbiguousLora, OtherContent, BadHash; SearchUnfinished when `limits` forbid to
        find out. `progress` is told files, then bytes.
        """
        if hash:
            return _Search(self, name, read_hash(hash), limits, progress).result()
        found = named(name, self.names) or self._on_this_disk(name)
        if not found:
            found = self._with_alias(name, limits, progress)
        found = self._each_file_once(found)
        if found:
            return only(name, found, tuple)
        self._hints -= 1
        return only(name, found, lambda: self.near(name), self._page_beside(name))

    def near(self, name: str) -> list[str] | None:
        """Names that may have been meant; None where too many were missing to look for them."""
        return nearest(name, self.names) if self._hints >= 0 else None

    def paths(self, names: Iterable[str] | None = None) -> dict[Path, str]:
        """Where the files lie that exist, of these names or of all."""
        places = ((self._path_of(name), name) for name in (self.names if names is None else names))
        return {path: name for path, name in places if path is not None}

    def at(self, paths: Iterable[Path]) -> dict[Path, str]:
        """The names of files, for those of `paths` that have one."""
        wanted = {path.name: path for path in paths}
        return self.paths(name for name in self.names if file_name(name) in wanted)

    def page_of(self, name: str, hash: str) -> str:
        """Where a file that is not here can be had, as far as anything here tells."""
        known = self.index.pages_of(hash)
        return known[0] if known else self._page_beside(name) or _WHERE_CIVITAI_ANSWERS + hash

    def surveyed(self, limits: Limits, progress: Progress | None) -> Mapping[Path, str]:
        """The names of all files, with what is new among them read. Raises SearchUnfinished."""
        known = self._seen = self._known()
        if known is not None:
            return known
        began = time_ns()
        paths = self.paths()
        self.index.refresh(paths, limits.headers, progress)
        self.index.survey = Survey.of(self.names, paths, self.index.unread(paths), began)
        self._seen = paths
        return paths

    def _known(self) -> Mapping[Path, str] | None:
        """What the last survey found, if nothing has changed since."""
        if self._seen is not None:
            return self._seen
        survey = self.index.survey
        return survey.paths if survey is not None and survey.holds(self.names) else None

    def _with_alias(self, name: str, limits: Limits, progress: Progress | None) -> list[str]:
        paths = self.surveyed(limits, progress)
        # No folder tells of a file that was written over.
        self.index.refresh(self.index.with_alias(name, paths), limits.headers)
        return [paths[path] for path in self.index.with_alias(name, paths)]

    def _on_this_disk(self, name: str) -> list[str]:
        """Names that differ by case alone, where the disk takes one for the other."""
        return [found for found in named_but_for_case(name, self.names) if self._is_blind_to_case(found)]

    def _is_blind_to_case(self, name: str) -> bool:
        path = self._path_of(name)
        if path is None:
            return False
        try:
            return path.with_name(path.name.swapcase()).samefile(path)
        except (OSError, ValueError):
            return False

    def _each_file_once(self, names: Sequence[str]) -> list[str]:
        """Of several names those of different files: two links to one file mean the same."""
        if len(names) < 2:
            return [*names]
        kept: dict[object, str] = {}
        for name in names:
            kept.setdefault(self._identity(name), name)
        return [*kept.values()]

    def _identity(self, name: str) -> object:
        path = self._path_of(name)
        try:
            status = path.stat() if path is not None else None
        except OSError:
            status = None
        return name if status is None else (status.st_dev, status.st_ino)

    def _page_beside(self, name: str) -> str:
        """From the sidecars that outlived a file of this name."""
        stem = file_stem(name)
        if self._hints < 0:
            return ""
        folders = dict.fromkeys(path.parent for path in self._known() or self.paths())
        pages = (page_beside(folder / f"{stem}.safetensors") for folder in folders) if stem else ()
        return next(filter(None, pages), "")


@dataclass(frozen=True)
class _Search:
    """One file by its hash. The cheapest answer first: the named file, the index, then reading files."""

    library: Library
    name: str
    hash: str
    limits: Limits
    progress: Progress | None

    def result(self) -> str:
        """Raises what `Library.find` does."""
        index, here = self.library.index, self._named()
        index.refresh(here, self.limits.headers)
        found = (
            self._known(here)
            or self._known(self.library.at(index.claimants(self.hash)))
            or self._measured(here)
        )
        if found:
            return self._choose(found)
        every = self.library.surveyed(self.limits, self.progress)
        found = self._known(every) or self._measured(self._nearest_first(every))
        if found:
            return self._choose(found)
        raise self._nothing(here)

    def _named(self) -> dict[Path, str]:
        return self.library.paths(named(self.name, self.library.names))

    def _known(self, paths: Collection[Path]) -> list[HashMatch]:
        """The files among these that the index knows to have the hash."""
        return self.library.index.matching(self.hash, paths)

    def _measured(self, paths: Iterable[Path]) -> list[HashMatch]:
        """Hash files that nothing tells the hash of, until one is it."""
        index = self.library.index
        waiting = index.unmeasured(paths)
        total, done = self._afford(waiting), 0

        def count(read: int) -> None:
            nonlocal done
            done += read
            if self.progress is not None:
                self.progress(done, total)

        for path in waiting:
            if self._is_it(path, count):
                return [HashMatch(path, "measured")]
        return []

    def _is_it(self, path: Path, count: Callable[[int], None]) -> bool:
        try:
            found = self.library.index.measure(path, count)
        except FileError:
            return False  # a file that cannot be read is not the one
        return found.has(self.hash)

    def _choose(self, found: Sequence[HashMatch]) -> str:
        """One of several files of a hash; any of them where their content is the same."""
        strong = [match.path for match in found if match.source != "legacy"]
        names = self.library.at(strong or [match.path for match in found])
        paths = self._same_content(names) if len(names) > 1 else [*names]
        named_so = set(self._named())
        return names[next((path for path in paths if path in named_so), paths[0])]

    def _same_content(self, names: Mapping[Path, str]) -> list[Path]:
        """The files that have the hash by their bytes, or all where none has. Raises AmbiguousLora when what
        is left has different tensors.
        """
        index = self.library.index
        self._afford(index.unmeasured(names))
        contents = {path: index.measure(path) for path in names}
        paths = [path for path, content in contents.items() if content.has(self.hash)] or [*names]
        if len({contents[path].tensors or contents[path].sha256 for path in paths}) > 1:
            raise AmbiguousLora(self.name, [names[path] for path in paths], self.hash)
        return paths

    def _afford(self, paths: Iterable[Path]) -> int:
        """The bytes of these files. Raises SearchUnfinished when they are more than may be hashed."""
        paths = [*paths]
        if self.limits.files is not None and len(paths) > self.limits.files:
            raise SearchUnfinished(f"{len(paths)} LoRA files have to be hashed to find {self.hash}")
        total = sum(path.stat().st_size for path in paths)
        if self.limits.bytes is not None and total > self.limits.bytes:
            raise SearchUnfinished(f"{total} bytes of LoRA files have to be hashed to find {self.hash}")
        return total

    def _nearest_first(self, paths: Mapping[Path, str]) -> Iterable[Path]:
        close = set(nearest(self.name, self.library.names))
        return chain(
            (path for path, name in paths.items() if name in close),
            (path for path, name in paths.items() if name not in close),
        )

    def _nothing(self, here: dict[Path, str]) -> Exception:
        page = self.library.page_of(self.name, self.hash)
        if not here:
            return MissingLora(self.name, self.library.near(self.name), self.hash, page)
        self._afford(path for path in here if self.library.index.measured(path) is None)
        content = self.library.index.measure(next(iter(here)))
        return OtherContent(self.name, [*here.values()], self.hash, content.sha256[:10], page)
