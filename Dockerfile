# reconciler as a container: what it needs to run and nothing else, as an ordinary user, on a read-only file system.
FROM python:3.11-slim AS build
COPY requirements-image.lock /
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r /requirements-image.lock

FROM python:3.11-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin reconciler
COPY --from=build /venv /venv
COPY reconciler /opt/reconciler/reconciler
ENV PATH=/venv/bin:$PATH PYTHONPATH=/opt/reconciler PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001
WORKDIR /work
ENTRYPOINT ["python", "-m", "reconciler"]
CMD ["--help"]
