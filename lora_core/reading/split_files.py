"""A model in several files: `name-00001-of-00003.safetensors`, as the Hugging Face libraries split them."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import BadJson, BrokenFile
from ..untrusted import read_json, read_text

_SHARD = re.compile(r"(?P<stem>.+)-\d{5}-of-(?P<count>\d{5})\.safetensors")
_INDEX = ".safetensors.index.json"


def shards(path: Path) -> list[Path]:
    """The files of the model that `path` is, is one shard of, or is the index of.

    Raises BrokenFile for an index that is none. A shard that is missing is told by whoever reads it.
    """
    if path.name.endswith(_INDEX):
        return _listed(path)
    found = _SHARD.fullmatch(path.name)
    if found is None:
        return [path]
    count = int(found["count"])
    return [path.with_name(f"{found['stem']}-{n:05}-of-{count:05}.safetensors") for n in range(1, count + 1)]


def _listed(index: Path) -> list[Path]:
    remedy = "Download it again, or name one of the files"
    try:
        listed = read_json(read_text(index))["weight_map"].values()
        names = [*dict.fromkeys(listed)]
    except OSError as error:
        raise BrokenFile(index, f"cannot be read ({error.strerror})", "Check the path") from None
    except BadJson as error:
        raise BrokenFile(index, error.problem, remedy) from None
    except (LookupError, TypeError, AttributeError):
        problem = "is no index of a model's files: it has no 'weight_map'"
        raise BrokenFile(index, problem, remedy) from None
    if not all(isinstance(name, str) and Path(name).name == name for name in names):
        problem = "names files that are not beside it"
        raise BrokenFile(index, problem, remedy)
    return [index.with_name(name) for name in names]
