"""Keeps two things out of what is shown: the key, in any spelling, and characters that a terminal obeys."""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Callable, Iterator

MAX_SHOWN = 500
"""The most characters of one text of the service in a message."""

_MASK = "*****"
_LEFT_OUT = '"an explanation that is left out, since it shows the API key"'  # JSON, as explanations are
_SHORTEST = 8  # letters and digits; a shorter key may be a word of any text
_FRAGMENT, _STEP = 10, 4  # every run of 13 letters and digits of a key contains a fragment
_DIGITS_ONLY = 24  # digits; fewer may be a number of any text
_ROUNDS = 3  # escapes within escapes
_OTHERS = bytes(set(range(256)) - set(b"abcdefghijklmnopqrstuvwxyz0123456789"))
_ESCAPE = re.compile(
    rb"(?:[%=]|\\x|0x)(?P<octet>[0-9a-f]{2})"
    rb"|\\u(?P<four>[0-9a-f]{4})|\\u\{(?P<braces>[0-9a-f]{1,6})\}|&#x0{0,8}(?P<hexadecimal>[0-9a-f]{1,6});?"
    rb"|&#0{0,8}(?P<decimal>[0-9]{1,7});?"
    rb"|\\(?P<octal>[0-7]{3})"
    rb"|\\[bfnrtv]|&[a-z]{2,31};|<[^<>]{0,200}>"  # white space, punctuation by name, tags
)
_BASES = {"four": 16, "braces": 16, "hexadecimal": 16, "decimal": 10, "octal": 8}
_LAST_CHARACTER = 0x10FFFF


class Redactor:
    """Keeps a key out of texts.

    A key is found as it is, in part, in other letter case, reversed, with white space or punctuation between its
    characters, as hexadecimal, base 64 or base 32 (also as a part of what is encoded), as the codes of its characters,
    and with escapes of URLs, JSON, HTML and programming languages.

    Parameters
    ----------
    key : str
        The key, in ASCII.

    Examples
    --------
    >>> redactor = Redactor("nixak-0123456789abcdef")
    >>> redactor.redact("No key nixak-0123456789abcdef")
    'No key *****'
    >>> redactor.shows_key("no key n i x a k - 0 1 2 3 4 5 6 7 8 9 a b c d e f")
    True
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._fragments = sorted(_fragments(key))

    def redact(self, text: str) -> str:
        """Return a text with the key masked, or without its words where it shows the key in another spelling."""
        masked = self.mask(text)
        return _LEFT_OUT if self.shows_key(masked) else masked

    def mask(self, text: str) -> str:
        """Return a text with the key masked where it is written plainly, or as some encoders write it in JSON."""
        return text.replace(self._key, _MASK).replace(self._key.replace("/", "\\/"), _MASK)

    def redact_bytes(self, content: bytes) -> bytes:
        """Return a body of an answer as `redact` does."""
        masked = self.mask_bytes(content)
        return _LEFT_OUT.encode() if self.shows_key(masked) else masked

    def mask_bytes(self, content: bytes) -> bytes:
        """Return a body of an answer as `mask` does."""
        plain, in_json = self._key.encode(), self._key.replace("/", "\\/").encode()
        return content.replace(plain, _MASK.encode()).replace(in_json, _MASK.encode())

    def shows_key(self, text: str | bytes) -> bool:
        """Return whether a text shows the key, or more than a few characters of it, in any spelling."""
        if not self._fragments:
            return False
        content = _plain_letters(text)
        for _ in range(_ROUNDS):
            bare = content.translate(None, _OTHERS)
            if any(fragment in bare for fragment in self._fragments):
                return True
            decoded = _plain_letters(_ESCAPE.sub(_decode, content))
            if decoded == content:
                break
            content = decoded
        return False


def printable(text: str, limit: int = MAX_SHOWN) -> str:
    r"""Return a text of the service on one line for a message: nothing that a terminal obeys, and not too long.

    Examples
    --------
    >>> printable("no\n\x1b[31m way")
    'no �[31m way'
    """
    start = text.lstrip()[: 4 * limit]
    words = " ".join(start.split())
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in words)
    return shown if len(shown) <= limit else f"{shown[:limit]}…"


def _fragments(key: str) -> Iterator[bytes]:
    """Yield the parts of a key, in each spelling, that show it."""
    octets = key.encode()
    spellings = [
        octets,
        octets.hex().encode(),
        "".join(str(octet) for octet in octets).encode(),
        *_encoded_within(octets, base64.b64encode, octets_each=3, characters_each=4),
        *_encoded_within(octets, base64.b32encode, octets_each=5, characters_each=8),
    ]
    if len(octets.lower().translate(None, _OTHERS)) < _SHORTEST:
        return
    for spelling in spellings:
        bare = spelling.lower().translate(None, _OTHERS)
        for run in (bare, bare[::-1]):
            size = _DIGITS_ONLY if run.isdigit() else _FRAGMENT
            for start in range(0, max(len(run) - size, 0) + 1, _STEP):
                fragment = run[start : start + size]
                if not fragment.isdigit() or len(fragment) >= _DIGITS_ONLY:
                    yield fragment


def _encoded_within(
    octets: bytes, encode: Callable[[bytes], bytes], *, octets_each: int, characters_each: int
) -> Iterator[bytes]:
    """Yield what an encoding makes of a key that starts anywhere in a text: the part that no neighbour changes."""
    bits = 8 * octets_each // characters_each
    for before in range(octets_each):
        encoded = encode(bytes(before) + octets)
        yield encoded[-(-8 * before // bits) : 8 * (before + len(octets)) // bits]


def _plain_letters(text: str | bytes) -> bytes:
    """Return a text as ASCII in lower case, with letters of other widths and styles as plain ones."""
    if isinstance(text, bytes):
        if text.isascii():
            return text.lower()
        text = text.decode("utf-8", "ignore")
    return unicodedata.normalize("NFKC", text).encode("ascii", "ignore").lower()


def _decode(escape: re.Match[bytes]) -> bytes:
    """Return the character that an escape stands for, in UTF-8; nothing for one that no key has."""
    if escape["octet"] is not None:
        return bytes([int(escape["octet"], 16)])
    for name, base in _BASES.items():
        if escape[name] is not None:
            code = int(escape[name], base)
            return chr(code).encode("utf-8", "ignore") if code <= _LAST_CHARACTER else b""
    return b""
