"""What Apply would say, from headers alone: LoRA files against a checkpoint and text encoders.

The same layers, key maps and match as in a running host, of outlines instead of tensors (reading/outline.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..blocks import ModelBlocks
from ..errors import BrokenFile, FileError, FitError, NotAModel, RackError
from ..families import Family, as_usual, families, usual_encoders
from ..key_maps import KeyMap, family_of_file, read_layout, text_encoder_names
from ..reading import Lora, PartialLora, group_keys, is_pickle, read_header, shards
from ..stack import Entry
from .matching import Match, match, settle
from .model_blocks import blocks_in
from .verdict import Verdict


@dataclass(frozen=True, eq=False)
class ModelNames:
    """The names a model and its text encoders answer to.

    `clip` are the text encoders in files; where there are none, `usual` are the sets of encoders the model's
    family is used with.
    """

    model: KeyMap | None
    clip: KeyMap | None
    usual: tuple[KeyMap, ...] = ()

    @classmethod
    def of_files(cls, checkpoint: Path, clips: Sequence[Path] = ()) -> ModelNames:
        """Read headers: of a checkpoint, whole or in shards, and of text encoders beside it.

        Raises FileError: BrokenFile for a file that cannot be read, NotAModel for one without a model.
        """
        shapes = _shapes(checkpoint)
        layout = read_layout(shapes)
        if not layout.model or (layout.family is None and group_keys(shapes).layers):
            instead = " but a text encoder" if layout.clip else ""
            remedy = "Name the checkpoint, or the model from models/diffusion_models"
            raise NotAModel(checkpoint, f"holds no diffusion model{instead}", remedy)
        model = layout.model_map()
        family = families().get(blocks_in(model).name)
        encoders = {} if clips else layout.clip_shapes()
        for clip in clips:
            encoders |= _encoder_shapes(clip, family)
        if encoders:
            return cls(model, KeyMap.of(text_encoder_names(encoders), encoders))
        sets = () if family is None else usual_encoders(family)
        return cls(model, None, tuple(KeyMap.of(text_encoder_names(shapes), shapes) for shapes in sets))

    @property
    def family(self) -> ModelBlocks | None:
        """The family of the model."""
        return None if self.model is None else blocks_in(self.model)

    def clip_for(self, lora: Lora) -> KeyMap | None:
        """The text encoders a LoRA meets: those in files, else the usual set that has most of its layers."""
        if self.clip is not None or not self.usual:
            return self.clip
        return max(self.usual, key=lambda names: len(match(lora, names).layers))

    def judge(self, entry: Entry, lora: PartialLora) -> Verdict:
        """The verdict on one entry."""
        outline = lora.outline
        clip = self.clip_for(outline)
        of_model, of_clip = settle(_match(outline, self.model), _match(outline, clip))
        return Verdict(
            entry,
            outline,
            of_model,
            of_clip,
            family_of_file(lora.metadata, outline.widths),
            self.family,
            None if clip is None else blocks_in(clip),
        )


def _match(lora: Lora, names: KeyMap | None) -> Match | None:
    return None if names is None else match(lora, names)


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of a file's tensors, or of all its shards'."""
    headers = [read_header(shard) for shard in shards(path)]
    return {key: info.shape for header in headers for key, info in header.tensors.items()}


def _encoder_shapes(path: Path, family: Family | None) -> dict[str, tuple[int, ...]]:
    layout = read_layout(_shapes(path))
    if not layout.clip:
        raise NotAModel(path, "holds no text encoder", "Name a file of models/text_encoders")
    found = layout.clip_shapes()
    is_one = len({key.partition(".")[0] for key in found}) == 1
    return as_usual(found, family) if is_one and family is not None else found


Kind = Literal["lora", "checkpoint", "unknown"]


@dataclass(frozen=True)
class FileVerdict:
    """One file given as a LoRA: what it is, what becomes of it, and why it cannot be applied."""

    path: Path
    kind: Kind
    verdict: Verdict | None
    error: RackError | None

    @property
    def fits(self) -> bool:
        """Whether all of it is applied."""
        return self.error is None and self.verdict is not None and self.verdict.state == "ok"


def judge_file(path: Path, names: ModelNames) -> FileVerdict:
    """The verdict on a file at strength 1. What is wrong with it is in the result, not raised."""
    try:
        verdict = names.judge(Entry(path.name.strip() or str(path)), PartialLora(path))
    except FileError as error:
        return FileVerdict(path, kind_of_refused(path, error), None, error)
    try:
        verdict.require_effect()
    except FitError as error:
        return FileVerdict(path, "lora", verdict, error)
    return FileVerdict(path, "lora", verdict, None)


def kind_of_refused(path: Path, error: FileError) -> Kind:
    """What a file is that could not be read as a LoRA."""
    try:
        if is_pickle(path):
            return "unknown"
        shapes = _shapes(path)
    except FileError:
        return "unknown"
    layout = read_layout(shapes)
    if layout.family or layout.clip:
        return "checkpoint"
    damaged = isinstance(error, BrokenFile) and group_keys(shapes).layers
    return "lora" if damaged else "unknown"
