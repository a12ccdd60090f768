#!/usr/bin/env bash
# The pool container's first process: fits the container to its mounts, then becomes condor_master.
#   GRIDSEARCH_POOL_EXECUTE   the execute folder; mounted at the same path inside and outside, since the job
#                             containers are made by the host's Engine, which resolves paths on the host
#   GRIDSEARCH_POOL_GPUS      number of simulated GPUs the machine declares (default 0)
# Mounts: /var/run/docker.sock, the execute folder, /opt/gridsearch (the project), /home/sweeper/work (submit from here)
set -euo pipefail

user=sweeper
work=/home/$user/work
socket=/var/run/docker.sock
execute=${GRIDSEARCH_POOL_EXECUTE:?the execute folder, at the same path inside and outside}

[[ -S $socket ]] || { echo "start_pool: mount the Docker socket at $socket" >&2; exit 1; }

# condor starts the job containers: it needs the group that owns the socket, or HasDocker stays undefined.
group=$(stat -c %g "$socket")
getent group "$group" >/dev/null || groupadd --gid "$group" docker-host
usermod --append --groups "$(getent group "$group" | cut -d: -f1)" condor

# Files that the user writes to the mounted work folder belong, outside, to whoever owns that folder.
owner=$(stat -c %u "$work")
if [[ $owner != 0 && $owner != "$(id -u $user)" ]]; then
    groupmod --non-unique --gid "$(stat -c %g "$work")" $user
    usermod --non-unique --uid "$owner" --gid $user $user
elif [[ $owner == 0 ]]; then
    chown "$user:$user" "$work"
fi

install -d -o condor -g condor /run/condor /var/lock/condor /var/log/condor /var/spool/condor /var/spool/condor-login2
# A folder for each startd, which empties its own when it starts
install -d -o condor -g condor -m 755 "$execute" "$execute"/node{1,2}

{
    echo "EXECUTE = $execute/node1"
    echo "STARTD2.EXECUTE = $execute/node2"
    if ((${GRIDSEARCH_POOL_GPUS:-0} > 0)); then
        # HTCondor's own discovery simulates Tesla V100 (kind 2: 16 GB, compute capability 7.0).
        echo "GPU_DISCOVERY_EXTRA = -simulate:2,$GRIDSEARCH_POOL_GPUS"
        echo "use FEATURE: GPUs"
        echo "DOCKER = /usr/local/libexec/docker_without_gpus"
    fi
} >/etc/condor/config.d/99-start

# The bindings from PyPI are newer than the daemons and cannot use the file-system authentication between them; a
# token works. The signing key is made anew at each start, so no secret is in the image.
install -d -m 700 /etc/condor/passwords.d
(umask 077 && head -c 48 /dev/urandom >/etc/condor/passwords.d/POOL)
tokens=/home/$user/.condor/tokens.d
install -d -o $user -g $user -m 700 "${tokens%/*}" "$tokens"
(umask 077 && condor_token_create -identity "$user@$(condor_config_val UID_DOMAIN)" >"$tokens/pool")
chown -R "$user:" "/home/$user/.condor"

export HOME=/root
exec condor_master -f
