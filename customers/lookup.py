"""From what people type to keyed hashes, and from a name to the pieces that find it."""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from common.crypto import blind_index
from common.errors import InvalidInput

_SPACES = re.compile(r"[\s\-().]+")


def normal_phone(text: str, *, field: str = "phone") -> str:
    """The number in E.164 form. Raises InvalidInput that names the field and says what is wrong with the number."""
    compact = _SPACES.sub("", text)
    try:
        number = phonenumbers.parse(compact, "CN")
    except phonenumbers.NumberParseException:
        raise InvalidInput(_("Enter a telephone number, digits only or with spaces."), field=field) from None
    national = str(number.national_number)
    # A mobile number; 10 is the area code of Beijing, whose numbers are a digit shorter.
    if number.country_code == 86 and re.match(r"1(?!0)", national) and len(national) != 11:
        missing = 11 - len(national)
        if missing > 0:
            short = ngettext("The number is %(count)s digit short.", "The number is %(count)s digits short.", missing)
            raise InvalidInput(short % {"count": missing}, field=field)
        long = ngettext(
            "The number has %(count)s digit too many.", "The number has %(count)s digits too many.", -missing
        )
        raise InvalidInput(long % {"count": -missing}, field=field)
    if not phonenumbers.is_possible_number(number):
        raise InvalidInput(_("This is not a telephone number."), field=field)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def phone_index(number: str) -> str:
    return blind_index("phone", number)


def last_four_index(number: str) -> str:
    return blind_index("last4", number[-4:])


def email_index(address: str) -> str:
    return blind_index("email", address.strip().casefold())


@lru_cache(maxsize=4096)
def _plain_pieces(name: str) -> frozenset[str]:
    # Its tables take 50 MB: only a process that keeps or looks up names loads them, no worker.
    from pypinyin import Style, lazy_pinyin

    compact = re.sub(r"\s+", "", name).casefold()
    words = [word.casefold() for word in re.findall(r"[^\W_]+", name)]
    syllables = [syllable.casefold() for syllable in lazy_pinyin(compact)]
    initials = "".join(
        syllable[0].casefold() for syllable in lazy_pinyin(compact, style=Style.FIRST_LETTER) if syllable
    )
    pieces = {compact, "".join(syllables), initials, *words}
    pieces |= {compact[start : start + 2] for start in range(len(compact) - 1)}
    if words and words[0].isascii():
        pieces.add("".join(word[0] for word in words))
    return frozenset(piece for piece in pieces if piece)


def name_pieces(name: str) -> set[str]:
    """The keyed hashes stored for a name: whole, pinyin, initials, words, and every two characters."""
    return {blind_index("name", piece) for piece in _plain_pieces(name)}


def name_query(text: str) -> str:
    """The keyed hash to ask for when somebody types (part of) a name."""
    return blind_index("name", re.sub(r"\s+", "", text).casefold())
