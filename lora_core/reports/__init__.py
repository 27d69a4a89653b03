"""Where in a model a LoRA works, and how two files differ.

`energy` measures the change of each block and element, alone or relative to the weights, and `energy_report`
puts it in lines for people; `compare` sets two files side by side, layer by layer or tensor by tensor.
"""

from .compare import LayerDifference, compare_loras, compare_loras_on, compare_tensors, summary
from .energy import Energy, Side, Spectrum, measure_alone, measure_on
from .energy_report import describe

__all__ = [
    "Energy",
    "LayerDifference",
    "Side",
    "Spectrum",
    "compare_loras",
    "compare_loras_on",
    "compare_tensors",
    "describe",
    "measure_alone",
    "measure_on",
    "summary",
]
