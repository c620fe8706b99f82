# The server with the Studio: base package and the 'serve' extra, no torch, no compiler, no root.
#
#   docker build -f docker/serve.Dockerfile -t mien-serve .
#   docker run --rm -p 8000:8000 --read-only mien-serve

FROM node:20-slim AS studio
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY web ./
RUN npm run build

FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml hatch_build.py constraints.txt README.md LICENSE ./
COPY src src
COPY --from=studio /src/src/mien/serving/static src/mien/serving/static
RUN python -m venv /opt/mien \
 && /opt/mien/bin/pip install --no-cache-dir --constraint constraints.txt '.[serve]'

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home mien
COPY --from=build /opt/mien /opt/mien
ENV PATH=/opt/mien/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=2 \
    MIEN_SERVE_HOST=0.0.0.0 \
    MIEN_SERVE_PORT=8000
USER 10001
EXPOSE 8000
# The container stops when the answers under way are given; give `docker stop` at least MIEN_SERVE_SHUTDOWN_SECONDS.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
ENTRYPOINT ["mien", "serve"]
