"""Racks that are kept under a name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .base import RackError

_MOST_NAMES = 20  # of a chain that an error shows
_LONGEST = 100  # letters of a name


class NamedRackError(RackError):
    """A rack that is kept under a name cannot be used, or not be written, as asked."""


class BadRackName(NamedRackError):
    """What no rack can be called."""

    def __init__(self, name: str, problem: str) -> None:
        self.name = name
        super().__init__(f"no rack can be called {name[:100]!r}: {problem}")


class MissingRack(NamedRackError):
    """No rack is called so. `nearest` are the names that may be meant, None where nobody keeps racks."""

    def __init__(self, name: str, nearest: Sequence[str] | None) -> None:
        self.name = name
        self.nearest = tuple(nearest or ())
        shown = repr(name[:100])
        if nearest is None:
            message = f"the rack {shown} is kept by ComfyUI, and is not known here. Put its rows in its place"
        elif nearest:
            message = f"no rack is called {shown}. Nearest names: {', '.join(nearest)}"
        else:
            message = f"no rack is called {shown}, and no name is similar. Save it from a LoRA Rack first"
        super().__init__(message)

    @property
    def facts(self) -> dict[str, Any]:
        return {"name": self.name, "candidates": list(self.nearest)}


class BadRackChain(NamedRackError):
    """Racks that hold one another in a circle, too deep, or too many rows. `chain` are their names."""

    def __init__(self, chain: Sequence[str], problem: str) -> None:
        self.chain = tuple(name[:_LONGEST] for name in chain[: _MOST_NAMES + 1])
        names = [*self.chain[:_MOST_NAMES], *(["…"] if len(chain) > _MOST_NAMES else [])]
        super().__init__(f"the rack {' > '.join(names)} {problem}")

    @property
    def facts(self) -> dict[str, Any]:
        return {"chain": list(self.chain)}


class RackChanged(NamedRackError):
    """Somebody else wrote, renamed or deleted the rack since it was read. `version` is what it has now."""

    def __init__(self, name: str, version: str) -> None:
        self.name = name
        self.version = version
        what = "has been changed" if version else "is not there any more"
        super().__init__(
            f"the rack {name!r} {what} since you read it. Read it again, or save under another name"
        )

    @property
    def facts(self) -> dict[str, Any]:
        return {"name": self.name, "version": self.version}


class RackExists(NamedRackError):
    """There is one of this name, and nobody said that it may be replaced."""

    def __init__(self, name: str, version: str) -> None:
        self.name = name
        self.version = version
        super().__init__(f"there is a rack called {name!r} already. Take another name, or replace that one")

    @property
    def facts(self) -> dict[str, Any]:
        return {"name": self.name, "version": self.version}


class BrokenRack(NamedRackError):
    """The file of a rack cannot be read."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
