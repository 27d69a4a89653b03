"""Which file a name or a hash means, and what is known of the files there are.

`resolve` decides among candidates, `library` asks the host's list and the `index` of what was read before;
`sidecars` are the files tools leave beside a LoRA.
"""

from .file_facts import FileFacts
from .index import Index
from .library import Library, Limits
from .resolve import file_stem, named, named_but_for_case, nearest
from .search import Query
from .sidecar_values import hashes_of, items, mapping, model_of, number, split_words, text_of
from .sidecars import page_beside, trigger_words, words_stamp
from .sliders import SLIDERS, Traces, candidates, choose

__all__ = [
    "SLIDERS",
    "FileFacts",
    "Index",
    "Library",
    "Limits",
    "Query",
    "Traces",
    "candidates",
    "choose",
    "file_stem",
    "hashes_of",
    "items",
    "mapping",
    "model_of",
    "named",
    "named_but_for_case",
    "nearest",
    "number",
    "page_beside",
    "split_words",
    "text_of",
    "trigger_words",
    "words_stamp",
]
