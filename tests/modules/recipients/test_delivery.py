"""One try at each kind of recipient, against servers that are real."""

from __future__ import annotations

import asyncio
import base64
import email
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from email import policy
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from pydantic import TypeAdapter, ValidationError

from tests.support.aio import PATIENCE_S, run_test, within
from tests.support.free_ports import free_port
from voipnode.calls.hooks import Bus, Commands
from voipnode.modules.recipients.calling import Caller
from voipnode.modules.recipients.delivery import Courier
from voipnode.modules.recipients.errors import DeliveryError
from voipnode.modules.recipients.lines import syslog_record
from voipnode.modules.recipients.mail import written
from voipnode.modules.recipients.message import Attachment, Message, filled, fitted
from voipnode.modules.recipients.settings import CallRecipient, Recipient, RecipientsSettings, where

MESSAGE = Message("Door", "Anna was let in", {"rule": "Night", "who": "Anna"}, "2026-06-01T22:00:05Z", 7)
PICTURE = Attachment("last.svg", b"<svg>\r\n</svg>", "image/svg+xml")
RECIPIENT: TypeAdapter[Any] = TypeAdapter(Recipient)


def recipient(**values: Any) -> Any:
    return RECIPIENT.validate_python({"name": "r", **values})


async def deliver(to: Any, message: Message, now_s: float) -> str:
    return await Courier(Caller(Bus(lambda: 0.0), Commands())).deliver(to, message, now_s)


def refused(*, to: Any) -> DeliveryError:
    with pytest.raises(DeliveryError) as told:
        run_test(deliver(to, MESSAGE, 1000.0))
    return told.value


@asynccontextmanager
async def listening(
    answer: bytes = b"", *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that keeps what it is sent, and answers once a request of HTTP is whole, or at its end."""
    heard: list[bytes] = []
    more = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (
                    int(line.split(b":")[1])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length")
                ),
                0,
            )
            heard.append(head + await reader.readexactly(length))
            writer.write(answer)
        else:
            heard.append(await reader.read())
        more.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1], heard
        async with within(PATIENCE_S, "connection"):
            await more.wait()


OK = b"HTTP/1.1 204 No Content\r\n\r\n"


def test_a_webhook_gets_everything_signed() -> None:
    async def main() -> None:
        async with listening(OK) as (port, heard):
            to = recipient(kind="http", url=f"http://127.0.0.1:{port}/hook?x=1", secret="s3cret", headers={"X-A": "b"})
            assert await deliver(to, MESSAGE, 1000.4) == "204 No Content"
        head, body = heard[0].split(b"\r\n\r\n", 1)
        assert head.startswith(b"POST /hook?x=1 HTTP/1.1\r\n")
        assert b"x-a: b" in head.lower()
        assert json.loads(body) == {
            "rule": "Night",
            "who": "Anna",
            "subject": "Door",
            "text": "Anna was let in",
            "time": "2026-06-01T22:00:05Z",
            "number": "7",
        }
        proof = hmac.new(b"s3cret", b"1000." + body, hashlib.sha256).hexdigest()
        assert f"x-voipnode-signature: t=1000,sha256={proof}".encode() in head.lower()

    run_test(main())


def test_a_webhook_with_a_body_and_a_login_of_its_own() -> None:
    async def main() -> None:
        async with listening(OK) as (port, heard):
            to = recipient(
                kind="http",
                url=f"http://127.0.0.1:{port}/",
                method="PUT",
                body="<e who='{who}'>{unknown}</e>",
                content_type="text/xml",
                username="door",
                password="pw",
            )
            await deliver(to, MESSAGE, 0.0)
        head, body = heard[0].split(b"\r\n\r\n", 1)
        assert body == b"<e who='Anna'>{unknown}</e>"
        assert b"content-type: text/xml" in head.lower()
        assert b"authorization: basic " + base64.b64encode(b"door:pw").lower() in head.lower()

    run_test(main())


def test_a_webhook_with_a_file_is_a_form_and_signed_as_a_whole() -> None:
    async def main() -> None:
        async with listening(OK) as (port, heard):
            to = recipient(
                kind="http", url=f"http://127.0.0.1:{port}/", secret="s3cret", body="{text}", content_type="a/b"
            )
            await deliver(to, replace(MESSAGE, attachment=PICTURE), 1000.0)
        head, body = heard[0].split(b"\r\n\r\n", 1)
        form = email.message_from_bytes(b"Content-Type: " + form_type(head) + b"\r\n\r\n" + body)
        message, file = form.get_payload()
        assert (message.get_content_type(), message.get_payload()) == ("a/b", "Anna was let in")
        assert (file.get_filename(), file.get_content_type()) == ("last.svg", "image/svg+xml")
        assert file.get_payload(decode=True) == PICTURE.content
        proof = hmac.new(b"s3cret", b"1000." + body, hashlib.sha256).hexdigest()
        assert f"x-voipnode-signature: t=1000,sha256={proof}".encode() in head.lower()

    run_test(main())


def form_type(head: bytes) -> bytes:
    (found,) = (line[14:] for line in head.split(b"\r\n") if line.lower().startswith(b"content-type: "))
    return found


def test_a_webhook_goes_through_a_proxy_with_a_login() -> None:
    async def main() -> None:
        async with listening(OK) as (port, heard):
            proxy = {"proxy": f"http://127.0.0.1:{port}", "proxy_username": "door", "proxy_password": "pw"}
            await deliver(recipient(kind="http", url="http://guard.invalid/hook", **proxy), MESSAGE, 0.0)
        assert heard[0].startswith(b"POST http://guard.invalid/hook HTTP/1.1\r\n")
        assert b"proxy-authorization: basic " + base64.b64encode(b"door:pw").lower() in heard[0].lower()

    run_test(main())


@pytest.mark.parametrize(("status", "final"), [("500 Oops", False), ("429 Slowly", False), ("404 Not Found", True)])
def test_what_a_web_server_refuses(status: str, final: bool) -> None:
    async def main() -> None:
        async with listening(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()) as (port, _):
            with pytest.raises(DeliveryError, match=status.partition(" ")[0]) as told:
                await deliver(recipient(kind="http", url=f"http://127.0.0.1:{port}/"), MESSAGE, 0.0)
            assert told.value.final is final

    run_test(main())


@pytest.mark.parametrize("login", ["basic", "digest"])
def test_an_answer_without_end_is_not_read(login: str) -> None:
    async def main() -> None:
        asked: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            await reader.readexactly(1)
            if login == "digest" and len(asked) == 1:
                writer.write(b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="a", nonce="b", qop="auth"\r\n\r\n')
            else:
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            with suppress(OSError):
                while True:
                    writer.write(bytes(65_536))
                    await writer.drain()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            to = recipient(kind="http", url=url, body="x", username="door", password="pw", login=login, timeout_s=120)
            async with within(PATIENCE_S, "an answer"):
                assert await deliver(to, MESSAGE, 0.0) == "200 OK"
        assert len(asked) == (2 if login == "digest" else 1)

    run_test(main())


def test_nobody_there_and_nobody_who_answers() -> None:
    gone = refused(to=recipient(kind="http", url=f"http://127.0.0.1:{free_port()}/"))
    assert not gone.final

    async def main() -> None:
        async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(1000):
                pass  # and say nothing
            writer.close()

        server = await asyncio.start_server(hear, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(DeliveryError, match=r"no answer within 1 s|timed out|Timeout"):
                await deliver(recipient(kind="http", url=f"http://127.0.0.1:{port}/", timeout_s=1), MESSAGE, 0.0)

    run_test(main())


def test_what_no_library_understands_is_no_delivery_and_ends_nothing() -> None:
    assert "Invalid" in str(refused(to=recipient(kind="http", url="http://127.0.0.1:x/")))

    class Broken(Caller):
        async def call(self, recipient: CallRecipient) -> str:
            raise RuntimeError("nobody thought of this")

    async def main() -> None:
        courier = Courier(Broken(Bus(lambda: 0.0), Commands()))
        with pytest.raises(DeliveryError, match="it failed by RuntimeError") as told:
            await courier.deliver(recipient(kind="call", to="sip:a@b"), MESSAGE, 0.0)
        assert not told.value.final

    run_test(main())


def test_a_line_of_text_over_tcp() -> None:
    async def main() -> None:
        async with listening() as (port, heard):
            split = Message("s", "one\r\ntwo", {}, MESSAGE.at_utc)
            await deliver(recipient(kind="tcp", host="127.0.0.1", port=port), split, 0.0)
        assert heard == [b"one two\n"]

    run_test(main())


def test_syslog_over_tls_is_framed(tmp_path: Path) -> None:
    authority = trustme.CA()
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def main() -> None:
        async with listening(tls=context) as (port, heard):
            to = recipient(kind="syslog", host="127.0.0.1", port=port, transport="tls", ca=str(ca))
            await deliver(to, MESSAGE, 0.0)
        length, record = heard[0].split(b" ", 1)
        assert int(length) == len(record)
        assert record.startswith(b"<85>1 2026-06-01T22:00:05Z ")
        assert record.endswith(b" voipnode - - - \xef\xbb\xbfAnna was let in")

    run_test(main())


def test_syslog_over_udp_in_the_form_of_old() -> None:
    async def main() -> None:
        got: asyncio.Queue[bytes] = asyncio.Queue()

        class Ear(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: Any) -> None:
                got.put_nowait(data)

        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Ear, local_addr=("127.0.0.1", 0))
        port = transport.get_extra_info("sockname")[1]
        to = recipient(kind="syslog", host="127.0.0.1", port=port, format="rfc3164", facility=1)
        await deliver(to, MESSAGE, 0.0)
        async with within(PATIENCE_S, "record"):
            record = await got.get()
        assert record.startswith(b"<13>Jun  ")
        assert record.endswith(b" voipnode: Anna was let in")
        transport.close()

    run_test(main())


def test_a_host_with_a_strange_name_is_one_word() -> None:
    record = syslog_record(recipient(kind="syslog", host="x"), MESSAGE, "front door\n")
    assert record.split(b" ")[2] == b"front-door-"


class Mails:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.got: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 -- aiosmtpd's name
        self.got.append((session.authenticated, bool(session.ssl), envelope))
        return "250 kept"


@pytest.fixture
def mail_server(tmp_path: Path) -> Iterator[tuple[Mails, int, str]]:
    authority = trustme.CA()
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    mails, port = Mails(), free_port()

    def check(server: Any, session: Any, envelope: Any, mechanism: str, login: Any) -> AuthResult:
        return AuthResult(success=login.password == b"pw", handled=False)

    controller = Controller(
        mails,
        hostname="127.0.0.1",
        port=port,
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=check,
    )
    controller.start()
    yield mails, port, str(ca)
    controller.stop()


SFTP = {"kind": "sftp", "host": "x", "username": "u"}
MAIL = {"kind": "email", "to": ["guard@example.com", "ann@example.com"], "sender": "door@example.com"}


def test_a_mail_arrives_by_starttls_with_a_password(mail_server: tuple[Mails, int, str]) -> None:
    mails, port, ca = mail_server
    to = recipient(**MAIL, host="127.0.0.1", port=port, ca=ca, username="door", password="pw")
    injected = Message("Door\r\nBcc: x@y", MESSAGE.text, {}, MESSAGE.at_utc)
    assert "kept" in run_test(deliver(to, injected, 0.0))
    ((authenticated, secret, envelope),) = mails.got
    assert (authenticated, secret) == (True, True)
    assert (envelope.mail_from, envelope.rcpt_tos) == ("door@example.com", ["guard@example.com", "ann@example.com"])
    text = envelope.content.decode()
    assert "Subject: Door Bcc: x@y" in text
    assert "Date: Mon, 01 Jun 2026 22:00:05" in text
    assert "Anna was let in" in text


def test_a_mail_carries_a_file_and_is_known_when_it_comes_twice(mail_server: tuple[Mails, int, str]) -> None:
    mails, port, ca = mail_server
    at = {"host": "127.0.0.1", "port": port, "ca": ca, "username": "door", "password": "pw"}
    to = recipient(**{**MAIL, "to": "guard@example.com, ann@example.com"}, **at)
    for _ in range(2):
        run_test(deliver(to, replace(MESSAGE, attachment=PICTURE), 0.0))
    first, second = (email.message_from_bytes(envelope.content, policy=policy.default) for _, _, envelope in mails.got)
    assert first["Message-ID"] == second["Message-ID"] == "<20260601220005.7.door@example.com>"
    assert first["To"] == "guard@example.com, ann@example.com"
    (attached,) = first.iter_attachments()
    assert (attached.get_filename(), attached.get_content_type()) == ("last.svg", "image/svg+xml")
    assert attached.get_payload(decode=True) == PICTURE.content


def test_a_pop_server_is_logged_in_to_before_mail_is_sent(mail_server: tuple[Mails, int, str], tmp_path: Path) -> None:
    mails, port, _ = mail_server
    authority = trustme.CA()
    ca = tmp_path / "pop.pem"
    authority.cert_pem.write_to_path(str(ca))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    heard: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"+OK ready\r\n")
        while line := (await reader.readline()).decode().strip():
            heard.append(line)
            writer.write(b"-ERR no\r\n" if line == "PASS no" else b"+OK\r\n")
        writer.close()

    async def main(password: str) -> DeliveryError:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        async with server:
            pop = {"pop_host": "127.0.0.1", "pop_port": server.sockets[0].getsockname()[1]}
            at = {"host": "127.0.0.1", "port": port, "ca": str(ca), "username": "door", "password": password, **pop}
            with pytest.raises(DeliveryError) as told:
                await deliver(recipient(**MAIL, **at), MESSAGE, 0.0)
            return told.value

    assert str(run_test(main("no"))) == "the POP server said -ERR no"
    assert heard == ["USER door", "PASS no"]
    assert "certificate" in str(run_test(main("pw"))).lower()  # of the SMTP server, which is of another authority
    assert heard[2:] == ["USER door", "PASS pw", "QUIT"]
    assert mails.got == []


def test_a_wrong_password_and_a_wrong_certificate_are_told(mail_server: tuple[Mails, int, str]) -> None:
    mails, port, ca = mail_server
    wrong = refused(to=recipient(**MAIL, host="127.0.0.1", port=port, ca=ca, username="door", password="no"))
    assert "535" in str(wrong)
    stranger = refused(to=recipient(**MAIL, host="127.0.0.1", port=port, username="door", password="pw"))
    assert "certificate" in str(stranger).lower()
    assert not stranger.final
    assert mails.got == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kind": "http", "url": "ftp://x/"}, "pattern"),
        ({"kind": "http", "url": "http://x/", "headers": {"a b": "c"}}, "no field of HTTP"),
        ({"kind": "http", "url": "http://x/", "headers": {"a": "c\r\nd: e"}}, "has line ends"),
        ({**MAIL, "host": "x", "security": "none", "username": "u", "password": "p"}, "in the clear"),
        ({**MAIL, "host": "x", "to": ["guard"]}, "pattern"),
        ({"kind": "http", "url": "http://x/", "proxy": "http://u:p@proxy:3128"}, "pattern"),
        ({**MAIL, "host": "x", "pop_host": "pop.example.com"}, "a username is needed to log in there"),
        ({**SFTP, "host_key": "SHA256:short"}, "this is no fingerprint of a host key"),
        ({**SFTP, "host_key": "d4:1d"}, "32 hexadecimal digits (MD5) or 43 of base64"),
        ({"kind": "folder", "path": "relative"}, "pattern"),
        ({"kind": "pigeon"}, "'http', 'email', 'tcp', 'syslog', 'ftp', 'sftp', 'folder', 'call'"),
    ],
)
def test_what_cannot_be_is_refused_in_words(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as told:
        recipient(**values)
    assert words in str(told.value)


def test_two_of_one_name_and_the_twenty_first_are_refused() -> None:
    one = {"name": "a", "kind": "tcp", "host": "x", "port": 1}
    with pytest.raises(ValidationError, match="used twice"):
        RecipientsSettings.model_validate({"recipients": [one, one]})
    with pytest.raises(ValidationError, match="at most 20"):
        RecipientsSettings.model_validate({"recipients": [{**one, "name": str(n)} for n in range(21)]})


@pytest.mark.parametrize("sign", ["\r\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\x00"])
def test_no_sign_of_a_subject_begins_another_header_or_stops_the_mail(sign: str) -> None:
    to = recipient(kind="email", to="a@example.org", sender="door@example.org", host="h")
    mail = written(to, replace(MESSAGE, subject=f"Door{sign}Bcc: b@example.org"))
    assert (mail["Subject"], mail["Bcc"]) == ("Door Bcc: b@example.org", None)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("application/json; charset=utf-8", r"\"}<b>'&\n"),
        ("text/xml", "&quot;}&lt;b&gt;&#x27;&amp;\n"),
        ("application/x-www-form-urlencoded", "%22%7D%3Cb%3E%27%26%0A"),
        ("text/plain", "\"}<b>'&\n"),
    ],
)
def test_what_templates_name_ends_nothing_in_them(kind: str, told: str) -> None:
    assert fitted({"who": "\"}<b>'&\n"}, kind) == {"who": told}


def test_a_template_of_json_stays_json() -> None:
    async def main() -> None:
        async with listening(OK) as (port, heard):
            to = recipient(kind="http", url=f"http://127.0.0.1:{port}/", body='{"said": "{text}"}')
            await deliver(to, replace(MESSAGE, text='the digits of "open" came'), 0.0)
        assert json.loads(heard[0].split(b"\r\n\r\n", 1)[1]) == {"said": 'the digits of "open" came'}

    run_test(main())


def test_a_list_shows_no_login_of_a_url() -> None:
    to = recipient(kind="http", url="https://door:s3cret@example.org/hook?key=s3cret")
    assert where(to) == "https://example.org/hook"


def test_what_a_server_says_is_told_within_limits() -> None:
    assert len(str(DeliveryError("x" * 1_000_000))) == 300


def test_templates_fill_in_what_there_is() -> None:
    assert filled("{who} {nobody} {0} {who.x} {WHO}", {"who": "Anna"}) == "Anna {nobody} {0} {who.x} {WHO}"
