"""References to files: looked up once each, a few at a time, then brought one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ..errors import FetchError, NotOffered
from .answers import Answers
from .beside import write_beside
from .candidates import Candidate
from .placing import Got
from .references import ByHash, Reference
from .sites import LoraSite
from .transfer import MAX_BYTES, Progress, fetch

IN_FLIGHT = 10
"""Questions asked at once, of all sites together."""


@dataclass(frozen=True)
class Offer:
    """What a reference means: the site, the file to take, and others it could have meant."""

    reference: Reference
    site: LoraSite
    candidate: Candidate
    others: tuple[Candidate, ...] = ()

    @property
    def claims_it(self) -> bool | None:
        """Whether the site says that the file has the hash asked for; None where none was."""
        wanted = self.reference.hash if isinstance(self.reference, ByHash) else ""
        return self.candidate.has(wanted) if wanted else None


@dataclass(frozen=True)
class Fetched:
    """A file that came, and what could not be written beside it."""

    offer: Offer
    got: Got
    problems: tuple[str, ...]


class Fetcher:
    """Gets LoRAs from the sites it is given. Nothing is asked before a method is called."""

    def __init__(self, sites: Sequence[LoraSite], answers: Answers) -> None:
        self._sites = tuple(sites)
        self._answers = answers

    def look_up(self, reference: Reference) -> Offer:
        """The file a reference means. Raises FetchError, NotOffered where no site has one."""
        asked: list[str] = []
        for site in self._sites:
            found = self._ask(site, reference)
            if found:
                return Offer(reference, site, found[0], found[1:])
            if found is not None:
                asked.append(site.name)
        raise NotOffered(f"no LoRA {reference} at {' or '.join(asked) or 'any site that is known'}")

    def look_up_all(
        self, references: Iterable[Reference], progress: Progress | None = None
    ) -> Mapping[Reference, Offer | FetchError]:
        """What each means, or why there is nothing; none is looked up twice."""
        wanted = [*dict.fromkeys(references)]
        found: dict[Reference, Offer | FetchError] = {}
        with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="lora_rack_look_up") as pool:
            for done, (reference, answer) in enumerate(
                zip(wanted, pool.map(self._answer, wanted), strict=True), start=1
            ):
                found[reference] = answer
                if progress is not None:
                    progress(done, len(wanted))
        return found

    def fetch(
        self,
        offer: Offer,
        folder: Path,
        progress: Progress,
        max_bytes: int = MAX_BYTES,
        wait: Callable[[float], None] | None = None,
    ) -> Fetched:
        """Bring the file of an offer, and write what the site says beside it. Raises FetchError."""
        waiting = {} if wait is None else {"wait": wait}
        got = fetch(offer.site, offer.candidate, folder, progress, max_bytes=max_bytes, **waiting)
        return Fetched(offer, got, write_beside(offer.site, offer.candidate, got))

    def _answer(self, reference: Reference) -> Offer | FetchError:
        try:
            return self.look_up(reference)
        except FetchError as error:
            return error

    def _ask(self, site: LoraSite, reference: Reference) -> tuple[Candidate, ...] | None:
        known = self._answers.get(site.name, str(reference))
        if known is not None:
            return known
        found = site.look_up(reference)
        if found is not None:
            self._answers.put(site.name, str(reference), found)
        return found
