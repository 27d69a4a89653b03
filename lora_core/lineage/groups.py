"""Files that belong together, from the closest kinship to the loosest; each file is told once a kind."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from pathlib import Path

import torch

from .fingerprints import Fingerprint

KINDS = {
    "content": "the same file",
    "tensors": "the same tensors, other metadata",
    "change": "the same change",
    "near": "nearly the same change, such as one of another rank",
    "training": "from one training",
    "related": "related changes, such as one trained on from the other",
}
_SAME, _NEAR, _RELATED = 0.9999, 0.9, 0.35  # cosines; sketches of changes without relation are within ± 0.3


@dataclass(frozen=True)
class Member:
    """A file of a group. At `strength` the first file of the group does what this one does at 1."""

    path: Path
    cosine: float | None = None  # with the first of the group
    strength: float | None = None
    epoch: int | None = None
    steps: int | None = None


@dataclass(frozen=True)
class Group:
    """Files of one kinship, which is a key of KINDS."""

    kind: str
    members: tuple[Member, ...]

    @property
    def words(self) -> str:
        """The kinship for people."""
        return KINDS[self.kind]


def group(files: Sequence[Fingerprint]) -> list[Group]:
    """The groups of a folder. Of files that are alike in a closer way only the first goes on to the next."""
    found: list[Group] = []
    left = _alike(found, "content", files, lambda file: file.content)
    left = _alike(found, "tensors", left, lambda file: file.tensors)
    cosines = _cosines(left)
    left = _close(found, "change", left, cosines, _SAME)
    left = _close(found, "near", left, cosines, _NEAR)
    left = _trainings(found, left, cosines)
    _close(found, "related", left, cosines, _RELATED)
    return found


_Cosines = dict[tuple[Path, Path], tuple[float, float]]
"""Two files → the cosine of their changes, and the strength of the first that is the second."""


def _alike(
    found: list[Group], kind: str, files: Sequence[Fingerprint], key: Callable[[Fingerprint], Hashable]
) -> list[Fingerprint]:
    groups: dict[Hashable, list[Fingerprint]] = {}
    for file in files:
        groups.setdefault(key(file), []).append(file)
    found += [Group(kind, tuple(Member(f.path) for f in same)) for same in groups.values() if len(same) > 1]
    return [same[0] for same in groups.values()]


def _close(
    found: list[Group],
    kind: str,
    files: Sequence[Fingerprint],
    cosines: _Cosines,
    least: float,
) -> list[Fingerprint]:
    """Files whose change is as close as `least` to that of a first one, and that are of another training."""
    left = list(files)
    firsts: list[Fingerprint] = []
    while left:
        first, *others = left
        near = [
            other
            for other in others
            if abs(cosines.get((first.path, other.path), (0.0, 0.0))[0]) >= least
            and not (first.session and first.session == other.session)
        ]
        if near:
            rest = (Member(o.path, *cosines[first.path, o.path], o.epoch, o.steps) for o in near)
            found.append(Group(kind, (Member(first.path, 1.0, 1.0, first.epoch, first.steps), *rest)))
        firsts.append(first)
        left = [other for other in others if other not in near]
    return firsts


def _trainings(found: list[Group], files: Sequence[Fingerprint], cosines: _Cosines) -> list[Fingerprint]:
    """Files that name one training, in the order of their steps; those that name none go on."""
    sessions: dict[str, list[Fingerprint]] = {}
    for file in files:
        if file.session:
            sessions.setdefault(file.session, []).append(file)
    firsts = [file for file in files if not file.session]
    for same in sessions.values():
        same.sort(key=lambda file: (file.steps or file.epoch or 0, file.path))
        firsts.append(same[-1])
        if len(same) > 1:
            members = (Member(f.path, _between(cosines, same[0], f), None, f.epoch, f.steps) for f in same)
            found.append(Group("training", tuple(members)))
    return sorted(firsts, key=lambda file: file.path)


def _between(cosines: _Cosines, one: Fingerprint, other: Fingerprint) -> float | None:
    pair = cosines.get((one.path, other.path)) or cosines.get((other.path, one.path))
    return 1.0 if one is other else None if pair is None else pair[0]


def _cosines(files: Sequence[Fingerprint]) -> _Cosines:
    """Of every two files with weights in common; a weight that one lacks is no change there."""
    found: _Cosines = {}
    for same in _of_shared_keys(files):
        keys = sorted({key for file in same for key in file.sketch})
        zero = torch.zeros_like(next(iter(same[0].sketch.values())))
        rows = torch.stack([torch.cat([file.sketch.get(key, zero) for key in keys]) for file in same])
        products = (rows @ rows.T).tolist()
        for (i, one), (j, other) in combinations(enumerate(same), 2):
            size = sqrt(products[i][i] * products[j][j])
            if size > 0:
                found[one.path, other.path] = (products[i][j] / size, products[i][j] / products[i][i])
    return found


def _of_shared_keys(files: Iterable[Fingerprint]) -> list[list[Fingerprint]]:
    """Files that share a weight with one of their group; LoRAs of two families do not."""
    groups: list[tuple[set[str], list[Fingerprint]]] = []
    for file in files:
        if not file.sketch:
            continue
        keys, members = set(file.sketch), [file]
        apart = []
        for known, same in groups:
            if known.isdisjoint(keys):
                apart.append((known, same))
            else:
                keys |= known
                members = [*same, *members]
        groups = [*apart, (keys, members)]
    return [sorted(members, key=lambda file: file.path) for _, members in groups]
