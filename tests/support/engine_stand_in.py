"""A process with a real relay module in it, to be killed, stopped and starved by tests.

    python -m tests.support.engine_stand_in STATE_DIR DURATION_S [uvloop]

Opens "door" for DURATION_S, prints every event and what each command returned as one JSON object per line, and stops in
order when its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from voipnode.calls.commands import PulsePort
from voipnode.calls.events import Event
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.modules.relay.module import build
from voipnode.modules.relay.settings import PortSettings, RelaySettings


def tell(data: dict[str, Any]) -> None:
    print(json.dumps(data), flush=True)


async def run(state_dir: Path, duration_s: float) -> None:
    house = House(Bus(time.monotonic), Commands(), state_dir)
    house.bus.subscribe(Event, lambda event: tell(event.to_dict()), who="stand-in")
    relay = build(house, RelaySettings(ports=(PortSettings(name="door", max_pulse_s=600),)))
    await relay.start()
    tell({"event": "ready", "previous": relay.previous})
    if duration_s:
        said = await house.commands.execute(
            PulsePort(port="door", duration_s=duration_s, who="sip:guard@example", how='dtmf "1"', authorised=True)
        )
        tell({"event": "done", "said": said})
    await asyncio.to_thread(sys.stdin.read)
    await relay.stop()


if __name__ == "__main__":
    main = run(Path(sys.argv[1]), float(sys.argv[2]))
    if "uvloop" in sys.argv:
        import uvloop

        uvloop.run(main)
    else:
        asyncio.run(main)
