"""How the demo checkpoint and its slider LoRAs are made; docs/demo-model.md has the commands in order."""
