"""Pickled files: read through torch's weights-only reader, and told by a typed error where they cannot be."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from oracles import patched
from torch import Tensor

from lora_core.errors import BrokenFile, FileError, NotALora
from lora_core.key_maps.key_map import Target
from lora_core.reading.contents import read_file
from lora_core.reading.lora import read_lora

UP, DOWN = "x.lora_up.weight", "x.lora_down.weight"
ONES = torch.ones


def _pair(up: Tensor | None = None) -> dict[str, Tensor]:
    return {UP: ONES(8, 2) if up is None else up, DOWN: ONES(2, 6)}


def _refused(path: Path) -> FileError:
    with pytest.raises(FileError) as raised:
        read_lora(read_file(path))
    assert raised.value.path == path
    assert raised.value.remedy
    return raised.value


class _Harmful:
    """A pickle that would run something."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return exec, ("raise SystemExit('a pickle ran')",)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("writer", [pickle.dump, torch.save], ids=["pickle", "torch"])
def test_a_pickle_runs_nothing(writer: Callable[..., None], tmp_path: Path) -> None:
    path = tmp_path / "bad.pt"
    with path.open("wb") as file:
        writer({UP: _Harmful()}, file)
    error = _refused(path)
    assert type(error) is BrokenFile
    assert "cannot be read safely" in str(error)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("zipped", [True, False])
def test_a_damaged_pickle_is_told_as_one(zipped: bool, tmp_path: Path) -> None:
    """Cut anywhere, and with any byte of its first hundred changed."""
    path = tmp_path / "bad.pt"
    torch.save(_pair(), path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    damaged = [whole[:end] for end in range(2, len(whole), 7)]
    damaged += [whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :] for at in range(2, 100)]
    blamed = []
    for content in damaged:
        path.write_bytes(content)
        try:
            read_lora(read_file(path))
        except FileError as error:
            blamed.append(error.path)
    assert len(blamed) > len(damaged) / 2
    assert set(blamed) == {path}


def test_a_zip_called_safetensors_is_told_as_a_pickle(tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "not a LoRA")
    error = _refused(path)
    assert type(error) is BrokenFile
    assert "cannot be read safely" in str(error)


@pytest.mark.filterwarnings("ignore:Validating sparse tensor")
@pytest.mark.parametrize(
    "up", [ONES(8, 2).to_sparse(), torch.empty(8, 2, device="meta")], ids=["sparse", "meta"]
)
def test_pickled_tensors_without_plain_numbers_are_named(up: Tensor, tmp_path: Path) -> None:
    path = tmp_path / "bad.pt"
    torch.save(_pair(up=up), path)
    error = _refused(path)
    assert type(error) is BrokenFile
    assert error.key == UP
    assert "is sparse, or holds no numbers" in str(error)


def test_a_pickled_embedding_is_told_as_one(tmp_path: Path) -> None:
    path = tmp_path / "bad.pt"
    torch.save({"string_to_token": {"*": 265}, "string_to_param": {"*": ONES(1, 768)}, "name": "cat"}, path)
    error = _refused(path)
    assert type(error) is NotALora
    assert "embedding" in str(error)


def test_pickled_parameters_are_plain_numbers(tmp_path: Path) -> None:
    path = tmp_path / "good.pt"
    torch.save({UP: torch.nn.Parameter(ONES(8, 2)), DOWN: torch.nn.Parameter(ONES(2, 6))}, path)
    lora = read_lora(read_file(path))
    changed = patched({"x.weight": torch.zeros(8, 6)}, {"x": Target("x.weight")}, [(lora, 1.0)])
    assert torch.equal(changed["x.weight"], torch.full((8, 6), 2.0))


def test_a_pickle_of_more_than_tensors_is_no_lora(tmp_path: Path) -> None:
    path = tmp_path / "bad.pt"
    torch.save({"epoch": 3, UP: ONES(8, 2)}, path)
    error = _refused(path)
    assert type(error) is NotALora
    assert "more than named tensors" in str(error)


def test_a_pickled_lora_is_read(tmp_path: Path) -> None:
    path = tmp_path / "good.pt"
    torch.save({"state_dict": _pair()}, path)
    assert read_lora(read_file(path)).layers["x"][0].rank == 2
