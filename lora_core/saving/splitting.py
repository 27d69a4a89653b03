"""One LoRA as two files: the layers of the text encoder, or of some blocks, and all others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from ..blocks import NEUTRAL, BlockWeights
from ..changes import StackRow, changed_weights
from ..errors import CannotSave
from ..reading import PartialLora, read_file
from ..stack import Entry
from .layers import SavedWeight
from .planning import SavePlan

_OF_THE_WHOLE = ("sshs_model_hash", "sshs_legacy_hash", "modelspec.hash_sha256")


def plan_split(file: Path, blocks: BlockWeights | None, outs: Sequence[Path]) -> tuple[SavePlan, SavePlan]:
    """The two parts of a LoRA, each ready to be written. `blocks` None parts the text encoder from the model;
    else the layers with a block weight other than 0 come first.

    Raises CannotSave where one part would be empty, BadBlockText for blocks the LoRA's family does not have.
    """
    if outs[0].resolve() == outs[1].resolve():
        raise CannotSave(f"{outs[0]}: both parts have the same name. Choose two")
    lora = PartialLora(file)
    model = 0.0 if blocks is None else 1.0
    row = StackRow(Entry(file.name.strip() or "lora", model, 1.0, blocks=blocks or NEUTRAL), lora)
    keys = {
        key for weight in changed_weights([row]) for layer in weight.layers(0) for key in lora.keys(layer)
    }
    tensors = read_file(file).tensors
    parts = keys & tensors.keys(), tensors.keys() - keys
    if not parts[0] or not parts[1]:
        what = "of the text encoder" if blocks is None else f"in {blocks.text}"
        raise CannotSave(
            f"{file}: {'all' if parts[0] else 'none'} of its layers are {what}. There is nothing to part"
        )
    first, rest = (_part(file, lora.metadata, tensors, part) for part in parts)
    return first, rest


def _part(
    file: Path, metadata: Mapping[str, str], tensors: Mapping[str, Tensor], keys: Collection[str]
) -> SavePlan:
    facts = {key: value for key, value in metadata.items() if key not in _OF_THE_WHOLE}
    facts["lora_rack.part_of"] = file.name
    return SavePlan((SavedWeight("", {key: tensors[key] for key in keys}, 0, 0.0, 0.0),), (), (file,), facts)
