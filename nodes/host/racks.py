"""The racks that are kept under names, in the host's user folder."""

from __future__ import annotations

from pathlib import Path

import folder_paths

from ...lora_core.racks import RackStore

RACKS = RackStore(Path(folder_paths.get_user_directory()) / "lora_rack" / "racks")
