"""Foreign keys point down, as imports do (architecture.md §1)."""

from django.apps import apps

ROOMS = [
    {"servicecenter"},
    {"portal", "desk", "dashboards"},
    {"appointments"},
    {"tickets"},
    {"sla"},
    {"notifications"},
    {"cases"},
    {"customers", "staff"},
    {"common"},
]
FLOOR = {room: floor for floor, rooms in enumerate(reversed(ROOMS)) for room in rooms}


def test_every_foreign_key_stays_in_its_room_or_points_down():
    wrong = []
    for model in apps.get_models():
        here = model._meta.app_label
        if here not in FLOOR:
            continue
        for field in model._meta.get_fields():
            # Django gives the other end of a relation too; only the end that owns the column counts.
            if not (field.is_relation and field.concrete and field.related_model):
                continue
            there = field.related_model._meta.app_label
            if there in FLOOR and here != there and FLOOR[there] >= FLOOR[here]:
                wrong.append(f"{model.__name__}.{field.name}: {here} → {there}")
    assert wrong == []


def test_every_room_of_ours_has_a_floor():
    from django.conf import settings

    ours = {app for app in settings.INSTALLED_APPS if (settings.BASE_DIR / app / "__init__.py").exists()}
    assert ours == set(FLOOR)
