"""What is here of the files that a recipe names: checkpoints and what goes with them."""

from __future__ import annotations

import logging
from pathlib import Path

import comfy.samplers
import folder_paths

from ...lora_core.errors import RackError
from ...lora_core.infotext import FileName, Here, ModelFacts, Shelf
from ...lora_core.key_maps import read_layout
from ...lora_core.library import Index, Library, Limits
from ...lora_core.reading import is_pickle, read_header
from ...lora_core.stack import Entry
from .library import look_up

# Checkpoints by their hash, which is measured once and kept beside the index of LoRAs.
CHECKPOINTS = Index(
    Path(folder_paths.get_user_directory()) / "lora_rack" / "checkpoints.sqlite3",
    logging.getLogger(__name__).warning,
)
_WHILE_A_PERSON_WAITS = Limits(headers=500, bytes=2**32, files=2000)  # some ten seconds of a fast disk


def what_is_here() -> Here:
    """The host's files, samplers and schedules as a recipe may name them."""
    return Here(
        checkpoints=_shelf("checkpoints"),
        diffusion_models=_shelf("diffusion_models"),
        text_encoders=Shelf(_names("text_encoders")),
        vaes=Shelf(_names("vae")),
        loras=Shelf(_names("loras"), _lora),
        samplers=tuple(comfy.samplers.KSampler.SAMPLERS),
        schedulers=tuple(comfy.samplers.KSampler.SCHEDULERS),
        facts_of=_facts,
    )


def _names(folder: str) -> tuple[str, ...]:
    return tuple(folder_paths.get_filename_list(folder))


def _shelf(folder: str) -> Shelf:
    names = _names(folder)

    def search(wanted: FileName) -> str:
        """The file of a hash. One that only much reading would find is not found."""
        if not wanted.hash:
            return ""
        library = Library(names, lambda name: _path(folder, name), CHECKPOINTS)
        try:
            return library.find(wanted.name or wanted.hash, wanted.hash, _WHILE_A_PERSON_WAITS)
        except RackError:
            return ""

    return Shelf(names, search)


def _lora(wanted: FileName) -> str:
    try:
        return look_up(Entry(wanted.name, hash=wanted.hash))
    except RackError:
        return ""


def _facts(name: str) -> ModelFacts:
    """What the header of a checkpoint or a diffusion model tells; the usual where it cannot be read."""
    path = _path("checkpoints", name) or _path("diffusion_models", name)
    if path is None or is_pickle(path) or path.suffix.lower() != ".safetensors":
        return ModelFacts()
    try:
        layout = read_layout({key: info.shape for key, info in read_header(path).tensors.items()})
    except RackError:
        return ModelFacts()
    return ModelFacts(layout.family.id if layout.family is not None else "", bool(layout.encoders))


def _path(folder: str, name: str) -> Path | None:
    found = folder_paths.get_full_path(folder, name)
    return Path(found) if found else None
