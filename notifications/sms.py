"""How a text becomes short messages and back: GSM 7-bit or UCS-2, in parts that telephones join again.

Alphabets: 3GPP TS 23.038; concatenation (a user data header before each part): TS 23.040, 9.2.3.24.1. Written here
because smpplib's own splitting cuts characters of two octets in half and takes the grave accent for another character.
"""

from __future__ import annotations

from dataclasses import dataclass

# The data_coding of SMPP 3.4, 5.2.19.
GSM, LATIN, UCS2 = 0x00, 0x03, 0x08
# Octets of one message, and of a part beside its header of six octets. GSM letters travel one to an octet in SMPP.
WHOLE = {GSM: 160, UCS2: 140}
PART = {GSM: 153, UCS2: 134}
MOST_PARTS = 255

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_ESCAPE = 0x1B
_EXTENDED = {
    "\f": 0x0A, "^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F, "[": 0x3C, "~": 0x3D, "]": 0x3E, "|": 0x40, "€": 0x65,
}  # fmt: skip
_TO_GSM = {letter: bytes([code]) for code, letter in enumerate(_BASIC) if code != _ESCAPE} | {
    letter: bytes([_ESCAPE, code]) for letter, code in _EXTENDED.items()
}
_FROM_EXTENDED = {code: letter for letter, code in _EXTENDED.items()}


@dataclass(frozen=True)
class Piece:
    """One part of a longer text: which text, how many parts, which of them (from 1), and its octets."""

    reference: int
    total: int
    number: int
    octets: bytes


def units(text: str) -> int:
    """The length of a text in UCS-2 characters: an emoji counts two."""
    return len(text.encode("utf-16-be", "replace")) // 2


_PLAIN = str.maketrans({"–": "-", "—": "-", "“": '"', "”": '"', "‘": "'", "’": "'", "…": "...", "\u00a0": " "})


def plain(text: str) -> str:
    """The text with plain marks for typographic ones where that alone makes it one of GSM letters, and so half as long.

    A text that needs UCS-2 anyway keeps its marks.
    """
    simple = text.translate(_PLAIN)
    return simple if _is_gsm(simple) else text


def cut(text: str, most: int) -> str:
    """The beginning of `text` in at most `most` UCS-2 characters, with dots where something was left out."""
    if units(text) <= most:
        return text
    # A real ellipsis would turn a text of GSM letters into UCS-2, of which half as much fits.
    dots = "..." if _is_gsm(text) else "…"
    kept = text.encode("utf-16-be", "replace")[: 2 * max(most - len(dots), 0)].decode("utf-16-be", "ignore")
    return kept.rstrip() + dots


def parts_of(text: str) -> int:
    """How many short messages carry a text."""
    return len(_cut_up(text)[1])


def _is_gsm(text: str) -> bool:
    return all(letter in _TO_GSM for letter in text)


def _cut_up(text: str) -> tuple[int, list[bytes]]:
    """The data coding of a text and its octets as they fit into parts; no character is cut in two."""
    letters = text.replace("\r\n", "\n")
    coding = GSM if _is_gsm(letters) else UCS2
    encoded = [_TO_GSM[letter] if coding == GSM else letter.encode("utf-16-be", "replace") for letter in letters]
    if sum(map(len, encoded)) <= WHOLE[coding]:
        return coding, [b"".join(encoded)]
    parts = [b""]
    for octets in encoded:
        if len(parts[-1]) + len(octets) > PART[coding]:
            parts.append(b"")
        parts[-1] += octets
    return coding, parts


def split(text: str, *, reference: int) -> tuple[int, list[bytes]]:
    """The data coding of a text and the octets of its parts, each with its header where there are several.

    GSM 7-bit where its alphabet holds every character, else UCS-2. The same `reference` (its last octet counts) makes
    the same parts, so that a telephone which got some of them already joins a second sending with the first.
    """
    coding, parts = _cut_up(text)
    if len(parts) == 1:
        return coding, parts
    if len(parts) > MOST_PARTS:
        raise ValueError(f"{len(parts)} parts are more than one text may have")
    header = bytes([5, 0, 3, reference & 0xFF, len(parts)])
    return coding, [header + bytes([number]) + part for number, part in enumerate(parts, start=1)]


def piece_of(octets: bytes) -> tuple[Piece | None, bytes]:
    """What the header of a received message says about concatenation, and the octets behind the header."""
    length = octets[0] if octets else 0
    header, body = octets[1 : 1 + length], octets[1 + length :]
    while len(header) >= 2:
        kind, size = header[0], header[1]
        value, header = header[2 : 2 + size], header[2 + size :]
        # Reference numbers of one octet (kind 0) or two (kind 8).
        if (kind, len(value)) in {(0x00, 3), (0x08, 4)}:
            return Piece(int.from_bytes(value[:-2], "big"), value[-2], value[-1], body), body
    return None, body


def decode(coding: int, octets: bytes) -> str:
    """The text of received octets; what the alphabet does not know becomes a question mark or its like."""
    if coding & 0x0C == UCS2:
        return octets.decode("utf-16-be", "replace")
    if coding in (LATIN, 0x01):
        return octets.decode("latin-1")
    letters, escaped = [], False
    for code in octets:
        if escaped:
            letters.append(_FROM_EXTENDED.get(code, " "))
            escaped = False
        elif code == _ESCAPE:
            escaped = True
        else:
            letters.append(_BASIC[code] if code < len(_BASIC) else "?")
    return "".join(letters)
