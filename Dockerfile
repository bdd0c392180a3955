# Airflow with this project's DAGs, plugin and libraries. docker-compose.yaml builds it.
FROM apache/airflow:slim-3.3.2-python3.11 AS requirements
USER airflow
WORKDIR /opt/airflow
# PyTorch's CPU index here spares the image the CUDA packages (about 2.5 GB).
ARG PIP_EXTRA_INDEX_URL=""
COPY requirements.txt requirements-compose.txt constraints.txt ./
RUN pip install --no-cache-dir -r requirements-compose.txt -c constraints.txt && pip check
ENV PYTHONPATH=/opt/airflow
# A new volume takes the owner of the folder that it is mounted on.
RUN mkdir -p logs workspace

# The stand-in for AWS, with what only it needs.
FROM requirements AS local-aws
COPY requirements-dev.txt ./
RUN pip install --no-cache-dir -r requirements-dev.txt -c constraints.txt
COPY --chown=airflow:0 include include

FROM requirements AS airflow
COPY --chown=airflow:0 dags dags
COPY --chown=airflow:0 plugins plugins
COPY --chown=airflow:0 include include
