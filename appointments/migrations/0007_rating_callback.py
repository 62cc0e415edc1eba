from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("appointments", "0006_waitlist_wishes"),
    ]

    operations = [
        migrations.AddField(
            model_name="visitrating",
            name="callback",
            field=models.CharField(
                blank=True,
                choices=[
                    ("any", "Any time"),
                    ("morning", "Morning"),
                    ("afternoon", "Afternoon"),
                    ("evening", "Evening"),
                ],
                max_length=12,
            ),
        ),
        migrations.AddIndex(
            model_name="appointment",
            index=models.Index(
                condition=models.Q(("call_since__isnull", False)), fields=["call_since"], name="appointment_to_call"
            ),
        ),
    ]
