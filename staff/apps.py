from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_migrate


class StaffConfig(AppConfig):
    name = "staff"

    def ready(self) -> None:
        from common import session

        from . import triggers

        user_logged_in.connect(session.begin, dispatch_uid="staff.session")
        post_migrate.connect(triggers.install, sender=self, dispatch_uid="staff.triggers")
