"""What accounts want of the door's sound, and what comes of it while several share the one microphone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from voipnode.dsp.front_end_options import FrontEndOptions

Wish = Literal["device", "on", "off"]


@dataclass(frozen=True, slots=True)
class SoundWishes:
    """An account's: as the device has it, on, or off."""

    echo_cancellation: Wish = "device"
    noise_cancellation: Wish = "device"
    automatic_gain_control: Wish = "device"


def agree(device: FrontEndOptions, wishes: Iterable[SoundWishes]) -> FrontEndOptions:
    """The options in force. There is one microphone: a block is on where any of those who hear it wants it on, since
    an echo or noise spoils a call, and their absence none. Nobody there: as the device has it."""
    heard_by = list(wishes)
    if not heard_by:
        return device
    return replace(
        device,
        echo_cancellation=any(_is_on(each.echo_cancellation, device.echo_cancellation) for each in heard_by),
        noise_suppression=any(_is_on(each.noise_cancellation, device.noise_suppression) for each in heard_by),
        automatic_gain_control=any(
            _is_on(each.automatic_gain_control, device.automatic_gain_control) for each in heard_by
        ),
    )


def _is_on(wish: Wish, device: bool) -> bool:
    return device if wish == "device" else wish == "on"
