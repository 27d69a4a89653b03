"""Finding LoRAs by a few typed characters: a fuzzy match with an order people expect."""

from __future__ import annotations

import re
from collections.abc import Iterable

# A term as it stands beats its letters in order; what begins a word beats what is inside one.
_WHOLE, _BEGINS, _INSIDE, _LETTERS = 100.0, 60.0, 40.0, 10.0
_BEST = _WHOLE + 1  # the term is all of the text


class Query:
    """What was typed: terms between spaces, each of which has to be found, capitals or not."""

    def __init__(self, text: str) -> None:
        self.text = " ".join(text.casefold().split())
        self._terms = [_Term(term) for term in self.text.split()]

    @property
    def is_empty(self) -> bool:
        return not self._terms

    def score(self, fields: Iterable[tuple[str, float]]) -> float:
        """How well a LoRA fits: the sum over the terms of their best (field, weight); 0 when one is missing.

        Fields are casefolded texts, the weightiest first for speed; a weight says how much a find in that
        field counts. A Query remembers what it has looked into: files share families and folders.
        """
        fields = tuple(fields)
        total = 0.0
        for term in self._terms:
            best = 0.0
            for text, weight in fields:
                if best < weight * _BEST:
                    best = max(best, term.score(text) * weight)
            if best == 0:
                return 0.0
            total += best
        return total


class _Term:
    def __init__(self, text: str) -> None:
        self._text = text
        self._letters = re.compile(".*?".join(map(re.escape, text)))
        self._known: dict[str, float] = {}

    def score(self, text: str) -> float:
        score = self._known.get(text)
        if score is None:
            score = self._known[text] = self._score(text)
        return score

    def _score(self, text: str) -> float:
        place = text.find(self._text)
        if place >= 0:
            return self._found(text, place)
        found = self._letters.search(text) if len(self._text) > 1 else None
        if found is None:
            return 0.0
        # The wider the letters lie apart, the less likely they are meant.
        spread = (found.end() - found.start()) / len(self._text)
        return _LETTERS / spread if spread <= 4 else 0.0

    def _found(self, text: str, place: int) -> float:
        part = len(self._text) / len(text)
        while place > 0 and text[place - 1].isalnum():
            place = text.find(self._text, place + 1)
        if place < 0:
            return _INSIDE + part
        end = place + len(self._text)
        ends_word = end == len(text) or not text[end].isalnum()
        return (_WHOLE if ends_word else _BEGINS) + part
