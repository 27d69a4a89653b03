"""Which of the files at hand is the detail, saturation or brightness slider.

What is known of slider files is data, sliders.json. A file is recognised by its name; by nothing else while
names suffice, since all else has to be read from every file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from ..errors import UnresolvedLora

SLIDERS = ("detail", "saturation", "brightness")

_KNOWN = Path(__file__).with_name("sliders.json")
_PUBLISHERS = "https://civitai.com/search/models?modelType=LORA&query={slider}%20slider"


@dataclass(frozen=True)
class KnownSlider:
    """A published slider file, or the names people give their own. `page` and `title` may be empty."""

    title: str
    family: str
    names: tuple[str, ...]
    hashes: tuple[str, ...]
    page: str
    source: str


@dataclass(frozen=True)
class Traces:
    """What a file's header and the files beside it say of where it comes from."""

    names: tuple[str, ...]  # the trainer's name for it, its title
    hashes: tuple[str, ...]  # lower-case hex of any length, of whatever definition


@lru_cache(maxsize=1)
def known_sliders() -> Mapping[str, tuple[KnownSlider, ...]]:
    """The table, by slider."""
    raw = json.loads(_KNOWN.read_text(encoding="utf-8"))
    return {slider: tuple(_known(**entry) for entry in entries) for slider, entries in raw.items()}


def _known(names: list[str], hashes: list[str], **rest: str) -> KnownSlider:
    return KnownSlider(names=tuple(names), hashes=tuple(hashes), **rest)


def candidates(slider: str, available: Sequence[str], traces_of: Callable[[str], Traces]) -> list[str]:
    """The files that are this slider, of `available` (paths relative to a loras folder).

    By file name; where no name fits, by hash, else by the names inside. `traces_of` is asked only then.
    """
    known = known_sliders()[slider]
    names = {_plain(name) for entry in known for name in entry.names}
    by_name = [name for name in available if _plain(_stem(name)) in names]
    if by_name:
        return by_name
    traces = {name: traces_of(name) for name in available}
    hashes = [known_hash for entry in known for known_hash in entry.hashes]
    by_hash = [n for n, t in traces.items() if any(found.startswith(h) for found in t.hashes for h in hashes)]
    titles = names | {_plain(entry.title) for entry in known if entry.title}
    return by_hash or [n for n, t in traces.items() if any(_plain(inside) in titles for inside in t.names)]


def choose(slider: str, found: Sequence[str], fits: Callable[[str], bool] | None) -> str:
    """The one file of `candidates`. `fits` says whether a file fits the model; None: no model is known.

    Raises UnresolvedLora when there is none, or when several remain.
    """
    if not found:
        raise UnresolvedLora(f"{slider} slider", (), _nothing(slider))
    if len(found) == 1:
        return found[0]
    fitting = [name for name in found if fits(name)] if fits is not None else list(found)
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(fitting or found)
    if fits is None:
        why = f"several files could be the {slider} slider: {listed}. Connect a model to choose by family"
    elif fitting:
        why = f"several files are a {slider} slider for the connected model: {listed}. More than one fits"
    else:
        why = f"none of the {slider} sliders here fits the connected model: {listed}. Get one of its family"
    raise UnresolvedLora(f"{slider} slider", fitting or found, f"{why}, or name the file instead of 'auto'")


def _nothing(slider: str) -> str:
    known = known_sliders()[slider]
    names = ", ".join(name for entry in known for name in entry.names)
    pages = [f"{entry.title} ({entry.family}) at {entry.page}" for entry in known if entry.page]
    published = "; ".join(pages) or f"search {_PUBLISHERS.format(slider=slider)}"
    return (
        f"no file here is known as a {slider} slider. Looked for the names {names} (with '-', '_' or spaces) "
        f"and, in headers and sidecars, for these and the known hashes. Published: {published}. "
        "Put one into a loras folder and refresh, or name any LoRA instead of 'auto'"
    )


def _stem(name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    return path.stem if path.suffix.lower() in (".safetensors", ".pt", ".ckpt", ".bin", ".pth") else path.name


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip().lower())
