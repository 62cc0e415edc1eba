"""A visit that is done was on the list of those to call for what no longer matters; now such a call is a wish."""

from django.db import migrations


def end_calls(apps, schema_editor):
    Appointment = apps.get_model("appointments", "Appointment")
    Appointment.objects.filter(state="done", call_since__isnull=False).update(call_since=None)


class Migration(migrations.Migration):
    dependencies = [
        ("appointments", "0007_rating_callback"),
    ]

    operations = [
        migrations.RunPython(end_calls, migrations.RunPython.noop, elidable=True),
    ]
