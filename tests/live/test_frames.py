"""RFC 6455 by the byte: what a client may send, in whatever pieces it arrives, and what it may not."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediqon.live.frames import Opcode, Parser, Violation, close_frame, farewell, frame
from rawsocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, masked

LIMIT = 4096
payloads = st.binary(max_size=300)
messages = st.lists(
    st.one_of(
        st.tuples(st.just(Opcode.TEXT), st.text(max_size=80).map(str.encode)),
        st.tuples(st.just(Opcode.BINARY), payloads),
        st.tuples(st.sampled_from((Opcode.PING, Opcode.PONG)), st.binary(max_size=125)),
    ),
    max_size=8,
)


def heard(data: bytes, *cuts: int) -> list[tuple[Opcode, bytes]]:
    """What is understood of bytes that arrive in pieces."""
    parser, found = Parser(LIMIT), list[tuple[Opcode, bytes]]()
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for begins, ends in itertools.pairwise(edges):
        found += parser.feed(data[begins:ends])
    assert parser.idle
    return found


@given(messages, st.lists(st.integers(0), max_size=12))
def test_messages_are_the_same_in_whatever_pieces_they_arrive(
    sent: list[tuple[Opcode, bytes]], cuts: list[int]
) -> None:
    assert heard(b"".join(masked(*message) for message in sent), *cuts) == sent


@given(st.text(max_size=300), st.lists(st.integers(0), max_size=6), st.lists(st.integers(0), max_size=6))
def test_a_text_may_be_cut_anywhere_even_within_a_letter_with_pings_between(
    text: str, breaks: list[int], cuts: list[int]
) -> None:
    body = text.encode()
    edges = [0, *sorted(each % (len(body) + 1) for each in breaks), len(body)]
    parts = [body[begins:ends] for begins, ends in itertools.pairwise(edges)]
    last = len(parts) - 1
    frames = [masked(CONTINUATION if at else TEXT, part, fin=at == last) for at, part in enumerate(parts)]
    assert heard(masked(PING, b"now").join(frames), *cuts)[-1] == (Opcode.TEXT, body)


@given(st.binary(max_size=400))
def test_any_bytes_are_understood_or_refused(noise: bytes) -> None:
    refusals: list[int] = []
    try:
        assert all(opcode in set(Opcode) for opcode, _ in Parser(LIMIT).feed(noise))
    except Violation as violation:
        refusals.append(violation.code)
    assert set(refusals) <= {1002, 1007, 1009}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x04ping", 1002),  # not masked
        *((masked(TEXT, b"x", reserved=bits), 1002) for bits in (0x10, 0x20, 0x40, 0x70)),
        *((masked(opcode, b"x"), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
        *((masked(opcode, b"x", fin=False), 1002) for opcode in (CLOSE, PING, PONG)),
        *((masked(opcode, b"x" * 126), 1002) for opcode in (CLOSE, PING, PONG)),
        (masked(CONTINUATION, b"x"), 1002),
        (masked(CONTINUATION, b"x", fin=False), 1002),
        (masked(TEXT, b"x", fin=False) + masked(TEXT, b"x"), 1002),
        (masked(TEXT, b"x", fin=False) + masked(BINARY, b"x", fin=False), 1002),
        (masked(TEXT, b"x") + masked(CONTINUATION, b"x"), 1002),
        *(
            (masked(TEXT, text), 1007)
            for text in (b"\xff", b"\xce", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80")
        ),
        (masked(TEXT, b"\xf4", fin=False) + masked(CONTINUATION, b"\x90", fin=False), 1007),  # before it ends
        (masked(TEXT, b"x" * 4097), 1009),
        (masked(BINARY, b"x" * 70000)[:10], 1009),  # as soon as it is announced
        (masked(TEXT, b"x" * 4000, fin=False) + masked(CONTINUATION, b"x" * 97), 1009),
        (masked(TEXT, fin=False) + masked(CONTINUATION, fin=False) * 128, 1009),
    ],
)
def test_what_breaks_the_protocol_ends_the_socket(data: bytes, code: int) -> None:
    with pytest.raises(Violation) as violation:
        list(Parser(LIMIT).feed(data))
    assert violation.value.code == code


def test_the_largest_message_that_is_allowed_is_taken_whole_and_in_parts() -> None:
    whole = b"x" * LIMIT
    assert heard(masked(BINARY, whole)) == [(Opcode.BINARY, whole)]
    parts = [masked(BINARY if at == 0 else CONTINUATION, b"x" * 64, fin=at == 63) for at in range(64)]
    assert heard(b"".join(parts)) == [(Opcode.BINARY, whole)]


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999])
def test_a_farewell_is_returned_with_its_code(code: int) -> None:
    said = code.to_bytes(2, "big") + "ça va".encode()
    assert farewell(said) == frame(Opcode.CLOSE, code.to_bytes(2, "big"))
    assert farewell(b"") == frame(Opcode.CLOSE, b"")


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_a_farewell_with_a_code_that_may_not_be_sent_is_refused(code: int) -> None:
    with pytest.raises(Violation) as violation:
        farewell(code.to_bytes(2, "big"))
    assert violation.value.code == 1002


@pytest.mark.parametrize(("payload", "code"), [(b"\x03", 1002), (b"\x03\xe8\xff", 1007)])
def test_a_farewell_that_is_none_is_refused(payload: bytes, code: int) -> None:
    with pytest.raises(Violation) as violation:
        farewell(payload)
    assert violation.value.code == code


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 70000])
def test_frames_for_clients_of_every_size_carry_their_length_and_no_mask(size: int) -> None:
    wire = frame(Opcode.TEXT, b"x" * size)
    head = 2 if size < 126 else 4 if size < 65536 else 10
    announced = wire[1] if head == 2 else int.from_bytes(wire[2:head], "big")
    assert (wire[0], announced, wire[head:]) == (0x81, size, b"x" * size)


def test_our_farewell_says_code_and_reason() -> None:
    assert close_frame(4404, "not_found") == b"\x88\x0b" + (4404).to_bytes(2, "big") + b"not_found"
