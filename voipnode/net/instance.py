"""The name of this device, the same after every start (RFC 5626 §4.1)."""

from __future__ import annotations

import uuid
from pathlib import Path

MACHINE_ID = Path("/etc/machine-id")


def instance_urn(node: str, machine_id: Path = MACHINE_ID) -> str:
    """A urn:uuid that stays the same for `node` on this machine, and tells nothing about either.

    Made of the machine's id, or of its network card's address where it has none; by name as of RFC 9562 §5.5.
    """
    try:
        machine = machine_id.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        machine = ""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"voipnode {machine or uuid.getnode()} {node}").urn
