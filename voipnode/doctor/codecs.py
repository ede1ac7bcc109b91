"""Whether the codecs have what they need."""

from __future__ import annotations

from collections.abc import AsyncIterator

from voipnode.doctor.findings import Case, Finding, good, warning
from voipnode.media.formats import opus_engine


async def check_codecs(case: Case) -> AsyncIterator[Finding]:
    """Opus is worth most where packets are lost, but for that it needs its own library."""
    if any("opus" in account.audio_codecs for account in case.settings.all_accounts):
        yield opus_finding(opus_engine())


def opus_finding(engine: str) -> Finding:
    """What Opus can do with the library that there is; "" is none."""
    if engine:
        return good(
            f"Opus by {engine}: lost packets are concealed, or brought back from the redundancy in the next one"
        )
    words = "no libopus can be loaded: Opus goes by FFmpeg's, which neither conceals lost packets nor brings them back"
    return warning(words, "install libopus (Debian: libopus0)")
