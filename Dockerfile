# not built yet: tests only see that what it copies is there
# docker build -t reprec . && docker run --rm -p 8888:8888 reprec          JupyterLab at the address that it prints
# docker run --rm -v reprec-runs:/reprec/runs reprec make paper            all tables and figures; runs/ is kept
FROM python:3.11-slim

RUN apt-get update && apt-get install --yes --no-install-recommends make git libgomp1 && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home reprec && mkdir --parents /reprec/runs && chown --recursive reprec /reprec
USER reprec
WORKDIR /reprec
ENV PIP_NO_CACHE_DIR=1

# first what changes seldom, so that an edit of the library does not install everything again
COPY --chown=reprec Makefile pyproject.toml requirements.lock requirements.hashes ./
COPY --chown=reprec lib ./lib
COPY --chown=reprec params ./params
RUN make install

COPY --chown=reprec . .

EXPOSE 8888
CMD ["make", "lab", "LAB=--no-browser --ip=0.0.0.0"]
