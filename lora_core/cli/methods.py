"""The options of a merging method."""

from __future__ import annotations

import argparse

from ..merging import METHODS, Method, make_method


def add_method_options(parser: argparse.ArgumentParser) -> None:
    """How the LoRAs of a stack become one change; see `method_in`."""
    parser.add_argument(
        "--method", choices=METHODS, default=METHODS[0], help="how changes become one; sum when left out"
    )
    parser.add_argument(
        "--density", type=float, metavar="D", help="of ties (0.2) and dare-ties (0.5): the share that stays"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="of dare-ties (0): which numbers are dropped")


def method_in(options: argparse.Namespace) -> Method:
    """The method that the options name. Raises WrongUse for numbers it does not take."""
    return make_method(options.method, options.density, options.seed)
