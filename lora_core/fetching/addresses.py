"""The sites there are, at their own addresses or at those of mirrors that the environment names."""

from __future__ import annotations

import os
from pathlib import Path

from . import civitai, hugging_face
from .civitai import Civitai
from .hugging_face import HuggingFace
from .sites import LoraSite
from .tokens import token


def known_sites(tokens: Path | None) -> tuple[LoraSite, ...]:
    """Every site, with its token: from the environment, else from the file in the folder `tokens`.

    Raises FetchError for a file of tokens that others can read.
    """
    at_civitai = os.environ.get("LORA_RACK_CIVITAI", "") or civitai.BASE
    at_hub = os.environ.get("HF_ENDPOINT", "") or hugging_face.BASE
    return (
        Civitai(token(civitai.TOKEN_VARIABLE, tokens), at_civitai),
        HuggingFace(token(hugging_face.TOKEN_VARIABLE, tokens), at_hub),
    )
