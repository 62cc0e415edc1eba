from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CasesConfig(AppConfig):
    name = "cases"

    def ready(self) -> None:
        from . import events, triggers  # noqa: F401

        post_migrate.connect(triggers.install, sender=self, dispatch_uid="cases.triggers")
