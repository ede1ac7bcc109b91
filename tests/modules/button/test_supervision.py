"""What voltages at an input mean, with end-of-line resistors and without."""

from __future__ import annotations

import pytest

from voipnode.modules.button.inputs import Contact, SimulatedInput, Terminal
from voipnode.modules.button.supervision import Supervision

LOOP = Supervision(resistor_ohm=4700, pull_up_ohm=4700, supply_v=3.3)


@pytest.mark.parametrize(
    ("voltage_v", "contact"),
    [
        *((0.0, "short"), (0.82, "short"), (0.83, "closed"), (1.65, "closed"), (1.92, "closed")),
        *((1.93, "open"), (2.2, "open"), (2.74, "open"), (2.76, "cut"), (3.3, "cut"), (None, "cut")),
    ],
)
def test_four_voltages_with_thresholds_half_way(voltage_v: float | None, contact: str) -> None:
    assert LOOP.thresholds_v == pytest.approx((0.825, 1.925, 2.75))
    assert LOOP.reading(voltage_v) == contact


@pytest.mark.parametrize("supply_v", [3.3, 5.0, 12.0])
@pytest.mark.parametrize("error", [0.99, 1.01])
@pytest.mark.parametrize("ratio", [0.4, 1.0, 2.5])
def test_resistors_that_are_one_per_cent_off_change_nothing(supply_v: float, error: float, ratio: float) -> None:
    """The divider computed by Ohm's law, with each resistor off in its own direction."""
    loop = Supervision(resistor_ohm=4700 * ratio, pull_up_ohm=4700, supply_v=supply_v)
    series, across, pull_up = 4700 * ratio * error, 4700 * ratio * error, 4700 / error
    for contact, ohm in (("short", 0.0), ("closed", series), ("open", series + across)):
        assert loop.reading(supply_v * ohm / (ohm + pull_up)) == contact
    assert loop.reading(supply_v) == "cut"


@pytest.mark.parametrize(
    ("voltage_v", "contact"), [(None, "open"), (24.0, "open"), (1.01, "open"), (1.0, "closed"), (0.0, "closed")]
)
def test_an_input_is_open_when_unconnected_or_above_one_volt(voltage_v: float | None, contact: str) -> None:
    assert Terminal().contact(voltage_v) == contact


def test_a_simulated_input_tells_what_changes_until_it_is_stopped() -> None:
    driver = SimulatedInput(closed=True)
    heard: list[Contact] = []
    assert driver.start(heard.append, pytest.fail) is Contact.CLOSED
    driver.apply(None)
    driver.apply(24.0)
    assert heard == [Contact.OPEN]
    driver.stop()
    driver.apply(0.0)
    assert heard == [Contact.OPEN]
