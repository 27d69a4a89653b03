"""Workflows that cannot be converted."""

from __future__ import annotations

from .base import RackError


class WorkflowError(RackError):
    """A workflow that cannot be converted as it is."""


class BadWorkflow(WorkflowError):
    """The file holds no graph of ComfyUI's."""


class NotConvertible(WorkflowError):
    """A node of a workflow says something that has no counterpart here."""


class BadInfotext(WorkflowError):
    """A text is not what a program writes about the picture it made."""
