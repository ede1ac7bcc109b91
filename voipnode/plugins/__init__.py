"""Modules of third parties: packages with an entry point of the group `voipnode.modules`, kept apart from ours."""
