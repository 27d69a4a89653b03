"""What a text says about a picture, in ComfyUI's units."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class FileName:
    """A model file as a text names it. `hash` is in small hex digits, 8 to 64, or empty."""

    name: str = ""
    hash: str = ""

    def __bool__(self) -> bool:
        return bool(self.name or self.hash)


@dataclass(frozen=True)
class Hires:
    """A second pass at a larger size: `scale` times the first, or `width` × `height` in pixels.

    `steps` and `cfg` are None where they are those of the first pass; `sampler` and `scheduler` are empty.
    """

    denoise: float
    scale: float = 2.0
    width: int | None = None
    height: int | None = None
    steps: int | None = None
    cfg: float | None = None
    upscaler: str = ""
    sampler: str = ""
    scheduler: str = ""


@dataclass(frozen=True)
class Infotext:
    """A picture's recipe. `sampler` and `scheduler` are the program's names, `modules` the files of text
    encoders and VAEs beside the checkpoint, `guidance` that of a distilled model, `clip_skip` 1 for none.

    `remarks` say what was read otherwise than it stands, or is not taken over.
    """

    positive: str = ""
    negative: str = ""
    checkpoint: FileName = FileName()
    vae: FileName = FileName()
    modules: tuple[str, ...] = ()
    sampler: str = ""
    scheduler: str = ""
    steps: int = 20
    cfg: float = 7.0
    guidance: float | None = None
    seed: int = 0
    width: int = 512
    height: int = 512
    clip_skip: int = 1
    hires: Hires | None = None
    lora_hashes: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()

    def with_remarks(self, *remarks: str) -> Infotext:
        """The same with more to say about it, each thing once."""
        return replace(self, remarks=tuple(dict.fromkeys((*self.remarks, *remarks))))
