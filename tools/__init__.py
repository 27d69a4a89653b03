"""Programs around the pack; nothing here is loaded by ComfyUI."""
