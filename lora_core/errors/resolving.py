"""Names and hashes that do not mean exactly one file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .base import RackError

_LONGEST = 300  # letters of a key, a name or a text from outside that an error shows
_LONGEST_HINT = 2_000  # letters of what was expected, which may list names


def _short(text: str, most: int = _LONGEST) -> str:
    """The beginning of what comes from outside, which may be as long as a file."""
    return text if len(text) <= most else f"{text[:most]}…"


class UnresolvedLora(RackError):
    """A name or a hash that does not mean exactly one file."""

    def __init__(self, name: str, candidates: Sequence[str], message: str) -> None:
        self.name = _short(str(name), _LONGEST_HINT)
        self.candidates = tuple(candidates)
        super().__init__(message)

    @property
    def facts(self) -> dict[str, Any]:
        return {"name": self.name, "candidates": list(self.candidates)}


class MissingLora(UnresolvedLora):
    """No such file. `candidates` are the nearest names there are, None where nobody looked for them; `page`
    tells where to get it, if known.
    """

    def __init__(self, name: str, candidates: Sequence[str] | None, hash: str = "", page: str = "") -> None:
        self.hash = hash
        self.page = page
        if candidates is None:
            hint = "Names near it are not looked for where so many are missing; mend those before it first"
        elif candidates:
            hint = f"Nearest names: {', '.join(candidates)}"
        else:
            hint = "No name is similar; put the file into a loras folder and refresh"
        shown = repr(_short(name))
        wanted = f"{shown}, and no file has the hash {hash}" if hash else shown
        source = f". It comes from {page}" if page else ""
        super().__init__(name, candidates or (), f"no LoRA is called {wanted}. {hint}{source}")

    @property
    def facts(self) -> dict[str, Any]:
        return {**super().facts, "hash": self.hash, "page": self.page}


class GoneLora(UnresolvedLora):
    """A file ComfyUI lists that is not there: a broken link, or a folder that was taken away."""

    def __init__(self, name: str) -> None:
        super().__init__(
            name, (), f"{name!r} is listed, and its file is gone. Mend its link or folder, or press refresh"
        )


class AmbiguousLora(UnresolvedLora):
    """Several such files. `candidates` are all of them."""

    def __init__(self, name: str, candidates: Sequence[str], hash: str = "") -> None:
        self.hash = hash
        listed = ", ".join(candidates)
        wanted = f"{_short(name)!r} with the hash {hash}" if hash else repr(_short(name))
        super().__init__(name, candidates, f"{wanted} could be any of: {listed}. Write one of these instead")


class OtherContent(UnresolvedLora):
    """A file of that name is here, but it is not the one of the hash, and no other file is."""

    def __init__(self, name: str, candidates: Sequence[str], hash: str, found: str, page: str = "") -> None:
        self.hash = hash
        source = f" ({page})" if page else ""
        shown = repr(_short(name))
        super().__init__(
            name,
            candidates,
            f"no file has the hash {hash}. {', '.join(candidates)} has the name {shown} but other content "
            f"(AutoV2 {found}). Get the file of that hash{source}, or remove the hash to use this file",
        )


class BadHash(UnresolvedLora):
    """What is given as a hash is none."""

    def __init__(self, hash: str, problem: str) -> None:
        self.hash = hash
        told = f"{_short(hash)!r} is not a hash of a LoRA: {problem}"
        super().__init__("", (), f"{told}. Remove the hash to find the file by its name")


class SearchUnfinished(RackError):
    """Whether a LoRA is here takes more reading than the caller allowed. Nothing is wrong."""
