"""A server whose TLS is wrong gets no word of SIP, and the account's status says to an installer what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.test_kamailio import HOST, account
from tests.support.aio import run_test
from tests.support.certificates import DAY, Authority, now
from tests.support.node import Node
from tests.support.peers.kamailio import Kamailio
from tests.support.running import running

pytestmark = pytest.mark.interop

Issue = Callable[[Authority, Path], Path]

WRONG: dict[str, tuple[Issue, str]] = {
    "wrong name": (lambda ca, folder: ca.issue("other.example.com"), "other.example.com"),
    "expired": (lambda ca, folder: ca.issue(HOST, begins=now() - 9 * DAY, ends=now() - 2 * DAY), "expired"),
    "not yet valid": (lambda ca, folder: ca.issue(HOST, begins=now() + DAY), "not valid"),
    "self-signed": (lambda ca, folder: ca.issue(HOST, signed_by_itself=True), "signed by itself"),
    "unknown authority": (lambda ca, folder: Authority(folder / "other", "Another CA").issue(HOST), "Another CA"),
}


@pytest.mark.parametrize("what", WRONG)
def test_the_account_says_what_is_wrong_with_the_servers_certificate(tmp_path: Path, what: str) -> None:
    issue, words = WRONG[what]
    authority = Authority(tmp_path / "ca")
    certificate = issue(authority, tmp_path)

    async def play() -> None:
        async with running(Kamailio.start(tmp_path / "pbx", host=HOST, certificate=certificate)) as pbx:
            settings = account(pbx, "tls", more=f'ca = "{authority.ca}"\n')
            async with running(Node.start(tmp_path / "node", more=settings)) as node:
                problem = await node.account("problem")
                assert words in problem["reason"], problem
                assert await pbx.contacts("door") == []

    run_test(play())


def test_a_first_server_whose_tls_is_wrong_is_passed_over(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    wrong, right = authority.issue("other.example.com"), authority.issue(HOST)

    async def play() -> None:
        async with (
            running(Kamailio.start(tmp_path / "a", host=HOST, certificate=wrong)) as first,
            running(Kamailio.start(tmp_path / "b", host=HOST, certificate=right)) as second,
        ):
            more = f'ca = "{authority.ca}"\nsecondary = {{ registrar = "{HOST}:{second.tls_port}" }}\n'
            async with running(Node.start(tmp_path / "node", more=account(first, "tls", more=more))) as node:
                assert (await node.account("registered"))["server"] == f"{HOST}:{second.tls_port}"
                assert await first.contacts("door") == []

    run_test(play())


def test_a_server_without_verification_is_taken_when_the_account_says_so(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    certificate = authority.issue("other.example.com", ends=now() - DAY, begins=now() - 2 * DAY)

    async def play() -> None:
        async with running(Kamailio.start(tmp_path / "pbx", host=HOST, certificate=certificate)) as pbx:
            settings = account(pbx, "tls", more="verify_server = false\n")
            async with running(Node.start(tmp_path / "node", more=settings)) as node:
                assert (await node.account("registered"))["status"] == 200

    run_test(play())


def test_a_port_that_speaks_no_tls_does_not_answer(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(Kamailio.start(tmp_path / "pbx", host=HOST)) as pbx:
            settings = account(pbx, "tls").replace(str(pbx.tls_port), str(pbx.port))
            async with running(Node.start(tmp_path / "node", more=settings)) as node:
                problem = await node.account("problem")
                assert "does not answer" in problem["reason"], problem

    run_test(play())
