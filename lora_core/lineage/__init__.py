"""Which files are the same, do the same, or come from one training?

`fingerprints` looks at one file once, `groups` puts the files of a folder together.
"""

from .fingerprints import Fingerprint, fingerprint
from .groups import Group, Member, group

__all__ = ["Fingerprint", "Group", "Member", "fingerprint", "group"]
