"""Whether readers can be reached: their libraries, devices and keys. No device is opened: the node may have it."""

from __future__ import annotations

import importlib.util
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

from voipnode.doctor.findings import Case, Finding, good, note, problem, warning
from voipnode.modules.reader.module import KEYS_FOLDER
from voipnode.modules.reader.reader_key import ReaderKey, ReaderKeyError
from voipnode.modules.reader.settings import ReaderSettings


async def check_readers(case: Case) -> AsyncIterator[Finding]:
    """The readers of the settings could be served now."""
    wired = [one for one in case.settings.readers if one.enabled and one.driver != "simulated"]
    if not wired:
        yield note("no reader hangs on a wire ([[readers]]): cards and keys come by software only")
    for one in wired:
        yield _library(one) or _device(one) or _key(one, case.state_dir)


def _library(one: ReaderSettings) -> Finding | None:
    module, extra = ("osdp_sys", "osdp") if one.driver == "osdp" else ("gpiod", "gpio")
    if (one.driver == "wiegand" and not one.lines) or importlib.util.find_spec(module) is not None:
        return None
    return problem(f'reader "{one.name}" needs a library that is not here', f"pip install voipnode[{extra}]")


def _device(one: ReaderSettings) -> Finding | None:
    try:
        mode = os.stat(one.device).st_mode
    except OSError as error:
        words = f'reader "{one.name}": {one.device}: {error.strerror or error}'
        return problem(words, "plug its adapter in, or correct its device; the node looks for it as long as it runs")
    if not (stat.S_ISCHR(mode) or (one.driver == "wiegand" and stat.S_ISFIFO(mode))):
        return problem(f'reader "{one.name}": {one.device} is no such line', "correct its device")
    if not os.access(one.device, os.R_OK | os.W_OK):
        words = f'reader "{one.name}": the node may not use {one.device}'
        return problem(words, "run the node as a member of the group of that device (mostly dialout, or gpio)")
    return None


def _key(one: ReaderSettings, state_dir: Path) -> Finding:
    if one.driver != "osdp":
        return good(f'reader "{one.name}": {one.device} is there; whether a reader is, nobody can tell by Wiegand')
    if not one.secure_channel:
        words = f'reader "{one.name}" talks in the clear: who reaches its wires, outside too, can show any card'
        return warning(words, "pair it: secure_channel = true, and its installation mode")
    try:
        is_known = bool(one.key.get_secret_value()) or ReaderKey(state_dir / KEYS_FOLDER, one.name).read() is not None
    except ReaderKeyError as error:
        return problem(f'reader "{one.name}": {error}', "see there")
    if not is_known:
        return problem(
            f'reader "{one.name}" has no key yet', "put it into its installation mode, and pair it (/readers)"
        )
    return good(f'reader "{one.name}": {one.device} is there, and so is its key')
