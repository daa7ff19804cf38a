"""A program that an image can run: a static executable of this machine, made without a compiler."""

import platform

# Two system calls, write(1, message) and exit(0): the code before the message, with the message's length left open.
_CODE = {
    "x86_64": "b801000000 bf01000000 488d3515000000 ba{length} 0f05 b83c000000 31ff 0f05 9090909090",
    "aarch64": "200080d2 e1000010 {move} 080880d2 010000d4 000080d2 a80b80d2 010000d4",
}


def make_program(message: str) -> bytes:
    """Return a static ELF program that prints the message as a line and exits."""
    text = f"{message}\n".encode()
    machine = platform.machine()
    move = (0xD2800002 | len(text) << 5).to_bytes(4, "little").hex()  # aarch64: mov x2, #length
    code = bytes.fromhex(_CODE[machine].format(length=len(text).to_bytes(4, "little").hex(), move=move))
    start, header = 0x400000, 64 + 56
    size = header + len(code) + len(text)
    number = {"x86_64": 62, "aarch64": 183}[machine]

    def fields(*pairs: tuple[int, int]) -> bytes:
        return b"".join(value.to_bytes(width, "little") for value, width in pairs)

    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    elf = fields((2, 2), (number, 2), (1, 4), (start + header, 8), (64, 8), (0, 8), (0, 4), (64, 2), (56, 2), (1, 2), (0, 6))
    segment = fields((1, 4), (5, 4), (0, 8), (start, 8), (start, 8), (size, 8), (size, 8), (0x1000, 8))
    return identity + elf + segment + code + text
