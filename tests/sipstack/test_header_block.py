"""The header block: cut at one stroke as line by line, and changed as a plain list of lines would be."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.header_block import Headers, _cut_lines, cut_head
from voipnode.sipstack.header_names import LAYOUTS, field_key

_HEADS = st.lists(
    st.sampled_from(
        [
            *("INVITE sip:a@b SIP/2.0", "\r\nVia: x", "\r\nv:y", "\r\nVIA : z", "\r\nTo:", "\r\nX-Rare:  1, 2 "),
            *("\r\nt: a:b", "\r\n fold", "\r\n\tfold", "\r\n", "\r", "\n", ":", " ", "\t", "\r\n: x", "\r\n :"),
            *("\r\nno colon", "\nTo: lf", "\r\nÜ: x", "\r\nTo\r\n : x", "\udcff", "\x00", "\r\n\r\nFrom: x"),
            *("\r\nCSeq:1\r\n 2\r\n\t3", "\r\nVia: x" * 200),
        ]
    ),
    max_size=12,
).map("".join)
_NAMES = st.sampled_from(["Via", "v", "VIA", "To", "t", "X-Rare", "x-rare", "CSeq", "Call-ID"])


def outcome(cut: Callable[[str], tuple[str, Headers]], text: str) -> object:
    """All that can be asked of a head that was cut, or why it was refused."""
    try:
        start_line, headers = cut(text)
    except ParseError as error:
        return str(error)
    try:
        headers.check()
        wrong = None
    except ParseError as error:
        wrong = str(error)
    return start_line, headers.raw_lines(), headers.keys(), list(headers.items()), headers.changed, wrong


@given(_HEADS)
def test_a_head_is_cut_at_one_stroke_as_line_by_line(text: str) -> None:
    assert outcome(cut_head, text) == outcome(_cut_lines, text)


@given(st.lists(st.tuples(st.sampled_from(["add", "prepend", "set", "remove", "copy", "append"]), _NAMES), max_size=12))
def test_changes_are_those_of_a_plain_list(changes: list[tuple[str, str]]) -> None:
    lines = ["Via:one", "To : two", "v:  three"]
    source = ["t: other", "CSeq:1", "To:another"]
    headers = cut_head("\r\n".join(["start", *lines]))[1]
    copied = cut_head("\r\n".join(["start", *source]))[1]
    for number, (change, name) in enumerate(changes):
        assert headers.keys() == [key_of(line) for line in lines]  # what was asked before a change is not kept over it
        same = [line for line in lines if key_of(line) == field_key(name)]
        new = f"{name}: {number}"
        match change:
            case "add":
                headers.add(name, str(number))
                lines.append(new)
            case "prepend":
                headers.prepend(name, str(number))
                lines.insert(0, new)
            case "set":
                headers.set(name, str(number))
                place = lines.index(same[0]) if same else len(lines)
                lines = [line for line in lines if line not in same]
                lines.insert(place, new)
            case "remove":
                headers.remove(name)
                lines = [line for line in lines if line not in same]
            case "copy":
                headers.copy_fields(copied, name)
                lines += [line for line in source if key_of(line) == field_key(name)]
            case "append" if same:
                headers.append_to_first(name, ";x")
                lines[lines.index(same[0])] += ";x"
    assert headers.raw_lines() == headers.copy().raw_lines() == lines
    for name in ("via", "to", "cseq", "x-rare", "call-id"):
        values = [line.partition(":")[2].strip() for line in lines if key_of(line) == name]
        assert (headers.get_all(name), headers.first(name)) == (values, values[0] if values else None)
        assert (headers.count(name), name in headers) == (len(values), bool(values))


def key_of(line: str) -> str:
    """The key of a field line."""
    return field_key(line.partition(":")[0].strip())


def test_messages_of_one_layout_share_it_until_one_is_changed() -> None:
    one, other = (cut_head(f"start\r\nVia: {value}\r\nTo: {value}")[1] for value in "ab")
    assert one._layout is other._layout
    one.add("From", "c")
    assert (one.keys(), other.keys()) == (["via", "to", "from"], ["via", "to"])


def test_a_flood_of_layouts_leaves_no_more_than_a_few() -> None:
    for number in range(2000):
        cut_head(f"start\r\nX-{number}: 1")
    cut_head("start" + "\r\nA-Long-Name: 1" * 256)
    assert len(LAYOUTS) <= 512
    assert max(map(len, LAYOUTS)) <= 1024
