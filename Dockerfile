# A static binary on an empty image, run as nobody.
#
#   docker build -t salesforce-mcp .
#   docker run -p 8080:8080 -e SALESFORCE_MCP_PUBLIC_URL=https://salesforce.example.com \
#     -v ./config.yaml:/config.yaml:ro -v ./key.pem:/key.pem:ro -v data:/data -v keys:/keys salesforce-mcp
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags="-s -w -X main.release=${VERSION}" -o /salesforce-mcp ./cmd/salesforce-mcp \
 && mkdir /data /keys

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /salesforce-mcp /salesforce-mcp
COPY --from=build --chown=nonroot:nonroot /data /data
COPY --from=build --chown=nonroot:nonroot /keys /keys
ENV SALESFORCE_MCP_LISTEN=0.0.0.0:8080 SALESFORCE_MCP_DATA=/data SALESFORCE_MCP_KEY_FILE=/keys/master.key
EXPOSE 8080
VOLUME /data /keys
USER nonroot
ENTRYPOINT ["/salesforce-mcp"]
CMD ["serve", "--config", "/config.yaml"]
