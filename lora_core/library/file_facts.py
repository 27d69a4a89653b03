"""What a LoRA file says of itself without one tensor read: the rows of the index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import FileError
from ..key_maps import FileFamily, family_of_file, input_widths
from ..reading import Grouped, Header, claimed_hashes, group_keys, is_pickle, read_header
from .listing import Listing
from .sidecar_values import header_text
from .sidecars import About, about

# A role only one kind of adapter has → the kind's name, as the adapters call themselves.
_KINDS = {
    "hada_w1_a": "LoHa",
    "lokr_w1": "LoKr",
    "lokr_w1_a": "LoKr",
    "glora_a1": "GLoRA",
    "oft_blocks": "OFT",
    "ia3_weight": "IA³",
    "ia3_l": "IA³",
    "down": "LoRA",
    "diff": "full difference",
    "set_weight": "full difference",
}
NO_PROBLEM = '"problem": ""'  # in the JSON of a file that could be read
_LONGEST_ALIAS = 255  # letters; an alias is a file's name
_RANK_ROLES = ("down", "hada_w1_b", "lokr_w1_b", "lokr_w2_b")


@dataclass(frozen=True)
class FileFacts:
    """Facts of a header and of the files beside it.

    `kinds` are guessed from key names, the commonest first; `rank` is the commonest, None where there is
    none; `alias` is what the trainer called the file; `hashes` are the header's claims by kind (hashes.py);
    `problem` says why the header cannot be read, in which case only `about` is filled.
    """

    kinds: tuple[str, ...] = ()
    rank: int | None = None
    layers: int = 0
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
        kinds=_kinds(grouped),
        rank=_rank(grouped, shapes),
        layers=len(grouped.layers),
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


def _groups(grouped: Grouped) -> Iterable[Mapping[str, str]]:
    return (roles for spellings in grouped.layers.values() for roles in spellings)


def _kinds(grouped: Grouped) -> tuple[str, ...]:
    counts = Counter[str]()
    for roles in _groups(grouped):
        kind = next((kind for role, kind in _KINDS.items() if role in roles), None)
        if kind is not None:
            counts["DoRA" if kind == "LoRA" and {"dora_scale", "magnitude"} & roles.keys() else kind] += 1
    return tuple(kind for kind, _ in counts.most_common())


def _rank(grouped: Grouped, shapes: Mapping[str, tuple[int, ...]]) -> int | None:
    ranks = Counter[int]()
    for roles in _groups(grouped):
        found = [shapes[roles[role]][0] for role in _RANK_ROLES if role in roles and shapes[roles[role]]]
        ranks.update(found[:1])
    return ranks.most_common(1)[0][0] if ranks else None
