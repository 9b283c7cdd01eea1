#!/usr/bin/env bash
# A checkout of its own for this container, on the shared DVC cache; then the command, in it.
set -euo pipefail
: "${LADDER_REPOSITORY:?names no repository to clone; set the job variable \`repository\`}"
checkout="$PWD/checkout"  # /work/checkout in the image
git clone --quiet "$LADDER_REPOSITORY" "$checkout"
cd "$checkout"
git checkout --quiet "${LADDER_COMMIT:-main}"
if [ -n "${LADDER_DVC_CACHE:-}" ]; then
  python -m dvc config --quiet --local cache.dir "$LADDER_DVC_CACHE"
fi
if [ -n "${LADDER_DVC_REMOTE:-}" ]; then
  python -m dvc remote add --quiet --local --force --default shared "$LADDER_DVC_REMOTE"
fi
if [ -n "${LADDER_STATE:-}" ]; then  # a rung that was evicted goes on from there
  mkdir -p "$LADDER_STATE/resume" runs
  ln -s "$LADDER_STATE/resume" runs/resume
fi
exec "$@"
