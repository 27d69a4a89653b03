"""What is known of a family of models: one record each, in `records/ID.json`.

A record says by which keys the family is known, what people, trainers and sites call it, what diffusers
calls its layers, which blocks it has and what is in them; nothing of it is anywhere else. `record` has the
fields, docs/adding-a-family.md an example.
`elements.json` holds the words all families share, `text_encoders.json` what is known of text encoders.
"""

from .catalog import families, family, family_called, find_family, find_version, row_layouts, versions
from .elements import Elements, FusedPart, elements_of, matches, words
from .encoders import as_usual, encoder_groups, encoder_rules, encoder_weights, usual_encoders
from .record import Family, NameTable, Preset, Shapes, VectorReading

__all__ = [
    "Elements",
    "Family",
    "FusedPart",
    "NameTable",
    "Preset",
    "Shapes",
    "VectorReading",
    "as_usual",
    "elements_of",
    "encoder_groups",
    "encoder_rules",
    "encoder_weights",
    "families",
    "family",
    "family_called",
    "find_family",
    "find_version",
    "matches",
    "row_layouts",
    "usual_encoders",
    "versions",
    "words",
]
