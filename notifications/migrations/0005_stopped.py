from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifications", "0004_dealt_with")]

    operations = [
        migrations.AddIndex(
            model_name="inboundmessage",
            index=models.Index(
                condition=models.Q(("dealt_at", None), ("outcome__in", ["limited", "silenced"])),
                fields=["id"],
                name="inbound_stopped",
            ),
        ),
    ]
