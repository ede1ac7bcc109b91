"""What is set about the door's sound while a node runs: in its file, and taken from there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.test_account_editor import DESK, Running, with_node
from voipnode.calls.commands import ChangeSound
from voipnode.calls.events import Event, LineSettingsChanged, Problem, SoundChanged
from voipnode.settings import NodeSettings
from voipnode.store.settings_file import load_settings


async def change(node: Running, **wish: Any) -> None:
    await node.node.commands.execute(ChangeSound(**wish))


def now(node: Running) -> SoundChanged:
    return [event for event in node.events if isinstance(event, SoundChanged)][-1]


def is_problem(event: Event) -> bool:
    return isinstance(event, Problem)


def test_what_is_set_is_in_force_at_once_and_in_the_file_for_the_next_start(tmp_path: Path) -> None:
    async def test(node: Running) -> None:
        await change(node, input_muted=True)
        await change(node, input_gain_db=6.0, noise_cancellation=False)
        assert (now(node).input_muted, now(node).input_gain_db, now(node).noise_cancellation) == (True, 6.0, False)
        await node.node.stop()
        audio = load_settings(node.path, NodeSettings).audio
        assert (audio.input_muted, audio.input_gain_db, audio.noise_cancellation) == (True, 6.0, False)
        assert audio.echo_cancellation is None  # nobody has set it
        assert node.path.read_text().startswith("# ours\n")
        assert not list(filter(is_problem, node.events))

    with_node(test, tmp_path)


def test_a_line_that_is_opened_anew_sounds_as_the_one_before(tmp_path: Path) -> None:
    async def test(node: Running) -> None:
        await change(node, output_gain_db=-6.0)
        await node.add(**DESK)
        assert now(node).output_gain_db == -6.0
        await node.node.stop()  # what is being written is awaited
        settings = load_settings(node.path, NodeSettings)
        assert (settings.audio.output_gain_db, len(settings.accounts)) == (-6.0, 2)

    with_node(test, tmp_path)


def test_what_is_edited_in_the_file_is_in_force_once_it_is_read_again(tmp_path: Path) -> None:
    async def test(node: Running) -> None:
        node.path.write_text(node.path.read_text().replace("[audio]", "[audio]\noutput_muted = true"))
        await node.node.reload()
        assert now(node).output_muted
        assert isinstance(node.events[-1], LineSettingsChanged)
        assert not list(filter(is_problem, node.events))  # nothing waits for the next start
        assert "noise_cancellation" not in node.path.read_text()

    with_node(test, tmp_path)


def test_what_cannot_be_written_is_told_and_is_in_force_all_the_same(tmp_path: Path) -> None:
    async def test(node: Running) -> None:
        node.path.write_text("this is no TOML")
        await change(node, input_muted=True)
        told = await node.event(is_problem)
        assert isinstance(told, Problem)
        assert told.where == "audio.input_muted"
        assert "lasts until the node stops" in told.detail
        assert now(node).input_muted

    with_node(test, tmp_path)
