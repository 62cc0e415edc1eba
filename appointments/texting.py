"""The grammar of booking by text message (docs/texting.md): what a text asks for, or what is wrong with it.

    command [service] [day] [hours] [number]

Pure: words come from a TOML file, days are counted from the local date of receipt, nothing is looked up.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path

from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from common.errors import InvalidInput

FILE = Path(__file__).parent / "defaults" / "texting.toml"

_DATE = re.compile(
    r"(?:(\d{4})[-/.])?(\d{1,2})[-/.](\d{1,2})$|(\d{1,2})\u6708(\d{1,2})[\u65e5\u53f7]?$|(\d{2})(\d{2})$"
)
_HOURS = re.compile(r"(\d{1,2})(?::?00)?(?:\u70b9)?(?:[-~\u2013\u2014\u81f3\u5230](\d{1,2})(?::?00)?(?:\u70b9)?)?$")
_EIGHT = re.compile(r"\d{8}")
_NUMBER = re.compile(r"(?:[A-Z]-?)?(\d{4}-?\d{4})$")


# Nobody books so far ahead: such a day without a year was meant for this year, and has passed.
FURTHEST = timedelta(days=200)


class Command(StrEnum):
    BOOK = "book"
    MOVE = "move"
    CANCEL = "cancel"
    CONFIRM = "confirm"
    ACCEPT = "accept"
    ASK = "ask"
    HELP = "help"


@dataclass(frozen=True)
class Wish:
    """What a text asks for. `hour` is the local hour at which the wanted window begins."""

    command: Command
    service: str = ""
    day: date | None = None
    hour: int | None = None
    number: str = ""


@cache
def _form() -> dict[str, dict[str, list[str]]]:
    """By table, what each meaning may be called."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


@cache
def _words() -> dict[str, dict[str, str]]:
    """By table, from the word in capitals to what it means."""
    return {
        table: {word.upper(): meaning for meaning, words in entries.items() for word in words}
        for table, entries in _form().items()
    }


def command_pattern() -> str:
    """A regular expression for the beginning of a text that is meant for us."""
    return "|".join(re.escape(word) for word in sorted(_words()["commands"], key=len, reverse=True))


def read(text: str, *, today: date) -> Wish | None:
    """What a text asks for; None where it does not begin with a command, and is a note for people.

    `today` is the local date of receipt. Raises InvalidInput that names what cannot be understood: `service`, `day`,
    `hour`, or `text` for anything left over.
    """
    # Full-width letters and digits are what a Chinese keyboard gives.
    compact = unicodedata.normalize("NFKC", text).strip().upper()
    command, rest = _beginning(compact, _words()["commands"])
    if command is None:
        return None
    wish = Command(command)
    if wish in (Command.CONFIRM, Command.ACCEPT) and rest and not _NUMBER.fullmatch(rest):
        return None  # “Yes, but …” is for people
    if wish not in (Command.BOOK, Command.MOVE):
        return Wish(wish, number=_number(rest))
    service = ""
    if wish == Command.BOOK:
        found, rest = _beginning(rest, _words()["services"])
        if found is None:
            raise InvalidInput(
                _("Say what is to be done: %(services)s. For example: BOOK BROADBAND %(day)s 10-12")
                % {"services": gettext(", ").join(_services()), "day": example_day(today)},
                field="service",
            )
        service = found
    words = [word for word in re.split(r"[\s,;\uff0c\u3001]+", _spaced(rest)) if word]
    number, words = _numbered(words, today=today, needs_one=wish == Command.MOVE)
    day = _day(words.pop(0) if words else "", today)
    hour = _hour(words.pop(0) if words else "")
    if words:
        raise InvalidInput(_("I do not understand “%(words)s”.") % {"words": " ".join(words)[:40]}, field="text")
    return Wish(wish, service, day, hour, number.replace("-", "")[-8:])


def _beginning(text: str, words: dict[str, str]) -> tuple[str | None, str]:
    """The meaning of the word a text begins with and the rest; Latin words end at a blank or the end."""
    for word in sorted(words, key=len, reverse=True):
        rest = text[len(word) :]
        if text.startswith(word) and (not word.isascii() or not rest or not rest[0].isalnum()):
            return words[word], rest.strip(" ,;:\uff1a\uff0c+")
    return None, text


def _spaced(text: str) -> str:
    """Blanks around day words, which Chinese writes without."""
    for word in sorted(_words()["days"], key=len, reverse=True):
        if not word.isascii():
            text = text.replace(word, f" {word} ")
    return re.sub(r"([\u65e5\u53f7])(?=\d)", r"\1 ", text)


def _numbered(words: list[str], *, today: date, needs_one: bool) -> tuple[str, list[str]]:
    """The visit's number among the words, and the others in order. Of eight digits the first that read as a date are
    the day, unless the day follows; a new booking has no number, so there they are a day even where there is none such.
    """
    number = ""
    others: list[str] = []
    for word in words:
        is_day = not others and _is_date(word, today, real=needs_one)
        if _NUMBER.fullmatch(word) and not number and not is_day:
            number = word
        else:
            others.append(word)
    if needs_one and not number and len(others) > 2 and _NUMBER.fullmatch(others[0]):
        number = others.pop(0)
    return number, others


def _is_date(word: str, today: date, *, real: bool) -> bool:
    """Whether eight digits begin with a year that people book in, and name a day if it must be a real one."""
    if not _EIGHT.fullmatch(word) or abs(int(word[:4]) - today.year) > 1:
        return False
    try:
        date(int(word[:4]), int(word[4:6]), int(word[6:]))
    except ValueError:
        return not real
    return True


def _number(rest: str) -> str:
    if not rest:
        return ""
    if not (match := _NUMBER.fullmatch(rest)):
        raise InvalidInput(_("I do not understand “%(words)s”.") % {"words": rest[:40]}, field="text")
    return match[1].replace("-", "")


def example_day(today: date) -> str:
    """A day to come, as one writes it: whoever copies an example must not be told that its day has passed."""
    return f"{today + timedelta(days=2):%m-%d}"


def _services() -> list[str]:
    """One word for each service, of the reader's script."""
    latin = (get_language() or "").startswith("en")
    return [
        next((word for word in words if word.isascii() == latin), words[0]) for words in _form()["services"].values()
    ]


def _no_day(today: date) -> InvalidInput:
    said = _("Say the day as month-day, for example %(day)s.") % {"day": example_day(today)}
    return InvalidInput(said, field="day")


def _day(word: str, today: date) -> date:
    if not word:
        raise _no_day(today)
    named = _words()["days"].get(word)
    if named:
        return today + timedelta(days=["today", "tomorrow", "after_tomorrow"].index(named))
    if _EIGHT.fullmatch(word):
        word = f"{word[:4]}-{word[4:6]}-{word[6:]}"
    match = _DATE.match(word)
    if not match:
        raise _no_day(today)
    year, *parts = match.groups()
    month, number = (int(part) for part in parts if part is not None)
    try:
        day = date(int(year) if year else today.year, month, number)
        # A day that has passed is next year's: in December people book for January.
        if not year and day < today:
            day = date(today.year + 1, month, number)
    except ValueError:
        raise InvalidInput(_("There is no such day: %(day)s.") % {"day": word}, field="day") from None
    if not year and day - today > FURTHEST:
        raise InvalidInput(_("This day has passed: %(day)s. Name one to come.") % {"day": word}, field="day")
    return day


def _hour(word: str) -> int:
    match = _HOURS.match(word)
    if not match or int(match[1]) > 23:
        raise InvalidInput(_("Say the hours, for example 10-12."), field="hour")
    return int(match[1])
