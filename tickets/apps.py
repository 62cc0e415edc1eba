from django.apps import AppConfig


class TicketsConfig(AppConfig):
    name = "tickets"

    def ready(self) -> None:
        from notifications.signals import message_accepted
        from sla.moments import enter
        from sla.signals import rung_reached

        from . import events, handover, inbound, moments, outages, silence  # noqa: F401

        enter(starts=moments.STARTS, stops=moments.STOPS)
        rung_reached.connect(handover.on_rung_reached, dispatch_uid="tickets.handover")
        message_accepted.connect(silence.on_message_accepted, dispatch_uid="tickets.silence")
