#!/usr/bin/env bash
# Makes sure the base image is there: nothing to do where it exists, pulled where a registry answers, else made from
# the Debian archive alone (mmdebstrap, which takes its mirror from the release's name).
#   BASE_IMAGE   name of the image, debian:<release>-slim (default debian:trixie-slim)
set -euo pipefail

image=${BASE_IMAGE:-debian:trixie-slim}
if docker image inspect "$image" >/dev/null 2>&1; then
    exit 0
fi
echo "base image $image: pulling"
if timeout 300 docker pull --quiet "$image"; then
    exit 0
fi

release=${image#debian:}
release=${release%-slim}
if [[ $image != "debian:$release-slim" ]]; then
    echo "base_image.sh: cannot pull $image, and only debian:<release>-slim can be made from the archive" >&2
    exit 1
fi
if ! command -v mmdebstrap >/dev/null; then
    echo "base_image.sh: cannot pull $image; to make it here, install mmdebstrap" >&2
    exit 1
fi
echo "base image $image: no registry answers, making it with mmdebstrap"
tarball=$(mktemp --suffix=.tar)
trap 'rm -f "$tarball"' EXIT
mmdebstrap --quiet --variant=minbase \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    "$release" "$tarball"
docker import --change 'CMD ["bash"]' "$tarball" "$image"
