"""The text forms of binary identifiers in IPFS: base32 and base36 with their multibase prefix, and base58btc.

Decoding is strict: lower case, no padding, no trailing bits, so that each identifier has one text in each base.
Source: multiformats/multibase; RFC 4648 for base32. Rarer bases are read at the edge by the `multiformats` package.
"""

from catalog.errors import CidError

_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE36_VALUES = {character: value for value, character in enumerate(_BASE36)}
_BASE58_VALUES = {character: value for value, character in enumerate(_BASE58)}
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_BASE32_PAIRS = [first + second for first in _BASE32 for second in _BASE32]  # importing `base64` takes longer
_OTHERS = bytes(set(range(256)) - set(_BASE32.encode()))
# To what `int` reads with base 32. It takes capitals, spaces and _ as well, so all other bytes become one that it refuses.
_BASE32_TO_INT = bytes.maketrans(_BASE32.encode() + _OTHERS, b"0123456789abcdefghijklmnopqrstuv" + b"!" * len(_OTHERS))
MAX_TEXT_LENGTH = 256


def encode_base32(data: bytes) -> str:
    """Encode as multibase ``b``."""
    length = -(-8 * len(data) // 5)
    bits = length // 2 * 10 + 10
    number = int.from_bytes(data) << bits - 8 * len(data)
    return "b" + "".join([_BASE32_PAIRS[number >> shift & 1023] for shift in range(bits - 10, -1, -10)])[:length]


def encode_base36(data: bytes) -> str:
    """Encode as multibase ``k``."""
    return "k" + _encode_big(data, _BASE36)


def encode_base58(data: bytes) -> str:
    """Encode as base58btc without a multibase prefix, as CIDv0 and legacy peer IDs are written."""
    return _encode_big(data, _BASE58)


def decode_base32(text: str) -> bytes:
    """Decode the part after the prefix ``b``."""
    if len(text) > MAX_TEXT_LENGTH:
        raise CidError("not lower-case base32")
    length, spare = divmod(5 * len(text), 8)
    try:
        number = int(text.encode().translate(_BASE32_TO_INT) or b"0", 32)  # five times as fast as base64.b32decode
    except ValueError as error:
        raise CidError("not lower-case base32") from error
    if spare >= 5 or number & (1 << spare) - 1:
        raise CidError("base32 with bits left over")
    return (number >> spare).to_bytes(length)


def decode_base36(text: str) -> bytes:
    """Decode the part after the prefix ``k``."""
    return _decode_big(text, _BASE36_VALUES, "0")


def decode_base58(text: str) -> bytes:
    """Decode base58btc without a prefix (or after ``z``)."""
    return _decode_big(text, _BASE58_VALUES, "1")


def _encode_big(data: bytes, alphabet: str) -> str:
    number = int.from_bytes(data)
    base = len(alphabet)
    digits = []
    while number:
        number, digit = divmod(number, base)
        digits.append(alphabet[digit])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return alphabet[0] * zeros + "".join(reversed(digits))


def _decode_big(text: str, values: dict[str, int], zero: str) -> bytes:
    if len(text) > MAX_TEXT_LENGTH:
        raise CidError("text is too long for an identifier")
    number = 0
    base = len(values)
    try:
        for character in text:
            number = number * base + values[character]
    except KeyError as error:
        raise CidError(f"a character outside base{base}") from error
    zeros = len(text) - len(text.lstrip(zero))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8)
