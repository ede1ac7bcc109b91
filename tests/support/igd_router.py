"""A router with UPnP-IGD on loopback: found by SSDP multicast, described by XML, asked by SOAP, as its own program
would be. It forwards nothing; it writes down what it was asked for."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from xml.sax.saxutils import escape

from tests.support.aio import at_end

GROUP, PORT = "239.255.255.250", 1900
GATEWAY = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
SERVICE = "urn:schemas-upnp-org:service:WANIPConnection:1"

DESCRIPTION = """<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major><minor>0</minor></specVersion>
<device><deviceType>{gateway}</deviceType><friendlyName>Router</friendlyName><manufacturer>Test</manufacturer>
<modelName>Router</modelName><UDN>uuid:1</UDN><deviceList><device>
<deviceType>urn:schemas-upnp-org:device:WANDevice:1</deviceType><friendlyName>W</friendlyName>
<manufacturer>Test</manufacturer><modelName>W</modelName><UDN>uuid:2</UDN><deviceList><device>
<deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1</deviceType><friendlyName>C</friendlyName>
<manufacturer>Test</manufacturer><modelName>C</modelName><UDN>uuid:3</UDN><serviceList><service>
<serviceType>{service}</serviceType><serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId>
<SCPDURL>/scpd.xml</SCPDURL><controlURL>/control</controlURL><eventSubURL>/events</eventSubURL>
</service></serviceList></device></deviceList></device></deviceList></device></root>
"""
# Arguments of each action, in their order; those behind the bar are answers.
ACTIONS = {
    "AddPortMapping": "RemoteHost ExternalPort PortMappingProtocol InternalPort InternalClient PortMappingEnabled"
    " PortMappingDescription PortMappingLeaseDuration |",
    "DeletePortMapping": "RemoteHost ExternalPort PortMappingProtocol |",
    "GetExternalIPAddress": "| ExternalIPAddress",
}
NAMES = {
    "PortMappingProtocol": "Protocol",
    "PortMappingEnabled": "Enabled",
    "PortMappingLeaseDuration": "LeaseDuration",
}
TYPES = {
    "ExternalPort": "ui2",
    "InternalPort": "ui2",
    "PortMappingEnabled": "boolean",
    "PortMappingLeaseDuration": "ui4",
}


def _scpd() -> str:
    actions, variables = "", set()
    for name, text in ACTIONS.items():
        given, _, answered = text.partition("|")
        arguments = ""
        for direction, words in (("in", given), ("out", answered)):
            for variable in words.split():
                variables.add(variable)
                label = f"New{NAMES.get(variable, variable)}"
                arguments += f"<argument><name>{label}</name><direction>{direction}</direction>"
                arguments += f"<relatedStateVariable>{variable}</relatedStateVariable></argument>"
        actions += f"<action><name>{name}</name><argumentList>{arguments}</argumentList></action>"
    table = "".join(
        f'<stateVariable sendEvents="no"><name>{name}</name><dataType>{TYPES.get(name, "string")}</dataType>'
        "</stateVariable>"
        for name in sorted(variables)
    )
    return (
        '<?xml version="1.0"?><scpd xmlns="urn:schemas-upnp-org:service-1-0"><specVersion><major>1</major>'
        f"<minor>0</minor></specVersion><actionList>{actions}</actionList>"
        f"<serviceStateTable>{table}</serviceStateTable></scpd>"
    )


class IgdRouter:
    """`mappings`: what is forwarded now, (protocol, port) -> (host, port, lease). `refuse`: by port, an error code."""

    def __init__(self, outer: str = "203.0.113.1") -> None:
        self.outer = outer
        self.mappings: dict[tuple[str, int], tuple[str, int, int]] = {}
        self.refuse: dict[int, int] = {}
        self.permanent_only = False
        self.gateway = GATEWAY
        self.location_host = "127.0.0.1"  # what its answers say
        self.asked: list[str] = []
        self.visits = 0  # requests by HTTP
        self.news = asyncio.Event()
        self._count = 0

    @classmethod
    async def start(cls, outer: str = "203.0.113.1") -> IgdRouter:
        router = cls(outer)
        router._server = await asyncio.start_server(router._serve, "0.0.0.0", 0)  # at 127.0.0.2 as well
        router.port = router._server.sockets[0].getsockname()[1]
        router._ssdp = _multicast_socket()
        asyncio.get_running_loop().add_reader(router._ssdp, router._searched)
        at_end(router.stop)
        return router

    async def stop(self) -> None:
        if self._ssdp.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._ssdp)
            self._ssdp.close()
        self._server.close()

    async def until(self, count: int) -> None:
        """Wait for so many actions in all."""
        while len(self.asked) < count:
            self.news.clear()
            await self.news.wait()

    def _searched(self) -> None:
        data, source = self._ssdp.recvfrom(2048)
        text = data.decode()
        if text.startswith("M-SEARCH") and f"ST:{self.gateway}".lower() in text.replace(" ", "").lower():
            self._ssdp.sendto(
                f"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: {self.gateway}\r\nEXT:\r\nSERVER: Test\r\n"
                f"USN: uuid:1::{self.gateway}\r\n"
                f"LOCATION: http://{self.location_host}:{self.port}/root.xml\r\n\r\n".encode(),
                source,
            )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.visits += 1
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            found = re.search(r"content-length: *(\d+)", head, re.IGNORECASE)
            body = (await reader.readexactly(int(found[1]))).decode() if found else ""
            status, answer = self._answer(head.split()[1], head, body)
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: {len(answer)}\r\n"
                f"Connection: close\r\n\r\n{answer}".encode()
            )
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # whoever asked has gone
        finally:
            writer.close()

    def _answer(self, path: str, head: str, body: str) -> tuple[str, str]:
        if path == "/root.xml":
            return "200 OK", DESCRIPTION.format(gateway=self.gateway, service=SERVICE)
        if path == "/scpd.xml":
            return "200 OK", _scpd()
        action = re.search(r'soapaction: *"[^"#]*#(\w+)"', head, re.IGNORECASE)
        assert path == "/control"
        assert action is not None
        code, answer = self._act(action[1], dict(re.findall(r"<(New\w+)>([^<]*)</", body)))
        self.news.set()
        if code:
            return "500 Internal Server Error", _envelope(
                "<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>"
                '<UPnPError xmlns="urn:schemas-upnp-org:control-1-0">'
                f"<errorCode>{code}</errorCode><errorDescription>No</errorDescription></UPnPError></detail></s:Fault>"
            )
        name = f"{action[1]}Response"
        return "200 OK", _envelope(f'<u:{name} xmlns:u="{SERVICE}">{answer}</u:{name}>')

    def _act(self, action: str, given: dict[str, str]) -> tuple[int, str]:
        if action == "GetExternalIPAddress":
            self.asked.append("outer address")
            return 0, f"<NewExternalIPAddress>{escape(self.outer)}</NewExternalIPAddress>"
        protocol, port = given["NewProtocol"], int(given["NewExternalPort"])
        if action == "DeletePortMapping":
            self.asked.append(f"remove {protocol} {port}")
            return (0, "") if self.mappings.pop((protocol, port), None) else (714, "")
        lease = int(given["NewLeaseDuration"])
        self.asked.append(f"forward {protocol} {port} for {lease}")
        if port in self.refuse:
            return self.refuse[port], ""
        if self.permanent_only and lease:
            return 725, ""
        self.mappings[protocol, port] = (given["NewInternalClient"], int(given["NewInternalPort"]), lease)
        return 0, ""


def _envelope(body: str) -> str:
    return (
        '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
        f' s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>{body}</s:Body></s:Envelope>'
    )


def _multicast_socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((GROUP, PORT))
    member = struct.pack("4s4s", socket.inet_aton(GROUP), socket.inet_aton("127.0.0.1"))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
    return sock
