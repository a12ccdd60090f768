#!/usr/bin/env bash
# Starts the Docker Engine where none answers, and stops it again if this script started it. For machines without a
# service manager, such as those of continuous integration; needs root and the package docker.io.
#   docker_engine.sh start | stop
set -euo pipefail

pid_file=/run/gridsearch-dockerd.pid
log=/var/log/gridsearch-dockerd.log

answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

case ${1:-} in
    start)
        if answers; then
            echo "the Docker Engine answers already"
            exit 0
        fi
        if ! command -v dockerd >/dev/null; then
            echo "docker_engine.sh: no Engine answers and dockerd is not installed (Debian: docker.io)" >&2
            exit 1
        fi
        # Detached, so that it outlives this script and the terminal.
        setsid nohup dockerd >"$log" 2>&1 </dev/null &
        echo $! >"$pid_file"
        for _ in $(seq 60); do
            if answers; then
                echo "Docker Engine started ($(docker info --format '{{.ServerVersion}}, {{.Driver}}'); log: $log)"
                exit 0
            fi
            kill -0 "$(cat "$pid_file")" 2>/dev/null || break
            sleep 1
        done
        echo "docker_engine.sh: dockerd did not come up; the end of $log:" >&2
        tail -n 20 "$log" >&2
        kill "$(cat "$pid_file")" 2>/dev/null || true
        rm -f "$pid_file"
        exit 1
        ;;
    stop)
        if [[ ! -f $pid_file ]]; then
            echo "no Docker Engine was started from here; leaving it alone"
            exit 0
        fi
        pid=$(cat "$pid_file")
        # A process id may be another program's by now.
        if [[ $(ps -o comm= -p "$pid" 2>/dev/null) == dockerd ]]; then
            kill "$pid"
            for _ in $(seq 30); do
                kill -0 "$pid" 2>/dev/null || break
                sleep 1
            done
        fi
        rm -f "$pid_file"
        echo "Docker Engine stopped"
        ;;
    *)
        echo "usage: docker_engine.sh start | stop" >&2
        exit 2
        ;;
esac
