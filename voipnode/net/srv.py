"""In which order the servers of a set of SRV records are tried (RFC 2782)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby

from voipnode.net.dns_servers import Srv


def is_withdrawn(records: Iterable[Srv]) -> bool:
    """True where the domain says that it has no such service: one record, whose target is the root."""
    found = list(records)
    return len(found) == 1 and not found[0].target


def in_order(records: Iterable[Srv], draw: Callable[[int], int]) -> list[Srv]:
    """The usable records: the lowest priority first, and by chance in proportion to their weights within it.

    `draw(n)` is a uniform random number from 0 to n, n included. Port 0 and the target "." serve nobody.
    """
    usable = [record for record in dict.fromkeys(records) if record.port and record.target]
    usable.sort(key=lambda record: record.priority)
    ordered: list[Srv] = []
    for _, same in groupby(usable, key=lambda record: record.priority):
        ordered += _by_weight(list(same), draw)
    return ordered


def _by_weight(records: list[Srv], draw: Callable[[int], int]) -> list[Srv]:
    unordered = sorted(records, key=lambda record: record.weight > 0)  # those of weight 0 at the beginning
    ordered: list[Srv] = []
    while unordered:
        total = sum(record.weight for record in unordered)
        ordered.append(unordered.pop(_chosen(unordered, draw(total)) if total else draw(len(unordered) - 1)))
    return ordered


def _chosen(records: list[Srv], number: int) -> int:
    """The first record whose running sum of weights reaches the number."""
    running = 0
    for index, record in enumerate(records):
        running += record.weight
        if running >= number:
            return index
    raise ValueError(f"{number} was drawn, beyond the sum of weights {running}")
