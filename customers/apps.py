from django.apps import AppConfig


class CustomersConfig(AppConfig):
    name = "customers"

    def ready(self) -> None:
        from common.append_only import Guarded, guard

        guard(
            self,
            Guarded(
                "customers_changerecord", "customers_changes", "changes of customers are append-only", erasable=True
            ),
            Guarded(
                "customers_accessrecord", "customers_accesses", "looks at customers are append-only", erasable=True
            ),
        )
