from django.apps import AppConfig


class SlaConfig(AppConfig):
    name = "sla"

    def ready(self) -> None:
        from cases.signals import case_changed

        from . import audit, calendar_watch, clocks, events  # noqa: F401

        case_changed.connect(clocks.on_case_changed, dispatch_uid="sla.clocks")
