"""What a layer's name alone says: the families that have such a layer, and the module it is in each.

The records of families list the modules of each model and what others call them. Here that is one index, so
that a name is looked up once, in whatever trainer's habit it is written.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache

from ..families import Family, families
from .names import released
from .spellings import paths, with_number
from .unet import compvis_modules

_UNCLEAR = re.compile(r"lora_transformer_(?=blocks_)")  # OneTrainer's `lora_transformer_`, or a folder's name
_ENCODER = re.compile(
    r"(?:base_model\.model\.)?(?:(?:lora|oft)_(?:prior_)?te\d?_|text_encoders?(?:_\d)?[._](?:base_model\.model\.)?|"
    r"lora_llama_|(?:clip_[lgh]|t5|t5xxl|umt5xxl|llama)\.|(?=text_embedding_projection\.))"
)
# The number of a block is the first in a name; Stable Cascade has two, Cosmos numbers the name of a module.
_NUMBERS = re.compile(r"(?<=blocks_block)\d+(?=_)|(?<=_)\d+(?:_\d+)*(?=_|$)")
_END = re.compile(r"_(?:weight|bias|scale)$")


def is_text_encoder(layer: str) -> bool:
    """Whether a layer's name says that it is a text encoder's."""
    return _ENCODER.match(layer) is not None


def encoder_number(layer: str) -> int | None:
    """Which text encoder of its model a layer's name says it is for, the first where it gives no number; None
    where it is no text encoder's.
    """
    found = _ENCODER.match(layer)
    if found is None:
        return None
    number = re.search(r"\d", found[0])
    return int(number[0]) if number else 1


def canonical(layer: str) -> str:
    """One spelling for the many of a layer: joined by underscores, without prefix, in diffusers' names.

    It brings them together as far as that goes without a model's shapes.
    """
    if found := _ENCODER.match(layer):
        return f"text encoder {encoder_number(layer)}: {layer[found.end() :].replace('.', '_')}"
    name = with_number(paths(layer)[0])
    return _diffusers_names().get(name, name)


@lru_cache(maxsize=2**14)
def modules_named(layer: str) -> Mapping[str, str]:
    """{id of a family: the model's own module} of every family that has a layer of this name.

    Kept, because the LoRAs of one model name the same layers.
    """
    if found := _UNCLEAR.match(layer):
        return {**modules_named(layer[found.end() :]), **modules_named(layer.removeprefix("lora_"))}
    for name in _spellings(layer):
        for form, numbers in _forms(name):
            if modules := _index().get(form):
                return {id: _numbered(module, numbers) for id, module in modules.items()}
    return {}


def _spellings(layer: str) -> Iterator[str]:
    for name in paths(layer):
        bare = _END.sub("", name)
        yield bare
        yield f"{bare}_0"  # to_out for to_out.0
        yield re.sub(r"_\d+$", "", bare)  # a part of a fused weight, as OneTrainer numbers it


def _forms(name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """A name as it is, and with '#' for the numbers of its block: those in a row, or the first alone."""
    yield name, ()
    for found in _NUMBERS.finditer(name):
        numbers = tuple(found[0].split("_"))
        for count in dict.fromkeys((len(numbers), 1)):
            block = "_".join(("#",) * count + numbers[count:])
            yield name[: found.start()] + block + name[found.end() :], numbers[:count]


def _numbered(module: str, numbers: tuple[str, ...]) -> str:
    for number in numbers:
        module = module.replace("#", number, 1)
    return module


@lru_cache(maxsize=1)
def _diffusers_names() -> Mapping[str, str]:
    """{joined module of a UNet: joined diffusers path}."""
    return {module.replace(".", "_"): path for path, module in compvis_modules().items()}


@lru_cache(maxsize=1)
def _index() -> Mapping[str, Mapping[str, str]]:
    """{joined name: {id of a family: module}}, both with '#' for the numbers of a block."""
    index: dict[str, dict[str, str]] = defaultdict(dict)
    for family in families().values():
        if family.version is None:
            for name, module in _names(family):
                index[name.replace(".", "_")].setdefault(family.id, module)
    for path, module in compvis_modules().items():
        for name in (
            path,
            module.replace(".", "_"),
            path.replace("_to_", "_processor_to_").removesuffix("_0"),
        ):
            index[name].setdefault("unet", module)
    return index


def _names(family: Family) -> Iterator[tuple[str, str]]:
    for module in family.modules:
        yield module, module
        if family.folder:
            yield module.removeprefix(family.folder), module
        if family.released_as:
            yield released(module, family), module
    own = frozenset(family.modules)
    for table in family.tables:
        yield from ((name, module) for module, name in table.outside.items() if module in own)
        for folder, (theirs, modules) in table.blocks.items():
            for module, names in modules.items():
                if f"{folder}.#.{module}" in own:
                    for name in filter(None, (names,) if isinstance(names, str) else names):
                        yield f"{theirs}.#.{name}", f"{folder}.#.{module}"
