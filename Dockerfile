# One image for web, workers, beat and migrations; docker-compose.yml says which one a container becomes.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PRODUCTION=1 BIND=0.0.0.0 PORT=8000 SERVICECENTER_VAR=/app/var

RUN useradd --system --uid 10001 --create-home --shell /usr/sbin/nologin app
WORKDIR /app

COPY requirements/base.txt requirements/base.txt
RUN pip install --require-hashes -r requirements/base.txt

COPY . .
# Translations, icons and static files belong to the image. The secrets here are for this step alone.
RUN SECRET_KEY=build FIELD_KEYS=k:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE= INDEX_KEY=QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE= ALLOWED_HOSTS=build REDIS_URL=redis://build \
    python manage.py prepare --files-only \
    && python -m compileall -q . \
    && mkdir -p var/attachments \
    && chown -R app /app/var

USER app
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "scripts/wait_for.py", "http://127.0.0.1:8000/healthz?live=1", "4"]
CMD ["scripts/serve", "web"]
