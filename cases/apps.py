from django.apps import AppConfig


class CasesConfig(AppConfig):
    name = "cases"

    def ready(self) -> None:
        from common.append_only import Guarded, guard

        from . import events  # noqa: F401

        guard(
            self,
            Guarded("cases_caseevent", "cases_timeline", "the timeline is append-only", erasable=True),
            Guarded("cases_attachment", "cases_attachments", "attachments are append-only", erasable=True),
        )
