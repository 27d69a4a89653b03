"""What people and tools wrote about a LoRA: in its header and in the files beside it.

Every tool has its own file: A1111 `name.json`, LoRA Manager `name.metadata.json`, rgthree
`name.safetensors.rgthree-info.json`, Civitai Helper `name.civitai.info`, Stability Matrix
`name.cm-info.json`, pysssss `name.txt` and `name.sha256`. None of them is trusted to be whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import BadJson
from ..reading import clean_hash
from ..untrusted import read_json, read_text
from .listing import Listing, Probe
from .sidecar_values import (
    Model,
    hashes_of,
    header_text,
    mapping,
    model_of,
    split_words,
    strength,
    text_of,
)

_MOST_LETTERS = 200_000  # about one LoRA, which every page of a list may hold; the longest notes have 20,000
_MOST_PROBLEMS = 8

_ENDINGS = {
    "a1111": ".json",
    "manager": ".metadata.json",
    "civitai": ".civitai.info",
    "matrix": ".cm-info.json",
}
_RGTHREE = ".rgthree-info.json"
_TEXTS = (".txt", ".description.txt")
_SHA256 = ".sha256"

# A1111's order, then SD.Next's, then what LoRA Manager has besides.
_PICTURES = ("png", "jpg", "jpeg", "webp", "gif", "avif", "jxl", "mp4", "webm")
_PREVIEWS = (
    *(f"{middle}.{extension}" for extension in _PICTURES for middle in ("", ".preview", ".thumb")),
    ".example.0.jpeg",
)


@dataclass(frozen=True)
class About:
    """All that is said about a LoRA; empty or None where nobody said it.

    `base_model` is as written ("SDXL 1.0"); `hashes` are claims by kind (hashes.py); `problems` name the
    damaged sidecars.
    """

    trigger_words: tuple[str, ...] = ()
    strength: float | None = None
    strength_clip: float | None = None
    base_model: str = ""
    page: str = ""
    title: str = ""
    notes: str = ""
    preview: str = ""  # a file name in the same folder
    hashes: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def about(path: Path, metadata: Mapping[str, str], listing: Listing | None = None) -> About:
    """Read everything beside a LoRA. `listing` is its folder, if the caller has it already.

    For each fact the first source that has it decides: what the user wrote (A1111, LoRA Manager's own
    fields), then the publisher (Civitai through whichever tool), then the trainer (the header).
    """
    listing = listing or Listing.of(path.parent)
    stem = path.name.removesuffix(path.suffix)
    preview = listing.first(stem + ending for ending in _PREVIEWS) or ""
    return _Beside(path, metadata, listing).about(preview)


def trigger_words(path: Path, metadata: Mapping[str, str]) -> tuple[str, ...]:
    """The words a LoRA answers to, best source first, each once."""
    return _Beside(path, metadata, Probe(path.parent)).trigger_words()


def words_stamp(path: Path) -> str:
    """Changes with the files beside a LoRA that trigger words may come from."""
    probe = Probe(path.parent)
    stem = path.name.removesuffix(path.suffix)
    names = (*(stem + ending for ending in _ENDINGS.values()), path.name + _RGTHREE)
    states = ((place, probe.state(name)) for place, name in enumerate(names))
    return " ".join(f"{place}:{state[0]}:{state[1]}" for place, state in states if state is not None)


def page_beside(path: Path) -> str:
    """Where a LoRA came from, by the files beside its place; it need not lie there any more."""
    return _first_text(model.page for model in _Beside(path, {}, Probe(path.parent)).models)


def names_beside(path: Path, listing: Listing) -> tuple[str, ...]:
    """The files of a folder that `about` looks at for one LoRA."""
    stem = path.name.removesuffix(path.suffix)
    endings = (*_ENDINGS.values(), *_TEXTS, _SHA256)
    wanted = [*(stem + ending for ending in endings), path.name + _RGTHREE]
    found = [*map(listing.find, wanted), listing.first(stem + ending for ending in _PREVIEWS)]
    return tuple(sorted({name for name in found if name is not None and name != path.name}))


class _Beside:
    """The sidecars of one LoRA, read."""

    def __init__(self, path: Path, metadata: Mapping[str, str], listing: Listing | Probe) -> None:
        self._listing = listing
        self._metadata = metadata
        self._stem = path.name.removesuffix(path.suffix)
        self._state = listing.state(path.name)
        self._problems: list[str] = []
        self._a1111 = self._json(self._stem + _ENDINGS["a1111"])
        self._manager = self._json(self._stem + _ENDINGS["manager"])
        self._rgthree = self._json(path.name + _RGTHREE)
        self._civitai = self._json(self._stem + _ENDINGS["civitai"])
        self._matrix = self._json(self._stem + _ENDINGS["matrix"])
        self.models = [*self._read_models()]

    def about(self, preview: str) -> About:
        models = self.models
        tips = self._usage_tips()
        found = About(
            trigger_words=self.trigger_words(),
            # A1111 writes 0 for "not set".
            strength=strength(self._a1111.get("preferred weight")) or strength(tips.get("strength")),
            strength_clip=_first(strength(tips.get(key)) for key in ("clip_strength", "clipStrength")),
            base_model=self._base_model(models),
            page=_first_text(model.page for model in models),
            title=self._title(models),
            notes=self._notes(),
            preview=preview,
            hashes=self._hashes(models),
            problems=tuple(self._problems),
        )
        letters = sum(map(len, _texts_of(found)))
        if letters <= _MOST_LETTERS:
            return found
        problem = f"the files beside it say {letters} letters about it, at most {_MOST_LETTERS} are kept"
        return About(preview=preview, problems=(*found.problems[:_MOST_PROBLEMS], problem))

    def _read_models(self) -> Iterator[Model]:
        """What a publisher's site says, through each tool that stores its answer."""
        yield model_of(mapping(self._manager.get("civitai")))
        yield model_of(self._rgthree_civitai())
        yield model_of(self._civitai)
        yield model_of(self._as_version(self._matrix))
        if "modelVersions" in self._a1111:  # SD.Next stores Civitai's model under A1111's name
            yield model_of(self._a1111)

    def _rgthree_civitai(self) -> Mapping[str, Any]:
        raw = mapping(mapping(self._rgthree.get("raw")).get("civitai"))
        return raw or {"baseModel": self._rgthree.get("baseModel"), "links": self._rgthree.get("links")}

    @staticmethod
    def _as_version(matrix: Mapping[str, Any]) -> Mapping[str, Any]:
        """Stability Matrix's fields under Civitai's names."""
        return {
            "id": matrix.get("VersionId"),
            "modelId": matrix.get("ModelId"),
            "baseModel": matrix.get("BaseModel"),
            "trainedWords": matrix.get("TrainedWords"),
            "model": {"name": matrix.get("ModelName")},
            "files": [{"hashes": mapping(matrix.get("Hashes"))}],
        }

    def trigger_words(self) -> tuple[str, ...]:
        """The best source's words, each once."""
        by_manager, by_rgthree, by_helper, *others = self.models
        sources = [
            self._a1111.get("activation text"),
            self._manager.get("trainedWords"),
            by_manager.words,
            self._rgthree.get("trainedWords"),
            by_rgthree.words,
            by_helper.words,
            *(model.words for model in others),
            header_text(self._metadata, "modelspec.trigger_phrase"),
        ]
        found = next((words for words in map(split_words, sources) if words), [])
        return tuple(dict.fromkeys(found))

    def _base_model(self, models: list[Model]) -> str:
        mine = text_of(self._a1111.get("sd version"))
        sources = [
            "" if mine.lower() == "unknown" else mine,
            text_of(self._manager.get("base_model")),
            *(model.base_model for model in models),
        ]
        return _first_text(sources)

    def _title(self, models: list[Model]) -> str:
        sources = [text_of(self._manager.get("model_name")), text_of(self._rgthree.get("name"))]
        sources += [model.name for model in models]
        return _first_text([*sources, header_text(self._metadata, "modelspec.title")])

    def _notes(self) -> str:
        sources = [text_of(self._a1111.get("notes")), text_of(self._manager.get("notes"))]
        if "modelVersions" not in self._a1111:
            sources.append(text_of(self._a1111.get("description")))
        return _first_text(sources) or _first_text(self._text(self._stem + ending) for ending in _TEXTS)

    def _usage_tips(self) -> Mapping[str, Any]:
        tips = self._manager.get("usage_tips")
        if not isinstance(tips, str) or not tips.strip():
            return mapping(tips)
        try:
            return mapping(read_json(tips))
        except BadJson as error:
            name = self._stem + _ENDINGS["manager"]
            self._problems.append(f"{name}: its usage_tips are not JSON ({error})")
            return {}

    def _hashes(self, models: list[Model]) -> Mapping[str, str]:
        """Claims about the file; those that tell of a file of another size are of an earlier one."""
        size = self._state[0] if self._state is not None else None
        found: dict[str, str] = {}
        for model in models:
            found |= hashes_of(model.files, size)
        if self._manager.get("size") in (None, size):
            found |= _stated(sha256=self._manager.get("sha256"), tensors=self._manager.get("autov3"))
        others = (self._rgthree.get("sha256"), self._text(self._stem + _SHA256))
        for stated in others if "sha256" not in found else ():
            found |= _stated(sha256=stated)
        return found

    def _text(self, name: str) -> str:
        found = self._listing.find(name)
        state = self._listing.state(found) if found is not None else None
        if found is None or state is None:
            return ""
        try:
            return read_text(self._listing.folder / found).strip()
        except OSError as error:
            self._problems.append(f"{found}: cannot be read ({error.strerror})")
        except BadJson as error:
            self._problems.append(f"{found}: {error.problem}")
        return ""

    def _json(self, name: str) -> Mapping[str, Any]:
        text = self._text(name)
        if not text:
            return {}
        try:
            value = read_json(text)
        except BadJson as error:
            self._problems.append(f"{name}: {error.problem}")
            return {}
        if not isinstance(value, dict):
            self._problems.append(f"{name}: is not a JSON object")
            return {}
        return value


def _stated(**values: Any) -> dict[str, str]:
    """The hashes among what a sidecar says they are, by kind."""
    return {kind: found for kind, value in values.items() if (found := clean_hash(value))}


def _texts_of(about: About) -> Iterator[str]:
    for value in vars(about).values():
        yield from (value,) if isinstance(value, str) else ()
        yield from (part for part in value if isinstance(part, str)) if isinstance(value, tuple) else ()


def _first(values: Iterator[float | None]) -> float | None:
    return next((value for value in values if value is not None), None)


def _first_text(values: Any) -> str:
    return next((value for value in values if value), "")
