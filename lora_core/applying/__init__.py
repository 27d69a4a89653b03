"""How several LoRAs become one patch for each weight of a model, and what became of each LoRA.

`matching` finds the weights that the layers of a file mean, `modes` chooses merged or live for each entry,
`patch` joins all entries at a weight, `overflow` finds numbers that no weight can hold, and `verdict` says
what fitted and what did not.
"""

from .from_headers import FileVerdict, ModelNames, judge_file
from .matching import Foreign, Match, match, settle
from .model_blocks import blocks_in, require_blocks, weights_in
from .modes import MODES, Way, choose_ways
from .overflow import holds, is_safe, require_numbers, too_large
from .patch import ForeignStep, Step, fuse, in_parts, take_steps
from .verdict import Verdict, report

__all__ = [
    "MODES",
    "FileVerdict",
    "Foreign",
    "ForeignStep",
    "Match",
    "ModelNames",
    "Step",
    "Verdict",
    "Way",
    "blocks_in",
    "choose_ways",
    "fuse",
    "holds",
    "in_parts",
    "is_safe",
    "judge_file",
    "match",
    "report",
    "require_blocks",
    "require_numbers",
    "settle",
    "take_steps",
    "too_large",
    "weights_in",
]
