"""The graph's nodes: each declares its inputs, fetches through host, calls lora_core and returns."""
