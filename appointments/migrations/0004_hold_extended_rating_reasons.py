from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("appointments", "0003_waitlist")]

    operations = [
        migrations.AddField("hold", "extended", models.BooleanField(default=False)),
        migrations.AddField("visitrating", "reasons", models.JSONField(blank=True, default=list)),
    ]
