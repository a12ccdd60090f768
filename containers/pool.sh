#!/usr/bin/env bash
# The test pool's container:  pool.sh start | stop | status
#   GRIDSEARCH_POOL_WORK      host folder that the user finds at /home/sweeper/work (default $root/work)
#   GRIDSEARCH_POOL_GPUS      number of simulated GPUs the machine declares (default 0)
#   GRIDSEARCH_POOL_TIMEOUT   seconds to wait for the slot (default 120)
set -euo pipefail

name=gridsearch-pool
image=gridsearch-pool:latest
root=${TMPDIR:-/tmp}/gridsearch-pool
execute=$root/execute
work=${GRIDSEARCH_POOL_WORK:-$root/work}
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# A folder of a name that anybody can foresee: where it is not ours alone, what is within it may be a link to anywhere,
# and stop deletes there as root.
own_folder() {
    mkdir -p -m 755 "$(dirname "$root")"
    mkdir -m 755 "$root" 2>/dev/null || true
    if [[ -L $root || ! -d $root || ! -O $root || -n $(find "$root" -maxdepth 0 -perm /022) ]]; then
        echo "pool.sh: $root is not a folder that only this user can write to: remove it, or set TMPDIR" >&2
        exit 1
    fi
}

exists() { docker container inspect "$name" >/dev/null 2>&1; }
runs() { [[ $(docker container inspect --format '{{.State.Running}}' "$name" 2>/dev/null) == true ]]; }
count_slots() { docker exec "$name" condor_status -constraint 'HasDocker' -af Name 2>/dev/null | wc -l; }

# Job containers are siblings of the pool's, so they outlive it; HTCondor mounts the execute folder into each.
list_jobs() {
    local container
    for container in $(docker ps --all --quiet --filter label=org.htcondorproject); do
        if docker container inspect --format '{{range .Mounts}}{{println .Source}}{{end}}' "$container" |
            grep --quiet "^$execute/"; then
            echo "$container"
        fi
    done
}

start() {
    if runs && (($(count_slots) > 0)); then
        echo "the pool $name runs already"
        return
    fi
    own_folder
    stop >/dev/null
    mkdir -p "$execute" "$work"
    docker run --detach --name "$name" --network=host \
        --volume /var/run/docker.sock:/var/run/docker.sock \
        --volume "$execute:$execute" \
        --volume "$work:/home/sweeper/work" \
        --tmpfs /home/sweeper/small:size=64m,mode=1777 \
        --volume "$project:/opt/gridsearch:ro" \
        --env "GRIDSEARCH_POOL_EXECUTE=$execute" \
        --env "GRIDSEARCH_POOL_GPUS=${GRIDSEARCH_POOL_GPUS:-0}" \
        "$image" >/dev/null
    local deadline=$((SECONDS + ${GRIDSEARCH_POOL_TIMEOUT:-120}))
    until (($(count_slots) > 0)); do
        if ! runs || ((SECONDS > deadline)); then
            echo "pool.sh: no slot with HasDocker appeared; the container's last words:" >&2
            docker logs --tail 20 "$name" >&2
            docker exec "$name" sh -c 'tail -n 20 /var/log/condor/MasterLog /var/log/condor/StartLog' >&2 || true
            exit 1
        fi
        sleep 1
    done
    echo "the pool $name is up. Enter it with"
    echo "    docker exec -it --user sweeper $name bash"
    echo "and submit from /home/sweeper/work, which is $work out here."
}

stop() {
    if ! exists; then
        echo "there is no pool $name"
        return
    fi
    own_folder
    # Folders of job sandboxes belong to users of the container, so it is the one to delete them.
    if runs; then
        docker exec "$name" condor_off -master -fast >/dev/null 2>&1 || true
    fi
    list_jobs | xargs --no-run-if-empty docker rm --force >/dev/null
    docker stop --time 10 "$name" >/dev/null
    # What a job's container was still writing may vanish under it
    local attempt
    for attempt in 1 2 3; do
        docker run --rm --network=none --volume "$execute:$execute" "$image" \
            find "$execute" -mindepth 1 -delete && break
        ((attempt < 3)) || exit 1
        sleep 1
    done
    docker rm --force "$name" >/dev/null
    rmdir "$execute" 2>/dev/null || true
    rmdir "$root" 2>/dev/null || true
    echo "the pool $name is stopped; its work folder is left as it is"
}

status() {
    if ! runs; then
        echo "the pool $name does not run"
        return 1
    fi
    docker exec "$name" condor_status -af:h Name State Cpus Memory GPUs HasDocker DockerVersion
    docker exec "$name" condor_q -allusers
}

case ${1:-} in
    start | stop | status) "$1" ;;
    *)
        echo "usage: pool.sh start | stop | status" >&2
        exit 2
        ;;
esac
