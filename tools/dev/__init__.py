"""What stands behind dev.py: set-up, the real host as a server, the demo, the checks.

Everything here runs on the bare interpreter with the standard library alone, except contact_sheet.py, which
the host's interpreter runs. No module imports ComfyUI or the pack's nodes.
"""
