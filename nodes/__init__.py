"""The graph's nodes: each declares its inputs, fetches through host.py, calls lora_core and returns."""
