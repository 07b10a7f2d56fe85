# Hob in an image that holds nothing but Hob. The steps that build it are run by TestDockerfile, without Docker.
FROM golang:1.26-bookworm AS build
WORKDIR /src
ENV OUT=/out CGO_ENABLED=0
ARG VERSION=
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN mkdir -p "$OUT/data" "$OUT/tmp"
RUN go build -ldflags "-s -w -X main.version=$VERSION" -o "$OUT/hob" ./cmd/hob
RUN chown -R 65532:65532 "$OUT/data" "$OUT/tmp"

FROM scratch
LABEL org.opencontainers.image.title="Hob" \
      org.opencontainers.image.description="A FHIR R4 server in one binary"
COPY --from=build /out/ /
USER 65532:65532
ENV HOB_LISTEN=0.0.0.0:8080 HOB_STORE=badger:/data HOB_LOG_FORMAT=json
VOLUME ["/data"]
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s CMD ["/hob", "ping", "http://127.0.0.1:8080/readyz"]
ENTRYPOINT ["/hob"]
CMD ["serve"]
