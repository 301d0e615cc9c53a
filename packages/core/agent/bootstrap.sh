#!/bin/sh
# Starts one attempt's guardian, once. Needs sh and python3 only; downloads nothing. Secrets (JSON) come on standard input.
# Usage: bootstrap.sh <attempt folder> <agent folder> "<guard line>"
# Exits: 0 armed, or nothing to do; 41 no python3 of 3.8 or newer; 42 the guardian could not be started.
set -u
umask 077
dir=$1 agent=$2
# All of it first: the channel may close as soon as this script ends.
IFS= read -r secrets || : # one line of JSON: the shell's own `read` costs no process
unset RUNCTL_NONCE RUNCTL_AGENT_NONCE
cd / || exit 42
[ -f "$dir/guard.conf" ] || { printf '%s\n' "$3" >"$dir/guard.conf.$$" && mv "$dir/guard.conf.$$" "$dir/guard.conf"; } || exit 42

# Version managers put slow shims on PATH: the real interpreter is asked for once.
python='' from='' real='' seen=''
for name in python3 python3.13 python3.12 python3.11 python3.10 python3.9 python3.8; do
  found=$(command -v "$name") || continue
  if [ -r "$agent/python" ]; then { read -r from && read -r real; } <"$agent/python"; fi
  if [ "$from" = "$found" ] && [ -x "$real" ] && [ -f "$agent/lib/__main__.py" ]; then
    python=$real
    break
  fi
  if real=$("$found" -I -S "$agent/agent.pyz" extract "$agent/lib" 2>&1); then
    python=$real
    printf '%s\n%s\n' "$found" "$real" >"$agent/python.$$" && mv "$agent/python.$$" "$agent/python"
    break
  fi
  seen="$seen $found: $(printf '%s' "$real" | tail -n 1);"
done
if [ -z "$python" ]; then
  printf 'python3 3.8 or newer is needed on the training host.%s PATH=%s\n' "${seen:- None was found.}" "$PATH" >&2
  exit 41
fi

own_session() {
  if command -v setsid >/dev/null; then exec setsid "$@"; fi
  exec "$python" -I -S -c 'import os, sys; os.setsid(); os.execvp(sys.argv[1], sys.argv[1:])' "$@"
}
# printf is the shell's own: the secrets are in no argument list and in no file. The guardian says one word when it is armed.
printf '%s' "$secrets" | {
  exec 3<&0
  own_session sh "$agent/guardian.sh" "$dir" "$agent" "$python" <&3 3<&- 2>>"$dir/agent.log" &
} | { read -r armed && [ -n "$armed" ]; } || {
  printf 'the guardian did not start: %s\n' "$(tail -n 3 "$dir/agent.log" 2>/dev/null)" >&2
  exit 42
}
