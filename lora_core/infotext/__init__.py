"""The text that A1111 and its kin write about a picture: read, and made into a graph.

`fields` takes the text apart, `reading` says what the fields mean, `sampling` what samplers and schedules are
called here. `here` finds the files that are named, `building` makes the graph, `drawing` writes it.
"""

from .building import Built, build
from .here import Here, Missing, ModelFacts, Shelf
from .reading import read_infotext
from .record import FileName, Hires, Infotext

__all__ = [
    "Built",
    "FileName",
    "Here",
    "Hires",
    "Infotext",
    "Missing",
    "ModelFacts",
    "Shelf",
    "build",
    "read_infotext",
]
