# docker build -t toolgate . && docker run -p 8000:8000 -e UPSTREAM=http://192.168.1.10:8080 toolgate

FROM rust:1-slim-bookworm AS build
RUN apt-get update -q && apt-get install -q -y --no-install-recommends build-essential cmake
WORKDIR /build
COPY . .
RUN cargo build --release --locked --bin toolgate

FROM debian:bookworm-slim
COPY --from=build /build/target/release/toolgate /usr/local/bin/toolgate
COPY conf/docker.yaml /etc/toolgate/toolgate.yaml
# As in conf/toolgate.service, which says why.
ENV MALLOC_MMAP_THRESHOLD_=16384
USER nobody
EXPOSE 8000
STOPSIGNAL SIGTERM
# The admin address, asked by the shell that is there anyway.
HEALTHCHECK --interval=10s --timeout=3s CMD ["bash", "-c", \
    "exec 3<>/dev/tcp/127.0.0.1/8001; printf 'GET /health HTTP/1.0\\r\\n\\r\\n' >&3; read -r _ status _ <&3; [ \"$status\" = 200 ]"]
ENTRYPOINT ["toolgate"]
CMD ["run", "-c", "/etc/toolgate/toolgate.yaml"]
