import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import common.crypto


class Migration(migrations.Migration):
    dependencies = [
        ("cases", "0002_case_link_version"),
        ("customers", "0001_initial"),
        ("tickets", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Outage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("text_zh", models.CharField(max_length=200)),
                ("text_en", models.CharField(max_length=200)),
                ("expected_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("began_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["-began_at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="OutageFollower",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("phone", common.crypto.EncryptedTextField()),
                ("lookup", models.CharField(max_length=32)),
                ("language", models.CharField(choices=[("zh-hans", "中文"), ("en", "English")], max_length=10)),
                ("at", models.DateTimeField()),
                ("told_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.AddField(
            model_name="ticket",
            name="address",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="customers.address",
            ),
        ),
        migrations.AddIndex(
            model_name="ticket",
            index=models.Index(
                condition=models.Q(("address__isnull", False)), fields=["address"], name="ticket_address"
            ),
        ),
        migrations.AddField(
            model_name="outage",
            name="entered_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="outage",
            name="region",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="outages", to="customers.region"
            ),
        ),
        migrations.AddField(
            model_name="outagefollower",
            name="outage",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="followers",
                to="tickets.outage",
            ),
        ),
        migrations.AddIndex(
            model_name="outage",
            index=models.Index(fields=["-began_at"], name="outage_began"),
        ),
        migrations.AddConstraint(
            model_name="outage",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ended_at__isnull", True), ("ended_at__gte", models.F("began_at")), _connector="OR"
                ),
                name="outage_ends_after",
            ),
        ),
        migrations.AddConstraint(
            model_name="outagefollower",
            constraint=models.UniqueConstraint(fields=("outage", "lookup"), name="outage_follower_once"),
        ),
    ]
