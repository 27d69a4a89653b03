"""How does a LoRA that is not here come here? Nothing in this folder asks a site before it is told to.

`references` are what a person writes, a site (`civitai`, `hugging_face`) turns one into `candidates`,
`transfer` brings one of these, `beside` writes what the site says of it; `jobs` are downloads that go on by
themselves. A further site is one file that does what `sites.LoraSite` asks for.
"""

from .addresses import known_sites
from .answers import Answers
from .candidates import Candidate, Licence
from .civitai import Civitai
from .fetcher import Fetched, Fetcher, Offer
from .hugging_face import HuggingFace
from .jobs import Downloads, Job
from .placing import Got, clean_parts
from .references import ByHash, OnCivitai, OnHub, Reference, read_reference
from .sites import LoraSite
from .tokens import FILE as TOKENS_FILE
from .tokens import token
from .transfer import MAX_BYTES, Progress

__all__ = [
    "MAX_BYTES",
    "TOKENS_FILE",
    "Answers",
    "ByHash",
    "Candidate",
    "Civitai",
    "Downloads",
    "Fetched",
    "Fetcher",
    "Got",
    "HuggingFace",
    "Job",
    "Licence",
    "LoraSite",
    "Offer",
    "OnCivitai",
    "OnHub",
    "Progress",
    "Reference",
    "clean_parts",
    "known_sites",
    "read_reference",
    "token",
]
