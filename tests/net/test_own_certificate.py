"""The certificate that a node makes for itself: once, for its own eyes, and one that TLS works with."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import stat
from pathlib import Path

from cryptography import x509

from tests.net.conftest import Run
from tests.support.certificates import DAY, Authority, now
from tests.support.stream_rig import serving, side
from voipnode.net.own_certificate import own_certificate


def test_it_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    path = own_certificate(tmp_path / "sip-tls.pem")
    made = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert own_certificate(path).read_bytes() == made
    certificate = x509.load_pem_x509_certificate(made)
    assert certificate.not_valid_after_utc > now() + 3600 * DAY
    assert certificate.not_valid_before_utc == datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    assert list(tmp_path.iterdir()) == [path]


def test_one_that_is_over_or_damaged_is_made_anew(tmp_path: Path) -> None:
    path = Authority(tmp_path / "ca").issue("old", ends=now() - DAY / 2, to=tmp_path / "sip-tls.pem")
    assert x509.load_pem_x509_certificate(own_certificate(path).read_bytes()).not_valid_after_utc > now()
    path.write_bytes(b"half of it")
    (tmp_path / "sip-tls.pem.new").write_bytes(b"left behind by a run that was killed")
    assert x509.load_pem_x509_certificate(own_certificate(path).read_bytes()).not_valid_after_utc > now()


def test_a_client_that_accepts_it_is_served_and_one_that_pins_it_is_sure(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        path = own_certificate(tmp_path / "sip-tls.pem")
        async with side(server=serving(path)) as door:
            pinning = ssl.create_default_context(cafile=str(path))
            pinning.check_hostname = False
            _, writer = await asyncio.open_connection("127.0.0.1", door.port, ssl=pinning)
            writer.write(b"OPTIONS")
            await door.sink.until(lambda: bool(door.sink.received))
            writer.close()

    run(main())
