# The operator as a container: what it needs to run and nothing else, as an ordinary user, on a read-only file system.
#
#   docker build --platform linux/amd64 --build-arg REVISION="$(git rev-parse HEAD)" -t reconciler .
#   (pin the base: --build-arg PYTHON=python@sha256:…)
#   docker run --read-only reconciler run --source https://github.com/ana/shop#main:specs
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS build
COPY requirements-image.lock /
RUN python -m venv --without-pip /venv \
 && pip --python /venv/bin/python install --no-cache-dir --no-deps --only-binary :all: --require-hashes \
        -r /requirements-image.lock
COPY reconciler /tmp/source/reconciler
# beside the libraries, and compiled: nothing can be written next to it later
RUN cp -r /tmp/source/reconciler "$(/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
 && /venv/bin/python -m compileall -q /venv/lib \
 && printf '#!/venv/bin/python\nfrom reconciler.cli.main import main\n\nmain()\n' > /venv/bin/reconciler \
 && chmod 755 /venv/bin/reconciler

FROM ${PYTHON}
RUN useradd --system --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin reconciler \
 && chmod 1777 /tmp
COPY --from=build /venv /venv
ARG REVISION=
# Git's objects are the one thing that it writes: to /tmp, a volume, else to the memory behind /dev/shm
ENV PATH=/venv/bin:$PATH \
    RECONCILER_REVISION=${REVISION} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    XDG_CACHE_HOME=/tmp/cache \
    XDG_STATE_HOME=/tmp/state \
    TMPDIR=/tmp \
    TEMP=/dev/shm
VOLUME /tmp
USER 10001
WORKDIR /work
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=300s --retries=3 \
    CMD ["python", "-m", "reconciler.server.probe"]
ENTRYPOINT ["reconciler"]
CMD ["run", "--listen", "127.0.0.1:9090"]
