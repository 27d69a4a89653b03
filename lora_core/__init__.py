"""LoRA files, stacks and patches, with torch and nothing of the host.

The story, in reading order: `stack` (what a rack is) ↔ `grammar` (its text), `resolve` (which file a name
means), `files`, `key_names` and `lora` (what is in it), `adapters` (one formula a file), `key_map` (which
weight a layer means), `patch` (several LoRAs, one product per weight), `verdict` (what became of each),
`inspect` (where in a model one works). Without a host: `key_maps` (what the host's models call their
weights), `bake`, `compare`, `convert` (workflows of other LoRA nodes), `cli`.
"""
