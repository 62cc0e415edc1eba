from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class StaffConfig(AppConfig):
    name = "staff"

    def ready(self) -> None:
        from common import session
        from common.append_only import Guarded, guard

        user_logged_in.connect(session.begin, dispatch_uid="staff.session")
        guard(self, Guarded("staff_staffrecord", "staff_records", "the trail of changes about people is append-only"))
