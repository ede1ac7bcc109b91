"""Ring groups in a whole node: by its file, and as the file changes while it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.free_ports import free_port
from tests.test_account_editor import Running, with_node
from voipnode.calls.commands import HangUp, PressInput
from voipnode.calls.events import CallChanged, CallState, Event, RecipientRang

GROUP = """
[[buttons]]
name = "button"
input = "button"
ring = "{name}"
[[groups]]
name = "{name}"
members = ["sip:anna@127.0.0.1:{port}"]
"""


def test_a_button_and_its_group_may_change_while_the_node_runs(tmp_path: Path) -> None:
    async def test(node: Running) -> None:
        for name in ("family", "home"):
            call = await node.node.commands.execute(PressInput(input="button"))
            calling = await node.event(told(call, CallState.CALLING))
            assert isinstance(calling, CallChanged)
            assert calling.detail == f"{name}: sip:anna@127.0.0.1:{port}"
            await node.node.commands.execute(HangUp(call=call))
            given_up = await node.event(rang(call))
            assert isinstance(given_up, RecipientRang)
            assert (given_up.plan, given_up.outcome) == (name, "given up")
            node.path.write_text(node.path.read_text().replace('"family"', '"home"'))
            await node.node.reload()

    port = free_port()
    with_node(test, tmp_path, GROUP.format(name="family", port=port))


def told(call: str, state: CallState) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, CallChanged) and (event.call, event.state) == (call, state)


def rang(call: str) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, RecipientRang) and event.call == call
