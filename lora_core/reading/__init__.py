"""What is in a LoRA file: its header, its tensors, the adapters they make.

`files` reads headers, `contents` whole files, safetensors and pickles; `key_names` sorts keys into layers and
roles, `lora` makes the adapters of `adapters/`, `partial` reads one layer at a time; `hashes` are what a file
is known by elsewhere.
"""

from .contents import read_file
from .dtypes import Dtype, dtype_of
from .files import Header, Stamp, TensorInfo, is_pickle, read_header
from .finite import is_finite
from .hashes import (
    SHORTEST,
    FileHashes,
    claimed_hashes,
    clean_hash,
    is_match,
    known_hashes,
    measure,
    read_hash,
    sha256,
)
from .key_names import Grouped, group_keys, holds_adapters, split_key
from .lora import Lora, read_lora, rows_name, whole_name
from .partial import PartialLora
from .split_files import shards
from .stream import Form, TensorReader, header_bytes, refuse_existing, replacing, total_size, write_tensor

__all__ = [
    "SHORTEST",
    "Dtype",
    "FileHashes",
    "Form",
    "Grouped",
    "Header",
    "Lora",
    "PartialLora",
    "Stamp",
    "TensorInfo",
    "TensorReader",
    "claimed_hashes",
    "clean_hash",
    "dtype_of",
    "group_keys",
    "header_bytes",
    "holds_adapters",
    "is_finite",
    "is_match",
    "is_pickle",
    "known_hashes",
    "measure",
    "read_file",
    "read_hash",
    "read_header",
    "read_lora",
    "refuse_existing",
    "replacing",
    "rows_name",
    "sha256",
    "shards",
    "split_key",
    "total_size",
    "whole_name",
    "write_tensor",
]
