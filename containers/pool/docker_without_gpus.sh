#!/bin/bash
# The docker command for a machine that only pretends to have GPUs: the same, less the GPU devices, which would not be
# found. A job that asks for a GPU then matches, starts and runs, on its CPU.
arguments=()
while (($# > 0)); do
    if [[ $1 == --device && ${2:-} == /dev/nvidia* ]]; then
        shift 2
    else
        arguments+=("$1")
        shift
    fi
done
exec /usr/bin/docker "${arguments[@]}"
