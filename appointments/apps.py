from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AppointmentsConfig(AppConfig):
    name = "appointments"

    def ready(self) -> None:
        from common.navigation import Entry, register
        from notifications.signals import message_accepted
        from sla import moments as sla_moments
        from sla import promises as sla_promises

        from . import certificates, events, moments, notices, promises, texts, visits, waitlist  # noqa: F401

        sla_moments.enter(stops=moments.STOPS)
        sla_promises.enter(titles=promises.TITLES, reasons=promises.REASONS, believed=promises.BELIEVED)
        message_accepted.connect(visits.on_message_accepted, dispatch_uid="appointments.visits")
        register(Entry("visits", "appointments:visits", _("My visits"), "truck", "visits.work", 5))
