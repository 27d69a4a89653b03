"""What a site has to be able to do; a further site is one more file that does it."""

from __future__ import annotations

from http.client import HTTPResponse
from typing import Protocol

from .candidates import Candidate
from .references import Reference


class LoraSite(Protocol):
    """A place LoRAs come from."""

    @property
    def name(self) -> str:
        """As people call it."""
        ...

    def look_up(self, reference: Reference) -> tuple[Candidate, ...] | None:
        """The files a reference means here, none where the site has none; None where such references are not
        this site's. Raises FetchError.
        """
        ...

    def open(self, candidate: Candidate, start: int = 0) -> HTTPResponse:
        """Its bytes from `start` on, where the server can do that: look at the status. Raises FetchError."""
        ...
