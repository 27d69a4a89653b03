"""Every LoRA the host lists, as the page shows them: what is known of each, searched, in pages."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...lora_core.errors import MissingLora, RackError
from ...lora_core.library import FileFacts, Query
from ...lora_core.stack import Entry
from .. import host
from .previews import Preview, preview_at

PAGE_LIMIT = 200
_FRESH_S = 60.0  # how long what a search looks into may be older than the files
_MOST_SEARCHES = 32  # that are kept: what was found among thousands of files for one typed text
_MOST_MISSING = 2_000  # that are kept
_MISSING_S = 20.0  # how long a LoRA that was not found is not looked for again

Key = tuple[str, str]  # a name and a hash
Fields = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Card:
    """One LoRA in a list; what is not known is empty or None.

    `source` is the page it comes from, `preview` the version of its picture, `problem` why it cannot be used.
    """

    name: str
    title: str
    family: str
    words: tuple[str, ...]
    source: str
    strength: float | None
    strength_clip: float | None
    preview: str
    problem: str

    def as_json(self) -> dict[str, Any]:
        """The fields by their names."""
        return dict(vars(self))  # flat, and dataclasses.asdict takes ten times as long


@dataclass(frozen=True)
class Page:
    """A part of a list: `cards` from place `offset` of the `total` found."""

    total: int
    offset: int
    cards: tuple[Card, ...]

    def as_json(self) -> dict[str, Any]:
        """The fields by their names."""
        return {**vars(self), "cards": [card.as_json() for card in self.cards]}


class Catalog:
    """The host's LoRAs, searched by name at once, by title, words and family once those have been read.

    A thread reads them when the list is looked at first, and again when the list or time has changed.
    """

    def __init__(self) -> None:
        self._fields: Mapping[str, Fields] = {}
        self._read: tuple[Sequence[str], float] = ((), -_FRESH_S)  # which names, and when
        self._missing: dict[Key, tuple[float, RackError]] = {}
        self._missing_among: Sequence[str] = ()
        self._searched: dict[str, tuple[str, ...]] = {}  # by what was typed
        self._searched_in: Mapping[str, Fields] = self._fields
        self._searched_among: Sequence[str] = ()
        self._lock = threading.Lock()

    def page(self, query: str, offset: int, limit: int) -> Page:
        """The LoRAs that fit what was typed, best first; all, in the host's order, if nothing was."""
        names = host.lora_names()
        asked = Query(query)
        if asked.is_empty:
            self._read_again(names)
        found = names if asked.is_empty else self._search(asked, names)
        here = found[offset : offset + min(limit, PAGE_LIMIT)]
        cards = self.cards(here)
        return Page(len(found), offset, tuple(cards[name] for name in here if name in cards))

    def cards(self, names: Iterable[str]) -> Mapping[str, Card]:
        """What is known of the LoRAs among `names` that the host lists under exactly these names."""
        paths = host.listed_paths(names)
        facts = host.facts_of(paths.values())
        return {name: _card(name, path, facts[path]) for name, path in paths.items() if path in facts}

    def look_up(self, entries: Iterable[Entry]) -> list[Card | RackError]:
        """The file each entry means, or why there is none."""
        found = self._look_up(entries)
        cards = self.cards(name for name in dict.fromkeys(found) if isinstance(name, str))
        return [name if isinstance(name, RackError) else cards.get(name, _gone(name)) for name in found]

    def preview(self, name: str) -> Preview | None:
        """The picture beside a listed LoRA."""
        path = host.listed_paths([name]).get(name)
        facts = host.facts_of([path]).get(path) if path else None
        return _preview(path, facts) if path and facts else None

    def _look_up(self, entries: Iterable[Entry]) -> list[str | RackError]:
        # Finding out that there is none takes reading many files, and a rack asks again with each change.
        wanted, names, now = (
            [(entry.name, entry.hash) for entry in entries],
            host.lora_names(),
            time.monotonic(),
        )
        with self._lock:
            if self._missing_among != names:
                self._missing_among = names
                self._missing.clear()
            held = {key: self._missing.get(key) for key in wanted}
        known: dict[Key, str | RackError] = {
            key: found[1] for key, found in held.items() if found is not None and now - found[0] < _MISSING_S
        }
        asked = [key for key in held if key not in known]
        found = host.look_up_all(Entry(name, hash=hash) for name, hash in asked)
        known |= zip(asked, found, strict=True)
        with self._lock:
            for key in asked:
                error = known[key]
                if isinstance(error, RackError):
                    self._missing[key] = now, error
                else:
                    self._missing.pop(key, None)
            while len(self._missing) > _MOST_MISSING:
                del self._missing[next(iter(self._missing))]
        return [known[key] for key in wanted]

    def _search(self, query: Query, names: Sequence[str]) -> Sequence[str]:
        """The names that fit, best first: kept, as a page asks for the parts of a list one after another."""
        fields = self._fields
        with self._lock:
            if self._searched_in is not fields or self._searched_among != names:
                self._searched_in, self._searched_among = fields, names
                self._searched.clear()
            found = self._searched.get(query.text)
        if found is not None:
            return found
        scored = ((query.score(fields.get(name) or _name_fields(name)), name) for name in names)
        found = tuple(name for score, name in sorted(scored, key=lambda pair: -pair[0]) if score > 0)
        with self._lock:
            if self._searched_in is fields and self._searched_among == names:
                self._searched[query.text] = found
                while len(self._searched) > _MOST_SEARCHES:
                    del self._searched[next(iter(self._searched))]
        return found

    def _read_again(self, names: Sequence[str]) -> None:
        now = time.monotonic()
        with self._lock:
            read, when = self._read
            if read == names and now - when < _FRESH_S:
                return
            self._read = names, now
        threading.Thread(target=self._read_all, args=(names,), name="LoRA Rack: reading", daemon=True).start()

    def _read_all(self, names: Sequence[str]) -> None:
        paths = host.listed_paths(names)
        facts = host.facts_of(paths.values())
        self._fields = {
            name: _heaviest_first((*_name_fields(name), *_fact_fields(facts[path])))
            for name, path in paths.items()
            if path in facts
        }


def _gone(name: str) -> MissingLora:
    return MissingLora(name, ())


def _card(name: str, path: Path, facts: FileFacts) -> Card:
    about, preview = facts.about, _preview(path, facts)
    return Card(
        name,
        title=about.title,
        family=facts.family.name or about.base_model,
        words=about.trigger_words,
        source=about.page if about.page.startswith(("https://", "http://")) else "",
        strength=about.strength,
        strength_clip=about.strength_clip,
        preview=preview.version if preview else "",
        problem=facts.problem,
    )


def _preview(path: Path, facts: FileFacts) -> Preview | None:
    return preview_at(path.with_name(facts.about.preview)) if facts.about.preview else None


def _fact_fields(facts: FileFacts) -> Fields:
    about = facts.about
    family = " ".join((*facts.family.names, about.base_model))
    found = ((about.title, 0.9), (" ".join(about.trigger_words), 0.5), (family, 0.4))
    return tuple((text.casefold(), weight) for text, weight in found if text)


def _heaviest_first(fields: Fields) -> Fields:
    return tuple(sorted(fields, key=lambda field: -field[1]))


def _name_fields(name: str) -> Fields:
    path = name.replace("\\", "/").casefold()
    return (path.rpartition("/")[2].rpartition(".")[0], 1.0), (path, 0.6)
