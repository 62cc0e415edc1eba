from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("appointments", "0005_visit_photos"),
    ]

    operations = [
        migrations.AddField(
            model_name="waitlistentry",
            name="weekdays",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name="waitlistentry",
            name="parts",
            field=models.JSONField(blank=True, default=list),
        ),
    ]
