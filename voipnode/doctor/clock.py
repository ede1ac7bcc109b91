"""Whether the machine's clock is right: certificates, passwords' nonces and the event log live by it."""

from __future__ import annotations

import asyncio
import ctypes
import struct
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from voipnode.doctor.findings import Case, Finding, good, note, problem, warning
from voipnode.doctor.threads import in_thread

BUILT = datetime(2025, 6, 1, tzinfo=UTC)  # no clock that is right says less
NTP_PORT, NTP_S = 123, 3.0
OFF_S, FAR_OFF_S = 2.0, 60.0  # beyond: the log lies; certificates may not be valid yet, or no more
_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970 (RFC 5905 §6)
_UNSYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)


async def check_clock(case: Case) -> AsyncIterator[Finding]:
    """The clock is plausible, somebody keeps it right, and a time server (where one is named) agrees."""
    now = datetime.now(UTC)
    if now < BUILT:
        words = f"the clock says {now:%Y-%m-%d %H:%M} UTC, which is before this program was written"
        yield problem(words, "set the clock, and let it be kept by NTP (timedatectl set-ntp true)")
    else:
        yield good(f"the clock says {now:%Y-%m-%d %H:%M:%S} UTC")
    kept = await in_thread(_is_kept)
    if kept is True:
        yield good("the kernel says that a time service keeps the clock right")
    elif kept is False:
        yield note(
            "the kernel knows of no time service that keeps the clock right",
            "let it be kept by NTP (timedatectl set-ntp true), unless a host machine does it",
        )
    if case.ntp:
        yield await _ask(case)


def _is_kept() -> bool | None:
    """What the kernel says of its clock (adjtimex(2)); None where it cannot be asked."""
    buffer = ctypes.create_string_buffer(256)  # struct timex with modes = 0: only ask
    try:
        state = int(ctypes.CDLL(None, use_errno=True).adjtimex(buffer))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _UNSYNCHRONISED


async def _ask(case: Case) -> Finding:
    remedy = "let the machine reach it (UDP 123), or name another with --ntp"
    addresses = await case.resolver.addresses(case.ntp)
    if not addresses:
        return problem(f"the time server {case.ntp} has no address", "look at what is said of DNS; or another --ntp")
    try:
        async with asyncio.timeout(NTP_S):
            off_s = await offset_s(addresses[0], NTP_PORT)
    except (TimeoutError, OSError) as error:
        return warning(f"the time server {case.ntp} ({addresses[0]}) does not answer: {error or 'silence'}", remedy)
    except ValueError as error:
        return warning(f"the time server {case.ntp} ({addresses[0]}): {error}", remedy)
    words = f"the clock is {abs(off_s):.3f} s {'behind' if off_s > 0 else 'ahead of'} {case.ntp}"
    if abs(off_s) > FAR_OFF_S:
        return problem(words, "set the clock: certificates may seem to be over, or not yet valid")
    if abs(off_s) > OFF_S:
        return warning(words, "let the clock be kept by NTP (timedatectl set-ntp true)")
    return good(words)


class _Asking(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answer: asyncio.Future[tuple[bytes, float]] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self.answer.done():
            self.answer.set_result((data, time.time()))

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


async def offset_s(host: str, port: int) -> float:
    """How far the clock is behind a time server's (SNTP, RFC 5905 §14). Raises ValueError for nonsense, OSError."""
    transport, asking = await asyncio.get_running_loop().create_datagram_endpoint(_Asking, remote_addr=(host, port))
    try:
        sent_at = time.time()
        stamp = struct.pack("!II", int(sent_at) + _NTP_EPOCH & 0xFFFFFFFF, int(sent_at % 1 * 2**32))
        transport.sendto(b"\x23" + bytes(39) + stamp)  # version 4, client
        data, heard_at = await asking.answer
    finally:
        transport.close()
    if len(data) < 48 or data[0] & 0x07 != 4 or data[24:32] != stamp:
        raise ValueError("what it answers is no answer of a time server to this question")
    if data[1] == 0 or data[0] >> 6 == 3:
        raise ValueError("it does not know the time itself")
    received_at, answered_at = (_seconds(data[at : at + 8], sent_at) for at in (32, 40))
    return (received_at - sent_at + answered_at - heard_at) / 2


def _seconds(stamp: bytes, near: float) -> float:
    """An NTP timestamp as seconds since 1970, in the era that is nearest (RFC 5905 §6: it wraps in 2036)."""
    whole, fraction = struct.unpack("!II", stamp)
    seconds = whole - _NTP_EPOCH + fraction / 2**32
    return float(seconds + round((near - seconds) / 2**32) * 2**32)
