"""What a site says of a file before the first byte of it is taken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..families import family_called
from ..reading import is_match

_NOT_IN_A_NAME = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]+')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
_MAX_NAME = 120
ENDING = ".safetensors"


@dataclass(frozen=True)
class Licence:
    """Under which terms a file may be used. `forbids` are short phrases, such as "selling the images"."""

    name: str = ""
    forbids: tuple[str, ...] = ()

    def __str__(self) -> str:
        said = self.name or "not stated"
        return f"{said}; forbids {', '.join(self.forbids)}" if self.forbids else said


@dataclass(frozen=True)
class Candidate:
    """One file of a site. `size` is in bytes, None where the site does not say; `hashes` are by kind, as
    reading/hashes.py names them; `details` is the site's own answer, for the file beside the LoRA.
    """

    site: str
    file_name: str
    url: str
    page: str
    size: int | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    base_model: str = ""
    trigger_words: tuple[str, ...] = ()
    licence: Licence = Licence()
    preview: str = ""  # address of a picture
    details: Mapping[str, object] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """64 hex digits in lower case; empty where the site does not say."""
        return self.hashes.get("sha256", "")

    @property
    def family(self) -> str:
        """The family of models the site says it is for; empty where it does not say, or nobody knows it."""
        called = family_called(self.base_model)
        return called.title if called is not None else ""

    def has(self, wanted: str) -> bool:
        """Whether the site says that the file has this hash."""
        return any(is_match(kind, known, wanted) for kind, known in self.hashes.items())

    @property
    def safe_name(self) -> str:
        """Its name as a file of a loras folder, and as a tag can hold it."""
        stem = self.file_name.replace("\\", "/").rpartition("/")[2]
        stem = stem[: -len(ENDING)] if stem.lower().endswith(ENDING) else stem.rpartition(".")[0] or stem
        stem = _NOT_IN_A_NAME.sub("_", stem).strip(" .")[:_MAX_NAME].strip(" .") or "lora"
        return (f"_{stem}" if _RESERVED.fullmatch(stem) else stem) + ENDING

    def as_json(self) -> dict[str, object]:
        """What a person is shown before anything is downloaded."""
        return {
            "site": self.site,
            "name": self.safe_name,
            "title": self.title,
            "page": self.page,
            "size": self.size,
            "sha256": self.sha256,
            "base_model": self.base_model,
            "family": self.family,
            "trigger_words": list(self.trigger_words),
            "licence": self.licence.name,
            "forbids": list(self.licence.forbids),
        }
