"""The graph's nodes: each declares its inputs, fetches through host, calls lora_core and returns.

`host` is the one door to ComfyUI, `page` the one to its web server; `drawing` makes the pictures that nodes
return.
"""
