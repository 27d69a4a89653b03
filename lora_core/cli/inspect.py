"""inspect: what a file is, in a few lines."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..baking import baked
from ..errors import FileError
from ..key_maps import Checkpoint, family_of_file, is_text_encoder, read_layout
from ..library import trigger_words
from ..reading import Header, Lora, PartialLora, Stamp, holds_adapters, is_pickle, known_hashes, read_header
from .output import add_json_option, print_error, print_json, size_text, table

# Metadata worth a line: kohya's ss_* and modelspec's, see their README and "sai_model_spec".
_TOLD = (
    "modelspec.title",
    "modelspec.architecture",
    "modelspec.author",
    "modelspec.description",
    "modelspec.license",
    "modelspec.date",
    "ss_output_name",
    "ss_base_model_version",
    "ss_sd_model_name",
    "ss_network_module",
    "ss_network_dim",
    "ss_network_alpha",
    "ss_network_args",
    "ss_num_train_images",
    "ss_steps",
    "ss_training_comment",
    "software",
)
_LONGEST = 80


def add_to(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "inspect",
        help="describe files",
        description="Describe files: format, ranks, layers, family, metadata, trigger words.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument(
        "--hashes", action="store_true", help="also print the hashes that Civitai and A1111 use"
    )
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """One paragraph a file, or a JSON list; 2 when one cannot be used, which keeps no other out."""
    facts: list[dict[str, Any]] = []
    for path in options.files:
        try:
            facts.append(_facts(path, options.hashes))
        except FileError as error:
            print_error(error)
    if options.json:
        print_json(facts)
    elif facts:
        print("\n\n".join(map(_text, facts)))
    return 0 if len(facts) == len(options.files) else 2


def _facts(path: Path, with_hashes: bool) -> dict[str, Any]:
    header = None if is_pickle(Stamp.of(path).path) else read_header(path)
    layout = read_layout({key: info.shape for key, info in header.tensors.items()}) if header else None
    facts: dict[str, Any] = {"path": str(path)}
    is_lora = header is not None and holds_adapters(header.tensors)
    if header is not None and layout is not None and not is_lora and (layout.family or layout.clip):
        facts |= _checkpoint_facts(header, layout)
    else:
        facts |= _lora_facts(path, PartialLora(path))
    if with_hashes:
        facts["hashes"] = known_hashes(path, header)
    return facts


def _checkpoint_facts(header: Header, layout: Checkpoint) -> dict[str, Any]:
    sizes = Counter[str]()
    for info in header.tensors.values():
        sizes[info.dtype.name] += info.stop - info.start
    return {
        "kind": "checkpoint",
        "family": layout.description,
        "size_bytes": header.stamp.size,
        "tensors": len(header.tensors),
        "tensors_model": len({place.key for place in layout.model.values()}),
        "tensors_text_encoder": len({place.key for place in layout.clip.values()}),
        "text_encoders": list(layout.encoders),
        "dtypes": {name: size for name, size in sizes.most_common()},
        "baked": _baked(header.metadata),
        "metadata": dict(header.metadata),
    }


def _baked(metadata: Mapping[str, str]) -> list[str]:
    return [
        str(record["stack"]) for record in baked(metadata) if isinstance(record, dict) and "stack" in record
    ]


def _lora_facts(path: Path, partial: PartialLora) -> dict[str, Any]:
    lora = partial.outline
    made_for = family_of_file(lora.metadata, lora.widths)
    text = sum(map(is_text_encoder, lora.layers))
    return {
        "kind": "LoRA",
        "family": str(made_for) if made_for.ids else None,
        "size_bytes": partial.stamp.size,
        "formats": {kind: ranks.total() for kind, ranks in lora.kinds.items()},
        "ranks": _ranks(lora),
        "layers": len(lora.layers),
        "layers_model": len(lora.layers) - text,
        "layers_text_encoder": text,
        "dtypes": _dtypes(partial),
        "unknown_keys": list(lora.unknown_keys),
        "embeddings": list(lora.embeddings),
        "notes": list(lora.notes),
        "trigger_words": list(trigger_words(path, lora.metadata)),
        "metadata": dict(lora.metadata),
    }


def _ranks(lora: Lora) -> dict[str, int]:
    """How many layers have each rank, lowest first."""
    ranks = Counter[int]()
    for kind in lora.kinds.values():
        ranks.update({rank: count for rank, count in kind.items() if rank is not None})
    return {str(rank): ranks[rank] for rank in sorted(ranks)}


def _dtypes(partial: PartialLora) -> dict[str, int]:
    if partial.header is None:
        return {}
    return dict(Counter(info.dtype.name for info in partial.header.tensors.values()).most_common())


def _text(facts: Mapping[str, Any]) -> str:
    family = facts["family"] or "an unknown family"
    title = f"{facts['path']}: {facts['kind']}, {family}, {size_text(facts['size_bytes'])}"
    rows = list(_checkpoint_rows(facts) if facts["kind"] == "checkpoint" else _lora_rows(facts))
    metadata = facts["metadata"]
    rows += [(key, _short(metadata[key])) for key in _TOLD if metadata.get(key) not in (None, "", "None")]
    rows += [(name, value) for name, value in facts.get("hashes", {}).items()]
    return "\n".join([title, *(f"  {line}" for line in table(rows).splitlines())])


def _checkpoint_rows(facts: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    parts = f"{facts['tensors_model']} model, {facts['tensors_text_encoder']} text encoder"
    yield "tensors", f"{facts['tensors']}: {parts}"
    if facts["text_encoders"]:
        yield "text encoders", ", ".join(facts["text_encoders"])
    yield "dtypes", ", ".join(f"{name} {size_text(size)}" for name, size in facts["dtypes"].items())
    for stack in facts["baked"]:
        yield "baked in", stack.replace("\n", " ")


def _lora_rows(facts: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    yield "formats", ", ".join(f"{name} ({count} layers)" for name, count in facts["formats"].items())
    if facts["ranks"]:
        yield "ranks", ", ".join(f"{rank} ({count} layers)" for rank, count in facts["ranks"].items())
    parts = f"{facts['layers_model']} model, {facts['layers_text_encoder']} text encoder"
    yield "layers", f"{facts['layers']}: {parts}"
    if facts["dtypes"]:
        yield "dtypes", ", ".join(f"{name} ({count} tensors)" for name, count in facts["dtypes"].items())
    if facts["trigger_words"]:
        yield "trigger words", ", ".join(facts["trigger_words"])
    if facts["embeddings"]:
        yield "embeddings", ", ".join(facts["embeddings"])
    for note in facts["notes"]:
        yield "note", note
    if facts["unknown_keys"]:
        yield "unknown keys", f"{len(facts['unknown_keys'])}, such as {facts['unknown_keys'][0]}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
