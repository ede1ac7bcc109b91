"""Where the web server may listen."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from voipnode.web.settings import WebSettings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_is_served(host: str) -> None:
    assert WebSettings(host=host).host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "door.example.org", "", "127.0.0.1 ", "::ffff:0:1"])
def test_any_other_address_is_refused_by_name_and_value(host: str) -> None:
    with pytest.raises(ValidationError) as caught:
        WebSettings(host=host)
    [error] = caught.value.errors()
    assert (error["loc"], error["input"]) == (("host",), host)
    assert "use 127.0.0.1 or ::1" in error["msg"]


@pytest.mark.parametrize("port", [80, 1023, 65536])
def test_ports_are_1024_to_65535(port: int) -> None:
    with pytest.raises(ValidationError):
        WebSettings(port=port)
