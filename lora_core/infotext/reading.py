"""A recipe out of a text, whichever program wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..errors import BadInfotext
from ..grammar import scan_prompt
from .fields import read_fields
from .loras import hashes_of, resources_of, with_tags
from .record import FileName, Hires, Infotext
from .taken import Taken, number

_MOST_STEPS, _MOST_CFG, _MOST_SEED, _MOST_SKIP = 10_000, 100.0, 2**64 - 1, 24  # of the host's nodes
_LEAST_SCALE, _MOST_SCALE = 0.01, 8.0
_FOREIGN = (
    (re.compile(r"\bAND\b"), "AND"),
    (re.compile(r"\bBREAK\b"), "BREAK"),
    (re.compile(r"\[[^\[\]]*:[\d.]+\]"), "[from:to:when]"),
    (re.compile(r"\[[^\[\]|]+\|[^\[\]]+\]"), "[one|other]"),
)


def read_infotext(text: str) -> Infotext:
    """The recipe in a text of A1111, Forge, SD.Next, Fooocus, InvokeAI, SwarmUI or Civitai.

    What is missing or cannot be read has A1111's default, and a remark. Raises BadInfotext for a text of
    another kind.
    """
    taken = Taken(read_fields(text))
    sampler, scheduler = taken.text("sampler"), taken.text("scheduler")
    if taken.value("steps") is None and not sampler and not scheduler:
        raise BadInfotext(
            "this text says neither steps nor a sampler, so it is not what a program writes about a picture"
        )
    if not sampler:  # InvokeAI calls its sampler so
        sampler, scheduler = scheduler, ""
    hashes = hashes_of(taken)
    width, height = _size(taken)
    positive, negative = with_tags(taken.prompt("positive"), taken), _negative(taken)
    guidance = taken.text("guidance")
    taken.remarks += _foreign(f"{positive}\n{negative}")
    found = Infotext(
        positive,
        negative,
        _checkpoint(taken, hashes.get("model", "")),
        taken.file("vae", hashes.get("vae", "")),
        tuple(name for _, name in taken.like(r"module\d{1,2}")),
        sampler,
        scheduler,
        int(taken.number("steps", 20, 1, _MOST_STEPS)),
        taken.number("cfg", 7.0, 0.0, _MOST_CFG),
        taken.number("guidance", 3.5, 0.0, _MOST_CFG) if guidance else None,
        int(taken.number("seed", 0, 0, _MOST_SEED)),
        width,
        height,
        int(taken.number("clip_skip", 1, 1, _MOST_SKIP)) if taken.text("clip_skip") else 1,
        _hires(taken),
        tuple((name[5:], hash) for name, hash in hashes.items() if name.startswith("lora:")),
    )
    taken.value("program")
    return found.with_remarks(*taken.remarks, *taken.left())


def _checkpoint(taken: Taken, hash: str) -> FileName:
    found = taken.file("checkpoint", hash)
    listed = [FileName(name, hash) for _, name, hash in resources_of(taken, "checkpoint", "model")]
    return found if found.name or not listed else FileName(listed[0].name, found.hash or listed[0].hash)


def _size(taken: Taken) -> tuple[int, int]:
    width, height, pair = number(taken.value("width")), number(taken.value("height")), taken.pair("size")
    if pair is None and width is not None and height is not None:
        pair = taken.sides(width, height)
    if pair is None:
        taken.remarks.append("the size is 512 x 512: the text does not say it")
    return pair or (512, 512)


def _hires(taken: Taken) -> Hires | None:
    said_so = [taken.text(name) for name in ("hires_scale", "hires_size", "hires_steps", "hires_upscaler")]
    denoise = taken.value("denoise")
    if not any(said_so):
        if number(denoise) is not None:
            taken.remarks.append(
                f"the picture was made from another one at denoising strength {denoise}, which the text does "
                "not hold: the graph begins with an empty latent"
            )
        return None
    scale = number(taken.value("hires_scale"))
    steps, cfg = number(taken.value("hires_steps")), number(taken.value("hires_cfg"))
    width, height = taken.pair("hires_size") or (None, None)
    return Hires(
        taken.number("denoise", 0.7, 0.0, 1.0),
        min(max(scale or 2.0, _LEAST_SCALE), _MOST_SCALE),
        width,
        height,
        int(min(steps, _MOST_STEPS)) if steps and steps >= 1 else None,
        min(cfg, _MOST_CFG) if cfg and cfg > 0 else None,
        said_so[3],
        taken.text("hires_sampler"),
        taken.text("hires_scheduler"),
    )


def _negative(taken: Taken) -> str:
    """The negative prompt without its tags, which A1111 does not apply."""
    text = taken.prompt("negative")
    scanned = scan_prompt(text)
    if not scanned.found.tags and not scanned.found.errors:
        return text
    taken.remarks.append("tags are left out of the negative prompt, where A1111 applies none")
    return scanned.text


def _foreign(prompts: str) -> Iterator[str]:
    words = [word for pattern, word in _FOREIGN if pattern.search(prompts)]
    if words:
        yield f"ComfyUI's text encoder takes {', '.join(words)} for words, where A1111 has a rule"
