"""What may stand in `[[accounts]]`, and what is said of what may not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.registrar import PASSWORD, account
from voipnode.calls.account_settings import AccountSettings, complete_accounts, server_uri
from voipnode.calls.binding import RegisterPace
from voipnode.calls.servers import credentials_of, servers_of
from voipnode.calls.settings import SipSettings
from voipnode.settings import NodeSettings
from voipnode.sipstack.transport import Address, Hop
from voipnode.store.problems import SettingsError
from voipnode.store.settings_file import parse_settings

UDP, TCP = (Hop(transport, Address("192.0.2.1", 5060)) for transport in ("UDP", "TCP"))


@pytest.mark.parametrize("text", ["pbx.example", "192.168.1.5:5070", "[2001:db8::5]", "[2001:db8::5]:5070"])
def test_a_server_is_a_name_or_an_address_and_perhaps_a_port(text: str) -> None:
    assert str(server_uri(text)) == f"sip:{text}"


@pytest.mark.parametrize("text", ["anna@pbx.example", "sip:pbx.example", "pbx example", "pbx:99999", "pbx;lr"])
def test_what_is_no_server_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValidationError, match=r"192\.168\.1\.5:5070"):
        account(registrar=text)


@pytest.mark.parametrize(
    ("key", "value"),
    [("registrar", "pbx.example"), ("password", "x"), ("domain", "pbx.example"), ("auth_id", "x")],
)
def test_whoever_forgets_the_type_is_told_so(key: str, value: str) -> None:
    with pytest.raises(ValidationError, match='type = "registered"'):
        AccountSettings.model_validate({key: value})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"secondary": {}}, "needs a registrar or a domain"),
        ({"private_key": "/etc/door.key"}, "certificate"),
        ({"auth_id": "a\r\nb"}, "one line"),
        ({"transport": "sctp"}, "transport"),
        ({"proxies": [{"address": ""}]}, "address"),
        ({"registration_interval_s": 5}, "registration_interval_s"),
    ],
)
def test_what_cannot_work_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        account(**wrong)


def test_a_password_is_in_no_complaint() -> None:
    text = f'[[accounts]]\nname = "a"\npassword = "{PASSWORD}"\nregistrar = "x y"\n'
    with pytest.raises(SettingsError) as caught:
        parse_settings(text, NodeSettings, "voipnode.toml")
    told = "\n".join(str(problem) for problem in caught.value.problems)
    assert "voipnode.toml:3: accounts[0].password" in told
    assert PASSWORD not in told


def test_the_registrar_is_the_domain_where_it_is_not_named_and_the_other_way_round() -> None:
    (only,) = servers_of(account(domain="pbx.example"))
    assert (str(only.registrar), str(only.aor)) == ("sip:pbx.example", "sip:door@pbx.example")
    (only,) = servers_of(account(domain="", registrar="192.0.2.5:5070"))
    assert (str(only.registrar), str(only.aor)) == ("sip:192.0.2.5:5070", "sip:door@192.0.2.5:5070")
    assert servers_of(AccountSettings(type="registered")) == ()


def test_the_secondary_keeps_the_public_domain_unless_it_has_its_own() -> None:
    same = servers_of(account(secondary={"registrar": "pbx2.example"}))
    assert [str(server.aor) for server in same] == ["sip:door@pbx.example"] * 2
    other = servers_of(account(secondary={"domain": "far.example"}))
    assert [str(server.registrar) for server in other] == ["sip:pbx.example", "sip:far.example"]
    assert str(other[1].aor) == "sip:door@far.example"


def test_sips_forces_tls_and_proxies_are_routes_in_their_order() -> None:
    secure = account(sips=True, proxies=[{"address": "edge.example"}, {"address": "inner.example:5071"}])
    assert secure.wire_transport == "TLS"
    (server,) = servers_of(secure)
    assert (str(server.first), str(server.registrar)) == ("sips:edge.example", "sips:pbx.example")
    assert server.routes == ("<sips:edge.example;lr>", "<sips:inner.example:5071;lr>")
    (server,) = servers_of(account(transport="tcp", proxies=[{"address": "edge.example"}]))
    assert server.routes == ("<sip:edge.example;transport=tcp;lr>",)


def test_credentials_are_the_accounts_and_each_proxys() -> None:
    proxies = [{"address": "e.example", "user": "edge", "password": "p", "realm": "edge"}, {"address": "f.example"}]
    own, edge = credentials_of(account(user_id="100", proxies=proxies))
    assert (own.username, own.password, own.realm) == ("100", PASSWORD, None)
    assert (edge.username, edge.password, edge.realm) == ("edge", "p", "edge")


@pytest.mark.parametrize(("repetitions", "timeout_s"), [(0, 0.5), (1, 1.5), (2, 3.5), (3, 4.0), (10, 4.0)])
def test_a_server_is_given_up_after_its_repetitions_or_the_time_out(repetitions: int, timeout_s: float) -> None:
    pace = RegisterPace.of(account(max_retransmissions=repetitions), SipSettings())
    assert pace.timeout_s(UDP) == timeout_s
    assert pace.timeout_s(TCP) == 4.0, "nothing is repeated there"


def test_what_the_account_leaves_open_is_that_of_all() -> None:
    sip = SipSettings(registration_interval_s=120, failback_s=5, max_retransmissions=2)
    pace = RegisterPace.of(account(failback_s=7), sip)
    assert (pace.interval_s, pace.failback_s, pace.repetitions) == (120, 7, 2)


def test_accounts_of_one_name_are_told_apart_by_their_id() -> None:
    names = ("pbx", "lan", "pbx", "pbx#2", "pbx")
    accounts = complete_accounts(tuple(AccountSettings(name=name) for name in names))
    assert [each.id for each in accounts] == ["pbx", "lan", "pbx#3", "pbx#2", "pbx#4"]
    assert [each.name for each in accounts] == list(names)
    assert accounts[2] != accounts[4], "not even where all that is set is equal"
    assert "pbx#3" not in accounts[2].model_dump_json(), "no setting: it follows from the order"


@pytest.mark.parametrize("path", ["ws", "/a b", "/a#b", "/\r\nHost: x"])
def test_a_websocket_path_is_one(path: str) -> None:
    with pytest.raises(ValidationError, match="websocket_path"):
        account(websocket_path=path)
    assert account(websocket_path="/ws?x=1").websocket_path == "/ws?x=1"


def test_the_default_is_an_active_account_and_where_none_is_the_automatic_one_comes_back() -> None:
    off, on = AccountSettings(name="off", active=False), AccountSettings(name="on")
    assert [each.default for each in complete_accounts((off, on))] == [False, True]
    assert [each.name for each in complete_accounts((off,))] == ["off", "Peer to peer (default)"]
    with pytest.raises(ValueError, match="not active"):
        complete_accounts((off.model_copy(update={"default": True}), on))
