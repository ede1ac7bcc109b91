"""Whether the door controller can be reached: library, device and key of a wire, or its answer over the network."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import AsyncIterator
from pathlib import Path

from voipnode.doctor.findings import Case, Finding, good, note, problem, warning
from voipnode.hardware.key_file import KeyFile
from voipnode.modules.controller.link import CONNECTED
from voipnode.modules.controller.module import KEY_FILE
from voipnode.modules.controller.settings import OsdpSettings, VapixSettings

LONGEST_S = 11.0


async def check_controller(case: Case) -> AsyncIterator[Finding]:
    """What the entry list does not know could be handed on now."""
    settings = case.settings.controller
    match settings.protocol:
        case "none":
            yield note("no door controller stands behind the node ([controller])")
        case "osdp":
            yield _device(settings.osdp.device) or _library() or _key(settings.osdp, case.state_dir)
        case "wiegand":
            words = f"door controller: {settings.wiegand.device} is there; whether anybody listens, Wiegand cannot tell"
            yield _device(settings.wiegand.device) or good(words)
        case "http":
            yield await _asked(settings.http)


def _device(device: str) -> Finding | None:
    try:
        os.stat(device)
    except OSError as error:
        words = f"door controller: {device}: {error.strerror or error}"
        return problem(words, "plug its adapter in, or correct its device; the node looks for it as long as it runs")
    if not os.access(device, os.W_OK):
        words = f"door controller: the node may not use {device}"
        return problem(words, "run the node as a member of the group of that device (mostly dialout)")
    return None


def _library() -> Finding | None:
    if importlib.util.find_spec("osdp_sys") is not None:
        return None
    return problem("the door controller needs a library that is not here", "pip install voipnode[osdp]")


def _key(settings: OsdpSettings, state_dir: Path) -> Finding:
    if not settings.secure_channel:
        words = "the door controller is told in the clear: who reaches its wires hears every card and PIN"
        return warning(words, "controller.osdp.secure_channel = true, with a key that both have")
    try:
        is_known = bool(settings.key.get_secret_value()) or KeyFile(state_dir / KEY_FILE).read() is not None
    except OSError as error:
        return problem(f"door controller: {error.filename}: {error.strerror}", "let the node read it")
    if is_known:
        return good(f"door controller: {settings.device} is there, and so is our key")
    if settings.install:
        return warning("the door controller has set no key yet: nothing is told until it has", "have it do so")
    words = "no key is known for the door controller, so nothing can be told"
    return problem(words, "set controller.osdp.key, or controller.osdp.install for the controller to set one")


class _Ear:
    """Waits for the first word of a link."""

    def __init__(self) -> None:
        self.said: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()

    def linked(self, state: str, detail: str = "") -> None:
        if not self.said.done():
            self.said.set_result((state, detail))

    def shown(self, led: str, for_s: float = 0.0, beeps: int = 0) -> None:
        """Nothing is shown for what the doctor asks."""


async def _asked(settings: VapixSettings) -> Finding:
    """Ask it for its entrances, as the node would; no card is told."""
    from voipnode.modules.controller.vapix_link import VapixLink

    ear = _Ear()
    link = VapixLink(settings, asyncio.get_running_loop().time)
    await link.start(ear)
    try:
        async with asyncio.timeout(LONGEST_S):
            state, detail = await ear.said
    except TimeoutError:
        return problem(
            f"the door controller at {settings.address} does not answer", "is it on, and is that its address?"
        )
    finally:
        await link.stop()
    if state == CONNECTED:
        return good(f"the door controller at {settings.address} has us as the {detail}")
    advice = "choose with controller.http.access_point" if link.found else "correct [controller.http], or see to it"
    return problem(f"the door controller at {settings.address}: {detail}", advice)
