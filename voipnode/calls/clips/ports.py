"""Where calls get their clips from."""

from __future__ import annotations

from typing import Protocol

from voipnode.calls.clips.player import ClipPlayer


class Clips(Protocol):
    """Clips by their names, for whoever cannot wait."""

    def player(self, name: str, *, gain_db: float = 0.0, repeat: int = 0) -> ClipPlayer | None:
        """One that plays the clip; None where it is not to be had now."""
        ...


class NoClips:
    """None at all."""

    def player(self, name: str, *, gain_db: float = 0.0, repeat: int = 0) -> ClipPlayer | None:
        return None


NO_CLIPS = NoClips()
