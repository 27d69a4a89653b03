#!/usr/bin/env python3
"""The project's one command: demo, serve, test, bench. `python3 dev.py --help` says what each does."""

import sys

if sys.version_info < (3, 10):  # noqa: UP036 (a person may call it with an older one)
    sys.exit(f"dev.py needs Python 3.10 or newer; {sys.executable} is Python {sys.version.split()[0]}.")

from tools.dev.command_line import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
