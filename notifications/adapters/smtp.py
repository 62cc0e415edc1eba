"""E-mail over SMTP. Every mail says that it was made by a machine, so that other machines do not answer it."""

from __future__ import annotations

import re
from email.mime.text import MIMEText
from email.utils import make_msgid

from django.conf import settings
from django.core.mail import EmailMessage

from notifications.models import Message


def send(message: Message, *, subject: str, body: str) -> str:
    """Hand the mail to the server; return its Message-ID. Raises what smtplib raises."""
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip(">") or "localhost"
    message_id = make_msgid(idstring=str(message.pk), domain=domain)
    mail = EmailMessage(
        subject=subject,
        body=body,
        to=[message.recipient],
        headers={
            "Message-ID": message_id,
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
            "Precedence": "bulk",
        },
    )
    if message.calendar:
        mail.attach(_calendar_file(message.calendar))
    mail.send()
    return message_id


def _calendar_file(calendar: str) -> MIMEText:
    """The appointment as a file that calendars take; the method in its header must be the one it says itself."""
    method = re.search(r"^METHOD:(\w+)\s*$", calendar, flags=re.M)
    part = MIMEText(calendar, "calendar", "utf-8")
    part.set_param("method", method[1] if method else "PUBLISH")
    part.add_header("Content-Disposition", "attachment", filename="appointment.ics")
    return part
