"""The byte alphabet: the 256 tokens that every text is made of before the first merge.

Why bytes and not characters? Unicode has more than 150,000 characters, and tomorrow's emoji is not among them. UTF-8
writes each of them as one to four bytes, and there are only 256 bytes. A tokenizer that starts from bytes can read
every text there is and never needs an "unknown" token.

Why a table? Vocabulary files are text, and many bytes are not printable: a space, a line break, half of an "é". GPT-2
therefore spells each byte as one printable character. The 188 bytes that are printable in Latin-1 spell themselves;
the other 68 take the characters from U+0100 on. So a space is written "Ġ" and a line break "Ċ". This is only a
spelling: inside the package a token is `bytes`.
"""

from minillm.errors import UserError


def byte_to_unicode() -> dict[int, str]:
    """GPT-2's table from each byte to the character that spells it, in the order of the bytes' ids.

    The order is that of the spelling's code points, as the `tokenizers` library sorts its alphabet: "!" comes first.

    >>> table = byte_to_unicode()
    >>> table[ord("A")], table[ord(" ")], table[ord("\\n")]
    ('A', 'Ġ', 'Ċ')
    >>> list(table)[:3] == [ord("!"), ord('"'), ord("#")]
    True
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    unprintable = [byte for byte in range(256) if byte not in printable]
    codes = [*printable, *range(256, 256 + len(unprintable))]
    return {byte: chr(code) for byte, code in zip(printable + unprintable, codes, strict=True)}


BYTE_TO_UNICODE = byte_to_unicode()
UNICODE_TO_BYTE = {character: byte for byte, character in BYTE_TO_UNICODE.items()}


def spell(token: bytes) -> str:
    """A token as vocabulary files write it.

    >>> spell(" café".encode())
    'ĠcafÃ©'
    """
    return "".join(BYTE_TO_UNICODE[byte] for byte in token)


def unspell(token: str) -> bytes:
    """The bytes of a token that a vocabulary file spells. Raises `UserError` for a character outside the table.

    >>> unspell("ĠcafÃ©").decode()
    ' café'
    """
    try:
        return bytes(UNICODE_TO_BYTE[character] for character in token)
    except KeyError as unknown:
        raise UserError(
            f"token {token!r} holds {unknown.args[0]!r}, which spells no byte in GPT-2's alphabet; "
            "only special tokens may be written as plain text"
        ) from None


def utf8(text: str) -> bytes:
    """The bytes of a text. Raises `UserError` for a lone surrogate, which is not a character and has no bytes.

    >>> utf8("é")
    b'\\xc3\\xa9'
    """
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(
            f"the text holds {text[error.start]!r}, a lone surrogate: half of a character, which UTF-8 cannot write. "
            "Clean it with text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')"
        ) from None
