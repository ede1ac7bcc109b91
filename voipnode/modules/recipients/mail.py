"""Mail to recipients, over SMTP (RFC 5321, RFC 6409)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from email.message import EmailMessage

from voipnode.modules.recipients.errors import DeliveryError
from voipnode.modules.recipients.message import Message, one_line
from voipnode.modules.recipients.settings import MailRecipient
from voipnode.modules.recipients.tls import client_context


async def send_mail(recipient: MailRecipient, message: Message) -> str:
    """Hand the mail to the server. Raises DeliveryError, OSError."""
    import aiosmtplib

    if recipient.pop_host:
        await log_in_by_pop(recipient)
    try:
        _, said = await aiosmtplib.send(
            written(recipient, message),
            hostname=recipient.host,
            port=recipient.port,
            username=recipient.username or None,
            password=recipient.password.get_secret_value() or None,
            use_tls=recipient.security == "tls",
            start_tls=recipient.security == "starttls",
            tls_context=client_context(recipient) if recipient.security != "none" else None,
            timeout=recipient.timeout_s,
        )
    except aiosmtplib.SMTPResponseException as error:
        raise DeliveryError(f"the mail server said {error.code} {error.message}", final=error.code >= 500) from error
    except aiosmtplib.SMTPException as error:
        raise DeliveryError(str(error)) from error
    return said


def written(recipient: MailRecipient, message: Message) -> EmailMessage:
    """The message as a mail. Its id is the same at every try, by which a mailbox knows one that comes twice."""
    mail = EmailMessage()
    mail["From"], mail["To"] = recipient.sender, ", ".join(recipient.to)
    mail["Subject"] = one_line(message.subject) or "Message of the door"
    with suppress(ValueError):
        moment = datetime.fromisoformat(message.at_utc)
        mail["Date"] = moment
        mail["Message-ID"] = f"<{moment:%Y%m%d%H%M%S}.{message.number}.{recipient.sender}>"
    mail.set_content(message.text)
    if message.attachment is not None:
        name, content, media_type = message.attachment
        main, _, sub = media_type.partition("/")
        mail.add_attachment(content, maintype=main, subtype=sub, filename=name)
    return mail


async def log_in_by_pop(recipient: MailRecipient) -> None:
    """Log in to the POP server (RFC 1939 §7), which tells its SMTP server that we may send. Raises DeliveryError."""
    reader, writer = await asyncio.open_connection(
        recipient.pop_host, recipient.pop_port, ssl=client_context(recipient)
    )
    try:
        for line in ("", f"USER {recipient.username}", f"PASS {recipient.password.get_secret_value()}"):
            if line:
                writer.write(f"{one_line(line)}\r\n".encode())
            answer = (await reader.readline()).decode("utf-8", "replace").strip()
            if not answer.startswith("+OK"):
                raise DeliveryError(f"the POP server said {answer[:200] or 'nothing'}")
        writer.write(b"QUIT\r\n")
        await writer.drain()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
