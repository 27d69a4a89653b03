"""Bare names of textual inversions in a prompt, spelled as ComfyUI's text encoders want them.

A1111 takes an installed embedding's name anywhere in a prompt for the embedding; ComfyUI asks for
`embedding:` before it, at the beginning of a word. The prompt has no tags left (grammar.read_prompt).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

PREFIX = "embedding:"

# ComfyUI ends an embedding's name at the first space, and reads brackets as weights.
_UNREADABLE = re.compile(r"[\s,()\\]")
_WEIGHT = re.compile(r":\s*[+-]?[\d.]+\s*\)")
_COMMAS = re.compile(r",+(?=\s|\)|\Z)")


def prefix_embeddings(prompt: str, installed: Iterable[str]) -> str:
    """The prompt with `embedding:` before every bare name of an installed embedding.

    `installed` holds paths relative to the embeddings folders; a name is the file's stem, as in A1111. Names
    match as whole words, in any case, the longest first, and are written as the file is spelled. A space is
    added where ComfyUI would not see where the name begins or ends. Everything else stays to the byte.
    """
    names = _names(installed)
    if not names:
        return prompt
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    pattern = re.compile(
        rf"{PREFIX}\S*|(?<![\w/\\.-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w/-]|\.\w|\\[^()])",
        re.IGNORECASE,
    )
    return pattern.sub(lambda found: _spelled(found, names), prompt)


def _names(installed: Iterable[str]) -> dict[str, list[str]]:
    """Lower-case stem → the stems spelled so, those left out that ComfyUI cannot read in a prompt."""
    names: dict[str, list[str]] = {}
    for path in installed:
        stem = PurePosixPath(path.replace("\\", "/")).stem
        spellings = names.setdefault(stem.lower(), []) if stem and not _UNREADABLE.search(stem) else []
        if stem not in spellings:
            spellings.append(stem)
    return names


def _spelled(found: re.Match[str], names: dict[str, list[str]]) -> str:
    word = found[0]
    spellings = names.get(word.lower(), [])
    if len(spellings) > 1:  # files that differ by case alone: only an exact name says which
        spellings = [word] if word in spellings else []
    if not spellings:
        return word
    before = "" if _begins_a_word(found.string, found.start()) else " "
    after = "" if _ends_a_name(found.string, found.end()) else " "
    return f"{before}{PREFIX}{spellings[0]}{after}"


def _begins_a_word(prompt: str, start: int) -> bool:
    """Whether ComfyUI looks for an embedding here: after a space or a line end, or where a weight begins."""
    before = prompt[:start]
    return before == "" or before[-1] in " \n" or (before[-1] in "()" and before[-2:-1] != "\\")


def _ends_a_name(prompt: str, end: int) -> bool:
    """Whether ComfyUI ends the name here: at a space, at a bracket of weights, or at commas before those."""
    commas = _COMMAS.match(prompt, end)
    end = commas.end() if commas else end
    return (
        end == len(prompt) or prompt[end].isspace() or prompt[end] in "()" or bool(_WEIGHT.match(prompt, end))
    )
