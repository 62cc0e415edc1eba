"""Bring in what people send by SMS, over SMPP, until told to stop. `scripts/serve sms` runs it."""

from __future__ import annotations

import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from notifications.receiver import Receiver


class Command(BaseCommand):
    help = "Receive SMS over SMPP (SMPP_HOST and its company); SIGTERM ends it in order."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.SMPP_HOST:
            raise CommandError("SMPP_HOST is not set: there is nothing to receive from.")
        receiver = Receiver()
        for how in (signal.SIGTERM, signal.SIGINT):
            signal.signal(how, lambda *_signal: receiver.stop.set())
        receiver.run()
