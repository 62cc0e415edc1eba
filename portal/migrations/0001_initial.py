import django.db.models.deletion
from django.db import migrations, models

import common.crypto


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("customers", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Quota",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("what", models.CharField(max_length=20)),
                ("who", models.CharField(max_length=32)),
                ("uses", models.JSONField(default=list)),
                ("used_at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["used_at"], name="portal_quota_used")],
                "constraints": [models.UniqueConstraint(fields=("what", "who"), name="portal_quota_once")],
            },
        ),
        migrations.CreateModel(
            name="Session",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(max_length=64)),
                ("phone", common.crypto.EncryptedTextField(blank=True)),
                ("drafts", common.crypto.EncryptedTextField(blank=True)),
                ("code_digest", models.CharField(blank=True, max_length=64)),
                ("code_phone", common.crypto.EncryptedTextField(blank=True)),
                ("code_until", models.DateTimeField(blank=True, null=True)),
                ("code_tries", models.PositiveSmallIntegerField(default=0)),
                ("created_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                (
                    "customer",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="customers.customer",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["ends_at"], name="portal_session_ends")],
                "constraints": [models.UniqueConstraint(fields=("digest",), name="portal_session_once")],
            },
        ),
    ]
