"""`python -m lora_core`: LoRA files without ComfyUI."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
