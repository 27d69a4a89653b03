"""What stands behind dev.py: set-up, the real host as a server, the demo, the checks.

Everything here runs on the bare interpreter with the standard library alone, except contact_sheet.py, which
the host's interpreter runs and which draws as the pack's nodes do. No module imports ComfyUI.
"""
