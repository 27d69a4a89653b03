"""Records what the pack relies on of a ComfyUI, as one data file: `dev.py record-host`.

Runs in the host's interpreter. Tests of the unit ring hold the pack's tables to that host on any machine.
docs/hosts.md says what a record holds.

- `models.json`, `encoders.json`: how each model class and text encoder is built; the lists to extend.
- `models`, `encoders`, `samplers`, `signatures`: a part of the record each.
- `calls`: what the pack calls of the host, read from its source.
- `run`: the command.
"""
