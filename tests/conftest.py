"""What holds for all tests: which of them run, and that they come first on a machine that has other work too."""

from __future__ import annotations

import contextlib
import os

import pytest

# What a sound server takes for itself, and for the same reason: a telephone, ours as theirs, has 20 ms for a frame, and
# a busy machine that hands it its processor later than that is heard in the call, and measured. Every program that a
# test starts inherits it. Only root may (setpriority(2)); without it the tests run as they are.
NICENESS = -11


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--part", metavar="K,.../N", help="of N parts of the test files only these, as 1,2/3")
    parser.addoption("--behind", action="store_true", help="leave the processor to other tests that need it at once")


def pytest_configure(config: pytest.Config) -> None:
    if not config.getoption("behind"):
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, NICENESS)


@pytest.hookimpl(trylast=True)  # when the markers have chosen: the parts are of what is left
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    part = config.getoption("part")
    if part is None:
        return
    wanted, _, count = part.partition("/")
    files = sorted({item.path for item in items})
    turns = {int(number) - 1 for number in wanted.split(",")}
    chosen = {path for index, path in enumerate(files) if index % int(count) in turns}
    config.hook.pytest_deselected(items=[item for item in items if item.path not in chosen])
    items[:] = [item for item in items if item.path in chosen]
