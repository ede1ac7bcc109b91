"""A router that forwards ports for whoever asks in its network (UPnP-IGD), by the library async-upnp-client.

The library comes with the extra "upnp" and is imported when a router is wanted.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address
from types import ModuleType
from typing import Any, Literal
from urllib.parse import urlsplit

GATEWAYS = (
    "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
    "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
)
MAX_BODY_BYTES = 256 * 1024  # of a description; whoever answers first is anybody in the network
MAX_ANSWERS = 8  # of devices that call themselves routers
DESCRIPTION = "voipnode"
# UPnP WANIPConnection:2 §2.4.16, and what routers answer besides.
_CODES = {
    402: "did not understand the request",
    501: "could not do it",
    606: "does not let this machine forward ports",
    714: "knows no such forwarding",
    715: "wants to know who may come in, and it is anybody",
    716: "chooses the outer port itself",
    718: "forwards this port to another machine already",
    724: "wants the same port outside and inside",
    728: "has no room for another forwarding",
    729: "forwards this port in another way already",
}
ONLY_PERMANENT = 725


class RouterError(Exception):
    """The router does not do what was asked of it, or is not there; the message says so in words."""

    def __init__(self, words: str, code: int = 0) -> None:
        super().__init__(words)
        self.code = code


@dataclass(frozen=True, slots=True)
class Forwarding:
    """A port that the router is to forward to the same port of ours."""

    protocol: Literal["UDP", "TCP"]
    port: int

    def __str__(self) -> str:
        return f"{self.protocol} port {self.port}"


class _Anybody(IPv4Address):
    """Who may come in through a forwarded port. The library writes addresses in full; everybody is the empty string
    (WANIPConnection:2 §2.3.19), and some routers refuse 0.0.0.0."""

    @property
    def exploded(self) -> str:
        return ""


class Igd:
    """One router, at `host` in our network."""

    def __init__(self, device: Any, host: str, library: ModuleType) -> None:
        self._device = device
        self._library = library
        self.host = host

    async def outer_address(self) -> str:
        """The address that the outside sees. Raises RouterError."""
        address = await self._ask(self._device.async_get_external_ip_address())
        try:
            return str(IPv4Address(str(address)))
        except ValueError:
            raise RouterError(f"says that its outer address is {str(address)[:40]!r}: is it connected?") from None

    async def forward(self, forwarding: Forwarding, to_host: str, lease_s: int) -> None:
        """Forward a port to `to_host` for so long, 0 until it is removed. Raises RouterError."""
        await self._ask(
            self._device.async_add_port_mapping(
                _Anybody("0.0.0.0"),  # noqa: S104 -- nothing is bound to it
                forwarding.port,
                forwarding.protocol,
                forwarding.port,
                IPv4Address(to_host),
                True,
                DESCRIPTION,
                timedelta(seconds=lease_s),
            )
        )

    async def remove(self, forwarding: Forwarding) -> None:
        """Forward that port no more. Raises RouterError."""
        everybody = _Anybody("0.0.0.0")  # noqa: S104 -- nothing is bound to it
        await self._ask(self._device.async_delete_port_mapping(everybody, forwarding.port, forwarding.protocol))

    async def _ask(self, request: Any) -> Any:
        try:
            return await request
        except self._library.UpnpError as error:
            raise _in_words(error) from error
        except (OSError, ValueError) as error:
            raise RouterError(f"answers with nonsense: {error}") from error


async def find_igd(source_host: str, timeout_s: float) -> Igd:
    """The first router that answers within the time and forwards ports. Raises RouterError.

    `source_host`: our address in the network that is asked, "0.0.0.0": the one of the default route.
    """
    try:
        search = importlib.import_module("async_upnp_client.search")
        importlib.import_module("async_upnp_client.aiohttp")
    except ImportError as error:
        raise RouterError('needs the library async-upnp-client: install "voipnode[upnp]"') from error
    answers: asyncio.Queue[tuple[str, str]] = asyncio.Queue(MAX_ANSWERS)

    def answered(headers: Mapping[str, Any]) -> None:
        location, host = str(headers.get("location", "")), str(headers.get("_host", ""))
        if not answers.full():
            answers.put_nowait((location, host))

    listeners = [
        search.SsdpSearchListener(callback=answered, source=(source_host, 0), search_target=target, timeout=1)
        for target in GATEWAYS
    ]
    try:
        for listener in listeners:
            listener.connect_callback = listener.async_search
            await listener.async_start()
        async with asyncio.timeout(timeout_s):
            return await _first_of(answers)
    except TimeoutError:
        raise RouterError(f"no router that forwards ports has answered within {timeout_s:g} s") from None
    except OSError as error:
        raise RouterError(f"the network cannot be asked for routers: {error.strerror or error}") from error
    finally:
        for listener in listeners:
            listener.async_stop()


async def _first_of(answers: asyncio.Queue[tuple[str, str]]) -> Igd:
    seen: set[str] = set()
    while True:
        location, host = await answers.get()
        if location not in seen:
            seen.add(location)
            try:
                return await _read(location, host)
            except RouterError:
                continue  # another one may be better; if none is, the time will be over


async def _read(location: str, host: str) -> Igd:
    """Read what a device says of itself. Raises RouterError where it forwards no ports."""
    profile = importlib.import_module("async_upnp_client.profiles.igd")
    factory = importlib.import_module("async_upnp_client.client_factory")
    exceptions = importlib.import_module("async_upnp_client.exceptions")
    try:
        device = await factory.UpnpFactory(_requester(host), non_strict=True).async_create_device(location)
        igd = profile.IgdDevice(device, None)
    except (exceptions.UpnpError, OSError, ValueError) as error:
        raise RouterError(f"cannot be read: {error}") from error
    if igd._any_action(["WANIPC", "WANPPPC"], "AddPortMapping") is None:
        raise RouterError("forwards no ports")
    return Igd(igd, host, exceptions)


def _requester(host: str) -> Any:
    """Asks that host and no other, follows nobody, and reads no more than is reasonable."""
    aiohttp = importlib.import_module("aiohttp")
    client = importlib.import_module("async_upnp_client.client")
    const = importlib.import_module("async_upnp_client.const")
    exceptions = importlib.import_module("async_upnp_client.exceptions")

    class Requester(client.UpnpRequester):  # type: ignore[misc,name-defined]  # its base is there with the extra alone
        async def async_http_request(self, http_request: Any) -> Any:
            # A device speaks of itself, and of nothing else: nobody in the network has us open pages elsewhere.
            if urlsplit(http_request.url).hostname != host or urlsplit(http_request.url).scheme != "http":
                raise exceptions.UpnpConnectionError(f"it sends us to {http_request.url}")
            timeout = aiohttp.ClientTimeout(total=3.0)
            try:
                async with (
                    aiohttp.ClientSession(timeout=timeout) as session,
                    session.request(
                        http_request.method,
                        http_request.url,
                        headers=dict(http_request.headers or {}),
                        data=http_request.body,
                        allow_redirects=False,
                    ) as answer,
                ):
                    body = await _bounded(answer.content)
            except TimeoutError as error:
                raise exceptions.UpnpConnectionTimeoutError("it does not answer") from error
            except aiohttp.ClientError as error:
                raise exceptions.UpnpConnectionError(str(error)) from error
            return const.HttpResponse(answer.status, dict(answer.headers), body.decode("utf-8", "replace"))

    async def _bounded(content: Any) -> bytes:
        body = bytearray()
        async for piece in content.iter_chunked(16 * 1024):
            body += piece
            if len(body) > MAX_BODY_BYTES:
                raise exceptions.UpnpConnectionError("it says more than a router has to say")
        return bytes(body)

    return Requester()


def _in_words(error: Exception) -> RouterError:
    code = getattr(error, "error_code", None)
    if code is None:
        return RouterError(f"does not answer as it should: {error}")
    told = str(getattr(error, "error_desc", "") or "")[:60]
    words = _CODES.get(int(code)) or f"refused ({told})"
    return RouterError(f"{words} ({int(code)})", int(code))
