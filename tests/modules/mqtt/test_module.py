"""What a broker brings, as the module takes it; with a real broker in tests/interop/test_mosquitto.py."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.support.virtual_loop import run_virtual, settle
from voipnode.calls.commands import PulsePort
from voipnode.calls.events import Problem
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.modules.mqtt.module import MAX_OBEYING, MqttModule
from voipnode.modules.mqtt.settings import MqttSettings

OPEN = ("voipnode/port/door/set", b"OPEN", False)


def test_a_flood_of_commands_is_obeyed_within_limits_and_told_once() -> None:
    async def main() -> None:
        bus, commands = Bus(asyncio.get_running_loop().time), Commands()
        problems: list[Problem] = []
        bus.subscribe(Problem, problems.append, who="test")
        begun: list[PulsePort] = []

        async def slowly(wish: PulsePort) -> str:
            begun.append(wish)
            await asyncio.sleep(1)
            return ""

        commands.register(PulsePort, slowly, who="test")
        module = MqttModule(House(bus, commands, Path("/")), MqttSettings(host="broker", commands=True))
        for _ in range(1000):
            module.received(*OPEN)
        await settle()
        assert len(begun) == MAX_OBEYING
        assert [each.detail.partition(":")[0] for each in problems] == [f"more than {MAX_OBEYING} commands at once"]
        await asyncio.sleep(2)
        module.received(*OPEN)
        await settle()
        assert (len(begun), len(problems)) == (MAX_OBEYING + 1, 1)
        module.received("voipnode/port/door/set", b"OPEN", True)  # kept: of a time that is over
        await settle()
        assert len(begun) == MAX_OBEYING + 1
        await module.stop()

    run_virtual(main())
