"""A small internet with routers: two sites behind NATs of a chosen kind, and public servers between them.

    site A: hosts 10.1.0.2, ... -- router 10.1.0.1 | 203.0.113.1 --+
                                                                   +-- public servers 203.0.113.10, 203.0.113.20
    site B: hosts 10.2.0.2, ... -- router 10.2.0.1 | 203.0.113.2 --+

Every machine is a network namespace, the routers are nftables. A laboratory is made new for each call: connection
tracking remembers, and a second call from the same ports would find the holes of the first.
"""

from __future__ import annotations

import enum
import itertools
from dataclasses import dataclass

from tests.support.namespaces import Namespace, call
from tests.support.peers.process import need

PBX, RELAY = "203.0.113.10", "203.0.113.20"
NOBODY = "203.0.113.254"


class Nat(enum.Enum):
    """How a router treats UDP (the terms of RFC 3489 §5, of which installers speak; RFC 4787's beside them)."""

    FULL_CONE = "full cone"  # endpoint-independent mapping and filtering; here: all ports forwarded to one host
    RESTRICTED = "port-restricted cone"  # endpoint-independent mapping, address- and port-dependent filtering
    SYMMETRIC = "symmetric"  # address- and port-dependent mapping and filtering
    TURN_ONLY = "UDP to the servers only"  # a firewall: no UDP but with the telephone system and the TURN server
    NO_UDP = "no UDP"  # a firewall: TCP alone

    @property
    def is_cone(self) -> bool:
        return self in (Nat.FULL_CONE, Nat.RESTRICTED)


def can_meet(a: Nat, b: Nat) -> bool:
    """Whether two peers behind these find a way without a relay: a hole can be punched towards a port that is known."""
    if a is Nat.FULL_CONE or b is Nat.FULL_CONE:
        return {a, b} <= {Nat.FULL_CONE, Nat.RESTRICTED, Nat.SYMMETRIC}
    return a is Nat.RESTRICTED and b is Nat.RESTRICTED


def _rules(nat: Nat, first_host: str) -> str:
    translate = "masquerade fully-random" if nat is Nat.SYMMETRIC else "masquerade"
    open_door = f"iifname wan udp dport 1024-65535 dnat to {first_host}" if nat is Nat.FULL_CONE else ""
    blocked = {
        Nat.TURN_ONLY: (
            f"oifname wan meta l4proto udp ip daddr != {{ {PBX}, {RELAY} }} drop",
            f"oifname wan ip daddr {RELAY} meta l4proto udp udp dport != 3478 drop",
        ),
        Nat.NO_UDP: ("oifname wan meta l4proto udp drop",),
    }.get(nat, ())
    # Without the chain `to_itself` no hole can be punched: the router would answer a check that came too early with
    # ICMP, and its memory of that would force another port upon the check that goes out.
    return f"""
table ip translation {{
  chain before {{ type nat hook prerouting priority -100; policy accept;
    {open_door}
  }}
  chain behind {{ type nat hook postrouting priority 100; policy accept;
    oifname wan {translate}
  }}
}}
table ip firewall {{
  chain to_itself {{ type filter hook input priority 0; policy accept;
    iifname wan meta l4proto {{ udp, tcp }} ct state new drop
  }}
  chain through {{ type filter hook forward priority 0; policy accept;
    {chr(10).join(f"    {rule}" for rule in blocked).strip()}
    iifname wan ct state new ct status ! dnat drop
  }}
}}
"""


@dataclass
class Site:
    """A router, and the hosts behind it."""

    nat: Nat
    router: Namespace
    number: int  # 1 or 2: its network is 10.number.0.0/24
    _numbers: itertools.count[int]

    async def host(self) -> Namespace:
        """One more machine on this site's LAN; its interface is eth0. A full cone leads to the first."""
        number = next(self._numbers)
        made = await Namespace.make(f"host{self.number}{number}")
        made.address = f"10.{self.number}.0.{number}"
        wire = f"lan{number}"
        await call("ip", "-batch", "-", said=_cable(made, "eth0", self.router, wire))
        await self.router.ip(f"link set {wire} master lan", f"link set {wire} up")
        await made.ip(
            f"addr add {made.address}/24 dev eth0",
            "link set eth0 up",
            f"route add default via 10.{self.number}.0.1",
        )
        return made

    async def forbid(self, rule: str) -> None:
        """Have the router drop, from now on, what the rule of nftables matches."""
        await self.router.call("nft", "insert", "rule", "ip", "firewall", "through", rule, "drop")


@dataclass
class NatLab:
    """`public` has the servers' addresses PBX and RELAY; `a` and `b` are the sites."""

    public: Namespace
    a: Site
    b: Site

    @classmethod
    async def open(cls, a: Nat = Nat.RESTRICTED, b: Nat = Nat.RESTRICTED) -> NatLab:
        """Build it; it goes with the test (`run_test`). Skips, saying why, where that cannot be done."""
        need("ip", "nft", "sysctl")
        public = await Namespace.make("public")
        await public.ip(
            "link add net type bridge",
            f"addr add {PBX}/24 dev net",
            f"addr add {RELAY}/24 dev net",
            "link set net up",
            # A way into nothing: coturn gives a relay up at its first packet to a private address when there is no
            # route for it, and hosts of other sites have such candidates.
            f"route add default via {NOBODY}",
            f"neigh add {NOBODY} lladdr 02:00:00:00:00:01 dev net nud permanent",
        )
        sites = [await _site(public, number, nat) for number, nat in enumerate((a, b), start=1)]
        return cls(public, *sites)


async def _site(public: Namespace, number: int, nat: Nat) -> Site:
    router = await Namespace.make(f"router{number}")
    wire = f"site{number}"
    await call("ip", "-batch", "-", said=_cable(router, "wan", public, wire))
    await public.ip(f"link set {wire} master net", f"link set {wire} up")
    await router.ip(
        f"addr add 203.0.113.{number}/24 dev wan",
        "link set wan up",
        "link add lan type bridge",
        f"addr add 10.{number}.0.1/24 dev lan",
        "link set lan up",
        "route add default via 203.0.113.254",
    )
    await router.call("sysctl", "-qw", "net.ipv4.ip_forward=1")
    await router.call("nft", "-f", "-", said=_rules(nat, f"10.{number}.0.2"))
    return Site(nat, router, number, itertools.count(2))


def _cable(one: Namespace, name: str, other: Namespace, other_name: str) -> str:
    """The line of `ip` that lays a cable between two machines, with the names of its ends."""
    return f"link add {name} netns {one.name} type veth peer name {other_name} netns {other.name}"
