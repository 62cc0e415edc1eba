from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DeskConfig(AppConfig):
    name = "desk"

    def ready(self) -> None:
        from django.conf import settings

        from cases.attachments import KEEPERS
        from common.navigation import Entry, register, register_setting

        from . import sending
        from .lists import overdue, visits_due

        KEEPERS.append(sending.kept_names)

        register(Entry("queue", "desk:queue", _("My queue"), "inbox", "desk.open", 10, shortcut="q", count=overdue))
        register(Entry("team", "desk:team", _("Team"), "users", "desk.open", 20, shortcut="t"))
        register(
            Entry(
                "dispatch", "desk:dispatch", _("Dispatch"), "truck", "dispatch.open", 40, shortcut="d", count=visits_due
            )
        )
        for setting in (
            Entry("mine", "desk:mine", _("My working time"), "clock", "", 5),
            Entry("keys", "desk:keys", _("My keys"), "keyboard", "", 5),
            Entry("replies", "desk:replies", _("My replies"), "send", "tickets.work", 5),
            Entry("outages", "desk:outages", _("Area outages"), "radio-tower", "desk.open", 5),
            Entry("texts", "desk:texts", _("Text messages"), "message-square", "customers.see", 7),
            Entry("parked", "desk:parked", _("Parked work"), "circle-pause", "settings.parked", 10),
            Entry("calendars", "desk:calendars", _("Calendars"), "calendar-days", "settings.calendars", 20),
            Entry("policies", "desk:policies", _("Policies"), "shield-check", "settings.policies", 30),
            Entry("people", "desk:people", _("People and teams"), "users", "settings.people", 40),
            Entry(
                "working_time", "desk:working_time", _("Working time"), "calendar-clock", "settings.working_time", 50
            ),
            Entry("skills", "desk:skills", _("Skills and certificates"), "wrench", "settings.skills", 60),
        ):
            register_setting(setting)
        if settings.DEMO or settings.DEBUG:
            ability = "" if settings.DEMO else "outbox.read"
            register_setting(Entry("outbox", "desk:outbox", _("Outbox"), "mail", ability, 90))
