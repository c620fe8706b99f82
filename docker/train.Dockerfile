# Training, evaluation and export, on CPU or with `--gpus all`.
#
#   docker build -f docker/train.Dockerfile -t mien-train .
#   docker run --rm --gpus all -v "$PWD/data:/data" -v "$PWD/runs:/runs" mien-train train recipes/expression.toml

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 mien
WORKDIR /work
COPY pyproject.toml hatch_build.py constraints.txt README.md LICENSE ./
COPY src src
RUN pip install --no-cache-dir --constraint constraints.txt '.[train]'
COPY recipes recipes
RUN mkdir /data /runs && chown mien /data /runs /work
USER 10001
VOLUME ["/data", "/runs"]
ENTRYPOINT ["mien"]
