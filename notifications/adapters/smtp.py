"""E-mail over SMTP. Every mail says that it was made by a machine, so that other machines do not answer it."""

from __future__ import annotations

from email.utils import make_msgid

from django.conf import settings
from django.core.mail import EmailMessage

from notifications.models import Message


def send(message: Message, *, subject: str, body: str) -> str:
    """Hand the mail to the server; return its Message-ID. Raises what smtplib raises."""
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip(">") or "localhost"
    message_id = make_msgid(idstring=str(message.pk), domain=domain)
    EmailMessage(
        subject=subject,
        body=body,
        to=[message.recipient],
        headers={
            "Message-ID": message_id,
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
            "Precedence": "bulk",
        },
    ).send()
    return message_id
