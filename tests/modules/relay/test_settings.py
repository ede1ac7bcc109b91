"""Settings of the outputs: what is refused, and with which words."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from voipnode.modules.relay.lines import LineSpec
from voipnode.modules.relay.settings import RelaySettings


def test_a_door_needs_no_more_than_its_name() -> None:
    (port,) = RelaySettings.model_validate({"ports": [{"name": "door"}]}).ports
    assert (port.usage, port.normal_state, port.driver, port.max_pulse_s) == ("Door", "open", "simulated", 60.0)
    assert port.to_spec() == LineSpec("door", False, "simulated")


def test_a_gpio_line_is_told_to_the_guardian_as_set() -> None:
    data = {"name": "lock", "normal_state": "closed", "driver": "gpiod", "chip": "/dev/gpiochip1", "line": 5}
    (port,) = RelaySettings.model_validate({"ports": [{**data, "active_low": True}]}).ports
    assert port.to_spec() == LineSpec("lock", True, "gpiod", "/dev/gpiochip1", 5, True)


GPIO = {"driver": "gpiod", "chip": "/dev/gpiochip0", "line": 4}


@pytest.mark.parametrize(
    ("ports", "words"),
    [
        ([{"name": "../door"}], "pattern"),
        ([{"name": ""}], "pattern"),
        ([{"name": "d" * 33}], "pattern"),
        ([{"name": "door", "colour": "red"}], "Extra inputs"),
        ([{"name": "door", "direction": "input"}], "output"),
        ([{"name": "door", "normal_state": "ajar"}], "'open' or 'closed'"),
        ([{"name": "door", "max_pulse_s": 0}], "greater than or equal to 0.1"),
        ([{"name": "door", "max_pulse_s": 3601}], "less than or equal to 3600"),
        ([{"name": "door", "driver": "gpiod"}], 'needs chip and line, such as chip = "/dev/gpiochip0"'),
        ([{"name": "door", "line": 4}], 'are for driver = "gpiod"'),
        ([{"name": "door"}, {"name": "door"}], "'door' is used twice"),
        ([{"name": "a", **GPIO}, {"name": "b", **GPIO}], "a line has one port"),
        ([{"name": f"p{number}"} for number in range(33)], "at most 32"),
    ],
)
def test_what_is_wrong_is_refused_with_words(ports: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        RelaySettings.model_validate({"ports": ports})
