"""The driver of an input, as its settings say."""

from __future__ import annotations

from pathlib import Path

from voipnode.modules.button.adc_input import AdcInput
from voipnode.modules.button.gpio_input import GpiodInput
from voipnode.modules.button.inputs import InputDriver, SimulatedInput, Terminal
from voipnode.modules.button.settings import InputSettings


def make_driver(settings: InputSettings) -> InputDriver:
    """Makes it, without touching any hardware. A simulated contact is in its normal state."""
    supervision = settings.supervised.to_supervision() if settings.supervised is not None else None
    if settings.driver == "gpiod":
        assert settings.line is not None, "the settings are checked"
        return GpiodInput(
            settings.name,
            settings.chip,
            settings.line,
            closed_level=settings.closed_level,
            bias=settings.bias,
            debounce_s=settings.debounce_ms / 1000,
        )
    if settings.driver == "adc":
        return AdcInput(
            settings.name,
            Path(settings.device),
            settings.channel,
            Terminal(supervision),
            sample_s=settings.sample_ms / 1000,
            divider=settings.divider,
        )
    return SimulatedInput(closed=settings.normal_state == "closed", supervision=supervision)
