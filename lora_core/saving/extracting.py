"""What a fine-tuned checkpoint changes of the one it was made from, as a LoRA.

Both files pass through memory a tensor at a time; of each difference only the factors stay. Matrices and
convolutions become factors, norms and biases differences.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil, prod
from pathlib import Path

import torch
from torch import Tensor

from ..adapters import energy
from ..applying import blocks_in
from ..baking import scale_keys
from ..changes import WeightChange
from ..errors import CannotSave
from ..key_maps import Checkpoint, KeyMap, StoredAt, read_layout
from ..reading import Header, TensorReader, read_header
from .compress import Spectral, leading, leading_for_energy
from .layers import SavedWeight, save_weight
from .naming import NamedLayer, Namer
from .planning import SavePlan, header_bound
from .sizing import Size, choose_ranks

_ROOM = 4  # with a size, how many times the even rank a layer may get


@dataclass(frozen=True, eq=False)
class _Pair:
    """A weight that is in both checkpoints."""

    key: str
    block: str
    layers: tuple[NamedLayer, ...]
    shape: tuple[int, ...]
    tuned: StoredAt
    base: StoredAt
    why_not: str  # it cannot be in the LoRA; empty where it can

    @property
    def is_matrix(self) -> bool:
        """Whether it becomes factors."""
        return len(self.shape) > 1 and not self.key.endswith(".bias")


def plan_extract(
    tuned: Path,
    base: Path,
    size: Size,
    dtype: torch.dtype = torch.float32,
    naming: str = "ComfyUI",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> SavePlan:
    """Work the LoRA out; `progress` gets weights done and weights in all.

    Raises CannotSave for two checkpoints that have nothing in common or do not differ, FileError for files
    that cannot be used.
    """
    headers = read_header(tuned), read_header(base)
    missing = Counter[str]()
    pairs = [*_pairs(headers, naming, missing)]
    others = header_bound([layer.name for pair in pairs for layer in pair.layers], 2)
    limit = _rank_limit(size, pairs, dtype, others)
    spectra: dict[str, Spectral] = {}
    whole: dict[str, Tensor] = {}
    for done, (pair, change) in enumerate(_differences(pairs, headers), start=1):
        progress(done, len(pairs))
        if not bool(change.any()):
            continue
        if pair.why_not:
            missing[pair.why_not] += 1
        elif not pair.is_matrix:
            whole[pair.key] = change
        elif size.keep is not None:
            spectra[pair.key] = leading_for_energy(change, size.keep)
        else:
            spectra[pair.key] = leading(change, min(limit, *change.flatten(1).shape))
    if not spectra and not whole:
        raise CannotSave(f"{tuned.name} and {base.name} have the same weights. There is nothing to extract")
    ranks = choose_ranks(
        spectra, size, dtype, others + sum(map(torch.numel, whole.values())) * dtype.itemsize
    )
    saved: list[SavedWeight] = []
    for pair in pairs:
        if pair.key in whole:
            change = whole[pair.key]
            saved.append(save_weight(pair.block, pair.layers, _as_it_is(change), dtype, energy(change)))
        elif pair.key in spectra:
            found, rank = spectra.pop(pair.key), ranks[pair.key]
            kept = found.cut(rank)
            saved.append(save_weight(pair.block, pair.layers, kept, dtype, found.energy, found.lost(rank)))
    notes = tuple(f"{count} weights {why}, and are not in the LoRA" for why, count in missing.items())
    return SavePlan(tuple(saved), notes, (tuned, base), _facts(headers[0], tuned, base))


def _layout(header: Header) -> Checkpoint:
    layout = read_layout({key: info.shape for key, info in header.tensors.items()})
    if not layout.model and not layout.clip:
        raise CannotSave(f"{header.stamp.path}: holds no model that is known. Name a checkpoint")
    return layout


def _require_one_family(headers: tuple[Header, Header], layouts: tuple[Checkpoint, Checkpoint]) -> None:
    tuned, base = (
        f"{header.stamp.path.name} is {layout.description}"
        for header, layout in zip(headers, layouts, strict=True)
    )
    if layouts[0].description != layouts[1].description:
        raise CannotSave(f"{tuned}, {base}. Name the checkpoint that the first was tuned from")


def _pairs(headers: tuple[Header, Header], naming: str, missing: Counter[str]) -> Iterator[_Pair]:
    """The weights of both, with the layers that stand for them; what is in the tuned one only is counted."""
    tuned, base = (_layout(header) for header in headers)
    _require_one_family(headers, (tuned, base))
    for is_text, mine, others, names in (
        (False, tuned.model, base.model, tuned.model_map),
        (True, tuned.clip, base.clip, tuned.clip_map),
    ):
        key_map = names() if mine else KeyMap({}, {})
        namer = Namer(naming, key_map, is_text)
        for key, place in mine.items():
            other = others.get(key)
            if other is None:
                missing["are in the tuned checkpoint only"] += 1
                continue
            layers = tuple(namer.find(key)) if key.endswith((".weight", ".bias")) else ()
            shape = key_map.shapes[key]
            if shape != other.shape(base.shapes[other.key]):
                missing["have another shape in the base"] += 1
                continue
            why_not = "" if layers else f"have no name as {naming} writes them"
            if not headers[0].tensors[place.key].dtype.is_floating_point:
                why_not = "are packed"
            yield _Pair(key, blocks_in(key_map).place(key).block, layers, shape, place, other, why_not)


def _differences(pairs: list[_Pair], headers: tuple[Header, Header]) -> Iterator[tuple[_Pair, Tensor]]:
    """Each weight of the tuned checkpoint minus the base's, in float32."""
    with TensorReader(headers[0]) as tuned, TensorReader(headers[1]) as base:
        scales = [scale_keys(header, header.tensors) for header in headers]
        for pair in pairs:
            change = _weight(tuned, pair.tuned, scales[0]).clone()
            change -= _weight(base, pair.base, scales[1])
            if not bool(torch.isfinite(change).all()):
                raise CannotSave(f"{pair.key} has numbers that are not finite in one of the checkpoints")
            yield pair, change
        tuned.require_unchanged()
        base.require_unchanged()


def _weight(reader: TensorReader, place: StoredAt, scales: Mapping[str, str]) -> Tensor:
    stored = reader.read(place.key).to(torch.float32)
    if place.key in scales:
        stored *= reader.read(scales[place.key]).to(torch.float32)
    return place.view(stored)


def _rank_limit(size: Size, pairs: list[_Pair], dtype: torch.dtype, other_bytes: int) -> int:
    """The highest rank any layer may get, which bounds what is kept in memory."""
    if size.rank is not None:
        return size.rank
    if size.max_bytes is None:
        return 0
    numbers = max(size.max_bytes - other_bytes, 0) / dtype.itemsize
    each = sum(pair.shape[0] + prod(pair.shape[1:]) for pair in pairs if pair.is_matrix)
    return max(1, ceil(_ROOM * numbers / each)) if each else 1


def _as_it_is(change: Tensor) -> WeightChange:
    none = torch.zeros(change.shape[0], 0), torch.zeros(0, prod(change.shape[1:]))
    return WeightChange(tuple(change.shape), *none, change)


def _facts(header: Header, tuned: Path, base: Path) -> dict[str, str]:
    found = {"ss_network_module": "networks.lora", "modelspec.sai_model_spec": "1.0.0"}
    found["modelspec.title"] = f"{tuned.stem} minus {base.stem}"
    architecture = header.metadata.get("modelspec.architecture")
    if architecture:
        found["modelspec.architecture"] = f"{architecture.removesuffix('/lora')}/lora"
    found["lora_rack.extracted"] = json.dumps({"tuned": tuned.name, "base": base.name}, ensure_ascii=False)
    return found
