"""What the arithmetic refuses, and why."""


class CalendarError(ValueError):
    """A calendar that makes no sense, or a question it cannot answer; the text says which and why."""


class LimitError(ValueError):
    """A limit that cannot be read or makes no sense; the text says which and why."""
