from django.apps import AppConfig
from django.db.models.signals import post_migrate


class StaffConfig(AppConfig):
    name = "staff"

    def ready(self) -> None:
        from . import triggers

        post_migrate.connect(triggers.install, sender=self, dispatch_uid="staff.triggers")
