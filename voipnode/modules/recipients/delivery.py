"""One try to deliver a message, by kind of recipient. Each raises `DeliveryError` with words where it fails."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import socket
import ssl
from contextlib import suppress
from datetime import datetime
from email.message import EmailMessage

from voipnode.modules.recipients.message import Message, filled
from voipnode.modules.recipients.settings import (
    HttpRecipient,
    MailRecipient,
    Recipient,
    SyslogRecipient,
    TcpRecipient,
)

NOTICE = 5  # RFC 5424 §6.2.1: normal but significant
UTF8_BOM = "\ufeff"
AGAIN = (408, 425, 429)  # answers of a client's fault that time may heal
_LINE_ENDS = re.compile(r"[\r\n\x00]+")


class DeliveryError(Exception):
    """It was not delivered. `final`: nor will it be, however often it is tried."""

    def __init__(self, words: str, *, final: bool = False) -> None:
        super().__init__(words)
        self.final = final


async def deliver(recipient: Recipient, message: Message, now_s: float) -> str:
    """Try once; what came of it in words. `now_s`: seconds since 1970, for signatures."""
    try:
        async with asyncio.timeout(recipient.timeout_s):
            match recipient:
                case HttpRecipient():
                    return await _http(recipient, message, now_s)
                case MailRecipient():
                    return await _mail(recipient, message)
                case TcpRecipient():
                    return await _tcp(recipient.host, recipient.port, f"{_line(message.text)}\n".encode(), None)
                case SyslogRecipient():
                    return await _syslog(recipient, message)
    except TimeoutError:
        raise DeliveryError(f"no answer within {recipient.timeout_s:g} s") from None
    except ssl.SSLError as error:
        raise DeliveryError(f"TLS failed: {error.reason or error}") from error
    except OSError as error:
        raise DeliveryError(error.strerror or str(error)) from error


def _context(recipient: HttpRecipient | MailRecipient | SyslogRecipient) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=recipient.ca or None)
    if not recipient.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _line(text: str) -> str:
    return _LINE_ENDS.sub(" ", text)


async def _http(recipient: HttpRecipient, message: Message, now_s: float) -> str:
    import httpx  # 60 ms that a node without a webhook does without

    values = message.all
    body = filled(recipient.body, values) if recipient.body else json.dumps(values)
    headers = {"content-type": recipient.content_type or "application/json", **recipient.headers}
    if secret := recipient.secret.get_secret_value():
        signed = f"{now_s:.0f}.{body}".encode()
        digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        headers["x-voipnode-signature"] = f"t={now_s:.0f},sha256={digest}"
    login: httpx.Auth | None = None
    if recipient.username:
        kind = httpx.DigestAuth if recipient.login == "digest" else httpx.BasicAuth
        login = kind(recipient.username, recipient.password.get_secret_value())
    try:
        async with httpx.AsyncClient(
            verify=_context(recipient), proxy=recipient.proxy or None, trust_env=False, timeout=recipient.timeout_s
        ) as client:
            content = None if recipient.method == "GET" else body.encode()
            answer = await client.request(recipient.method, recipient.url, content=content, headers=headers, auth=login)
    except httpx.HTTPError as error:
        raise DeliveryError(str(error) or type(error).__name__) from error
    words = f"{answer.status_code} {answer.reason_phrase}".rstrip()
    if not answer.is_success:
        final = 400 <= answer.status_code < 500 and answer.status_code not in AGAIN
        raise DeliveryError(f"the server said {words}", final=final)
    return words


async def _mail(recipient: MailRecipient, message: Message) -> str:
    import aiosmtplib

    mail = EmailMessage()
    mail["From"], mail["To"] = recipient.sender, ", ".join(recipient.to)
    mail["Subject"] = _line(message.subject) or "Message of the door"
    with suppress(ValueError):
        mail["Date"] = datetime.fromisoformat(message.at_utc)
    mail.set_content(message.text)
    try:
        _, said = await aiosmtplib.send(
            mail,
            hostname=recipient.host,
            port=recipient.port,
            username=recipient.username or None,
            password=recipient.password.get_secret_value() or None,
            use_tls=recipient.security == "tls",
            start_tls=recipient.security == "starttls",
            tls_context=_context(recipient) if recipient.security != "none" else None,
            timeout=recipient.timeout_s,
        )
    except aiosmtplib.SMTPResponseException as error:
        raise DeliveryError(f"the mail server said {error.code} {error.message}", final=error.code >= 500) from error
    except aiosmtplib.SMTPException as error:
        raise DeliveryError(str(error)) from error
    return said


async def _tcp(host: str, port: int, data: bytes, tls: ssl.SSLContext | None) -> str:
    _, writer = await asyncio.open_connection(host, port, ssl=tls)
    try:
        writer.write(data)
        await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    return "sent"


async def _syslog(recipient: SyslogRecipient, message: Message) -> str:
    record = syslog_record(recipient, message, socket.gethostname())
    if recipient.transport == "udp":
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=(recipient.host, recipient.port or 514)
        )
        transport.sendto(record)
        transport.close()
        return "sent"
    framed = f"{len(record)} ".encode() + record  # RFC 6587 §3.4.1, RFC 5425 §4.3
    tls = _context(recipient) if recipient.transport == "tls" else None
    return await _tcp(recipient.host, recipient.port or (514 if tls is None else 6514), framed, tls)


def syslog_record(recipient: SyslogRecipient, message: Message, hostname: str) -> bytes:
    """One record, as RFC 5424 §6 or RFC 3164 §4 has it."""
    priority = 8 * recipient.facility + NOTICE
    text = _line(message.text or message.subject)
    host = re.sub(r"[^\x21-\x7e]", "-", hostname)[:255] or "-"
    if recipient.format == "rfc5424":
        return f"<{priority}>1 {message.at_utc or '-'} {host} voipnode - - - {UTF8_BOM}{text}".encode()
    moment = datetime.fromisoformat(message.at_utc).astimezone()  # §4.1.2: the local time
    stamp = f"{moment:%b} {moment.day:2d} {moment:%H:%M:%S}"  # a blank before days of one digit
    return f"<{priority}>{stamp} {host} voipnode: {text}".encode()
