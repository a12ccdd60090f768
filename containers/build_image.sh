#!/usr/bin/env bash
# Builds one image:  build_image.sh FOLDER IMAGE [docker build options, e.g. --build-arg NEST_VERSION=3.9.0]
#
# The build context is a copy of FOLDER with two additions: setup.cfg of the project (its list of dependencies) and the
# folder host/ with what this machine needs to reach a Python package index: its certificates and a pip.conf. Only build
# stages that are thrown away copy host/, so none of it is in the finished image; plain COPY instead of BuildKit's
# secrets, because Debian's Docker comes without BuildKit's client. Proxies go in as Docker's predefined build
# arguments, which are kept out of the image and its history. Unchanged input is answered by Docker's cache.
set -euo pipefail

if (($# < 2)); then
    echo "usage: build_image.sh FOLDER IMAGE [docker build options]" >&2
    exit 2
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$1
image=$2
shift 2

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
cp -R "$here/$folder/." "$context/"
cp "$here/../setup.cfg" "$context/"
mkdir "$context/host"

{
    echo "[global]"
    for bundle in "${PIP_CERT:-}" "${SSL_CERT_FILE:-}" "${REQUESTS_CA_BUNDLE:-}" \
        /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
        if [[ -r $bundle ]]; then
            cp "$bundle" "$context/host/ca.crt"
            echo "cert = /build/ca.crt"
            break
        fi
    done
    for key in index-url extra-index-url trusted-host timeout; do
        variable=PIP_${key^^}
        variable=${variable//-/_}
        value=${!variable:-$(python3 -m pip config get "global.$key" 2>/dev/null || true)}
        # A folder of this machine is no index inside the build.
        value=$(tr -s ' \n' '\n\n' <<<"$value" | grep -v '^file:' | paste -s -d ' ' || true)
        [[ -z $value ]] || echo "$key = $value"
    done
} >"$context/host/pip.conf"

proxies=()
for variable in HTTP_PROXY HTTPS_PROXY FTP_PROXY NO_PROXY http_proxy https_proxy ftp_proxy no_proxy; do
    [[ -z ${!variable:-} ]] || proxies+=(--build-arg "$variable")
done

if docker buildx version >/dev/null 2>&1; then
    export DOCKER_BUILDKIT=1
else
    export DOCKER_BUILDKIT=0
fi
docker build --network=host "${proxies[@]}" "$@" --tag "$image" "$context"
