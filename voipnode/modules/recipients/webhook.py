"""Messages to web servers, over HTTP."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

from voipnode.modules.recipients.errors import DeliveryError
from voipnode.modules.recipients.message import Message, filled, fitted
from voipnode.modules.recipients.settings import HttpRecipient
from voipnode.modules.recipients.tls import client_context

if TYPE_CHECKING:
    import httpx

AGAIN = (408, 425, 429)  # answers of a client's fault that time may heal


async def post(recipient: HttpRecipient, message: Message, now_s: float) -> str:
    """Request once. A file makes it multipart: the body is the part `message`, the file the part `file`.

    Raises DeliveryError, OSError.
    """
    import httpx  # 60 ms that a node without a webhook does without

    try:
        async with httpx.AsyncClient(
            verify=client_context(recipient),
            proxy=_proxy(recipient),
            trust_env=False,
            timeout=recipient.timeout_s,
            event_hooks={"response": [_leave_body]},
        ) as client:
            request = client.build_request(recipient.method, recipient.url, **_content(recipient, message))
            request.headers.update({name: value.get_secret_value() for name, value in recipient.headers.items()})
            if secret := recipient.secret.get_secret_value():
                signed = f"{now_s:.0f}.".encode() + await request.aread()
                digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
                request.headers["x-voipnode-signature"] = f"t={now_s:.0f},sha256={digest}"
            answer = await client.send(request, auth=_login(recipient), stream=True)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DeliveryError(str(error) or type(error).__name__) from error
    words = f"{answer.status_code} {answer.reason_phrase}".rstrip()
    if not answer.is_success:
        final = 400 <= answer.status_code < 500 and answer.status_code not in AGAIN
        raise DeliveryError(f"the server said {words}", final=final)
    return words


async def _leave_body(answer: httpx.Response) -> None:
    """An answer's body is nobody's concern, and may have no end: it is not read, not even that of a login's first."""
    import httpx

    assert isinstance(answer.stream, httpx.AsyncByteStream)
    await answer.stream.aclose()
    answer.stream = httpx.ByteStream(b"")


def _content(recipient: HttpRecipient, message: Message) -> dict[str, Any]:
    values, kind = message.all, recipient.content_type or "application/json"
    body = (filled(recipient.body, fitted(values, kind)) if recipient.body else json.dumps(values)).encode()
    if recipient.method == "GET":
        return {}
    if message.attachment is None:
        return {"content": body, "headers": {"content-type": kind}}
    return {"files": {"message": (None, body, kind), "file": tuple(message.attachment)}}


def _login(recipient: HttpRecipient) -> httpx.Auth | None:
    import httpx

    if not recipient.username:
        return None
    kind = httpx.DigestAuth if recipient.login == "digest" else httpx.BasicAuth
    return kind(recipient.username, recipient.password.get_secret_value())


def _proxy(recipient: HttpRecipient) -> httpx.Proxy | None:
    import httpx

    if not recipient.proxy:
        return None
    login = (recipient.proxy_username, recipient.proxy_password.get_secret_value())
    return httpx.Proxy(recipient.proxy, auth=login if recipient.proxy_username else None)
