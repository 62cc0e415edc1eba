from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DashboardsConfig(AppConfig):
    name = "dashboards"

    def ready(self) -> None:
        from common.navigation import Entry, register

        register(
            Entry(
                key="boards",
                url_name="dashboards:boards",
                label=_("Boards"),
                icon="layout-dashboard",
                ability="boards.open",
                order=70,
                shortcut="b",
            )
        )
