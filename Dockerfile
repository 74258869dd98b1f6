# Stage 1 builds the environment; stage 2 takes it over without compilers, pip or sources.
FROM python:3.13-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src

# Dependencies first: they change less often than the gateway, so this layer is reused.
COPY deploy/requirements.txt deploy/requirements-build.txt deploy/
RUN python -m venv /opt/gateway \
    && /opt/gateway/bin/pip install -r deploy/requirements.txt \
    && python -m venv /opt/build \
    && /opt/build/bin/pip install -r deploy/requirements-build.txt

COPY pyproject.toml README.md LICENSE NOTICE ./
COPY config config
COPY gateway gateway
# --no-deps: what is not pinned above must not come in by the back door; pip check tells what is missing.
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/gateway/bin/pip install --no-deps /wheels/*.whl \
    && /opt/gateway/bin/pip check \
    && /opt/gateway/bin/pip uninstall --yes pip


FROM python:3.13-slim

# tini is process 1: it passes SIGTERM on, which starts the drain, and reaps what is left behind.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/*

COPY --from=build /opt/gateway /opt/gateway

ENV PATH=/opt/gateway/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# The working directory, where records and recordings are kept unless the settings say otherwise.
RUN install -d -o 10001 -g 10001 /var/lib/vatel-gateway
USER 10001:10001
WORKDIR /var/lib/vatel-gateway
VOLUME /var/lib/vatel-gateway
EXPOSE 8080
STOPSIGNAL SIGTERM

# Asks GATEWAY_PORT, or 8080 without it, and never through a proxy that the environment names. It knows no
# port set in the TOML file or by --port: set the variable instead, or bring a health check of your own.
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:' + (os.environ.get('GATEWAY_PORT') or '8080') + '/healthz', timeout=2)"]

ENTRYPOINT ["tini", "--", "vatel-gateway"]
CMD ["serve"]
