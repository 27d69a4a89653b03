"""Which LoRAs was a picture made with, and how does it say so?

`record` is what the nodes of this pack write into a picture, `sites` the same in the words of A1111 and
Civitai, `reading` what any picture, workflow or text says.
"""

from .reading import rows_in_file
from .record import Applied, applied_to_json, axes_text, read_applied, stack_text
from .sites import Used, civitai_resources, infotext

__all__ = [
    "Applied",
    "Used",
    "applied_to_json",
    "axes_text",
    "civitai_resources",
    "infotext",
    "read_applied",
    "rows_in_file",
    "stack_text",
]
