"""How bright, colourful and detailed the pictures of a sweep are.

`metrics` has the formulas of luma, saturation and detail, `measurements` the numbers of a whole sweep.
"""

from .measurements import Measured, as_json, measure_sweep

__all__ = [
    "Measured",
    "as_json",
    "measure_sweep",
]
