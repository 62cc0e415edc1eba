from django.apps import AppConfig


class TicketsConfig(AppConfig):
    name = "tickets"

    def ready(self) -> None:
        from notifications.signals import message_accepted

        from . import events, inbound, silence  # noqa: F401

        message_accepted.connect(silence.on_message_accepted, dispatch_uid="tickets.silence")
