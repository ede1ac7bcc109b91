"""Messages as lines over TCP, and as records of syslog."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from contextlib import suppress
from datetime import datetime

from voipnode.modules.recipients.message import Message, one_line
from voipnode.modules.recipients.settings import SyslogRecipient, TcpRecipient
from voipnode.modules.recipients.tls import client_context

NOTICE = 5  # RFC 5424 §6.2.1: normal but significant
UTF8_BOM = "\ufeff"


async def send_line(recipient: TcpRecipient, message: Message) -> str:
    """Send the text as one line. Raises OSError."""
    return await _send(recipient.host, recipient.port, f"{one_line(message.text)}\n".encode(), None)


async def send_record(recipient: SyslogRecipient, message: Message) -> str:
    """Send the message as a record. Raises OSError."""
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
    tls = client_context(recipient) if recipient.transport == "tls" else None
    return await _send(recipient.host, recipient.port or (514 if tls is None else 6514), framed, tls)


def syslog_record(recipient: SyslogRecipient, message: Message, hostname: str) -> bytes:
    """One record, as RFC 5424 §6 or RFC 3164 §4 has it."""
    priority = 8 * recipient.facility + NOTICE
    text = one_line(message.text or message.subject)
    host = re.sub(r"[^\x21-\x7e]", "-", hostname)[:255] or "-"
    if recipient.format == "rfc5424":
        return f"<{priority}>1 {message.at_utc or '-'} {host} voipnode - - - {UTF8_BOM}{text}".encode()
    moment = datetime.fromisoformat(message.at_utc).astimezone()  # §4.1.2: the local time
    stamp = f"{moment:%b} {moment.day:2d} {moment:%H:%M:%S}"  # a blank before days of one digit
    return f"<{priority}>{stamp} {host} voipnode: {text}".encode()


async def _send(host: str, port: int, data: bytes, tls: ssl.SSLContext | None) -> str:
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
