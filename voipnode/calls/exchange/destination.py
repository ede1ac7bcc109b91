"""Who calls through the node, and where a call is to go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from voipnode.calls.registrar.settings import ExtensionSettings

CallerKind = Literal["extension", "trunk", "outside"]
Kind = Literal["door", "extension", "group", "trunk", "conference", "pickup", "page", "look_out", "refused"]


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller as the dial plan sees it.

    `extension`: one of ours, proven by its password; `name` is its number. `trunk`: a server of the account `name`.
    `outside`: anybody else, who reaches the door and nothing else. `may_call`, `max_calls` (that it may have begun at
    once) and `opens` (its digits open the door) count for extensions. `display_name`: whom telephones show.
    """

    kind: CallerKind
    name: str = ""
    may_call: frozenset[str] = frozenset()
    opens: bool = False
    display_name: str = ""
    max_calls: int = 0


OUTSIDE = Caller("outside")


def extension_caller(extension: ExtensionSettings) -> Caller:
    """An extension with its rights."""
    rights = frozenset(extension.may_call)
    return Caller("extension", extension.number, rights, extension.opens, extension.name, extension.max_calls)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a call goes. `name`: the extension's number, the group, the account, the conference; `number`: what a
    trunk is to dial, or whose call is picked up ("" = any of the caller's). `status`, `why`: of a refusal."""

    kind: Kind
    name: str = ""
    number: str = ""
    status: int = 0
    why: str = ""

    @property
    def words(self) -> str:
        """Where that is, for people."""
        return f"{self.kind.replace('_', ' ')} {self.name}".rstrip()


def refused(status: int, why: str) -> Destination:
    """Nowhere: the caller is answered with `status`."""
    return Destination("refused", status=status, why=why)
