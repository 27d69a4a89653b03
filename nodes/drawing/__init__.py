"""How do numbers and pictures become one picture that a node returns?

`energy_chart` shows where in a model a LoRA works, `strength_chart` a measure over strengths. `sheet` lays
pictures out under their strengths with the charts below, and `sweep_sheet` fills a sheet from a sweep. `ink`
has the colours, spaces and type that all of them share. Nothing here knows the host.
"""
