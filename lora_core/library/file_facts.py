"""What a LoRA file says of itself without one tensor read: the rows of the index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import FileError
from ..key_maps import FileFamily, family_of_file, input_widths
from ..reading import Header, claimed_hashes, group_keys, is_pickle, read_header
from .listing import Listing
from .sidecar_values import header_text
from .sidecars import About, about

NO_PROBLEM = '"problem": ""'  # in the JSON of a file that could be read
_LONGEST_ALIAS = 255  # letters; an alias is a file's name


@dataclass(frozen=True)
class FileFacts:
    """Facts of a header and of the files beside it.

    `alias` is what the trainer called the file; `hashes` are the header's claims by kind (hashes.py);
    `problem` says why the header cannot be read, in which case only `about` is filled.
    """

    family: FileFamily = field(default_factory=FileFamily)
    alias: str = ""
    about: About = field(default_factory=About)
    hashes: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    @property
    def claims(self) -> tuple[tuple[str, Mapping[str, str]], ...]:
        """Hashes by kind, as 'header' and 'sidecar' claim them."""
        return ("header", self.hashes), ("sidecar", self.about.hashes)


def read_facts(path: Path, listing: Listing | None = None) -> FileFacts:
    """Read a file's header and sidecars. A file that is no LoRA has facts too: its problem."""
    header: Header | None = None
    problem = ""
    try:
        if is_pickle(path):
            problem = "is a pickled file, and its content shows only when the whole file is read"
        else:
            header = read_header(path)
    except FileError as error:
        problem = str(error)
    except OSError as error:
        problem = f"{path}: cannot be read ({error.strerror})"
    metadata = header.metadata if header is not None else {}
    beside = about(path, metadata, listing)
    if header is None:
        return FileFacts(about=beside, problem=problem)
    shapes = {key: info.shape for key, info in header.tensors.items()}
    grouped = group_keys(shapes)
    return FileFacts(
        family=family_of_file(metadata, input_widths(grouped, shapes), beside.base_model),
        alias=_alias(metadata),
        about=beside,
        hashes=claimed_hashes(metadata),
    )


def to_json(facts: FileFacts) -> dict[str, Any]:
    """Facts as plain values; `from_json` takes them back."""
    return asdict(facts)


def from_json(value: Mapping[str, Any]) -> FileFacts:
    """Raises TypeError, KeyError or AttributeError for what `to_json` did not write."""
    beside = {key: _frozen(item) for key, item in value["about"].items()}
    family = FileFamily(tuple(value["family"]["ids"]), value["family"]["source"])
    rest = {key: _frozen(item) for key, item in value.items() if key not in ("about", "family")}
    return FileFacts(about=About(**beside), family=family, **rest)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _alias(metadata: Mapping[str, str]) -> str:
    alias = header_text(metadata, "ss_output_name")
    return "" if len(alias) > _LONGEST_ALIAS else alias
