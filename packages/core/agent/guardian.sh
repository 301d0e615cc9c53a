#!/bin/sh
# Keeps one attempt's supervisor alive and ends the attempt when nobody feeds it or its time is up. Uptime only, no wall clock.
# Usage: guardian.sh <attempt folder> <agent folder> <python>, secrets on standard input. At boot: the same with an empty input.
set -u
umask 077
dir=$1 agent=$2 python=$3
exec 3<&0 </dev/null
cd "$dir" || exit 42
if [ -r /proc/sys/kernel ]; then read -r boot </proc/sys/kernel/random/boot_id; else boot=$(sysctl -n kern.bootsessionuuid); fi

agent() { "$python" -I -S -X utf8 "$agent/lib/__main__.py" "$@"; }
wall() { date -u +%Y-%m-%dT%H:%M:%SZ; }
now() {
  if [ -r /proc/uptime ]; then read -r up _ </proc/uptime; else up=$("$python" -I -S -c 'import time; print(time.monotonic())'); fi
  up=${up%%.*}
}
start_of() { # <pid>: sets `start`. The command name in stat may hold spaces, parentheses and newlines.
  start='' stat=''
  if [ -r /proc/self/stat ]; then
    while read -r line || [ -n "$line" ]; do stat="$stat $line"; done 2>/dev/null <"/proc/$1/stat" || return 1
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    [ $# -ge 20 ] && [ "$1" != Z ] && start=${20}
  else
    stat=$(ps -o stat=,lstart= -p "$1") && case $stat in Z*) ;; *) start=$(printf '%s' "${stat#* }" | tr -s ' ' '_') ;; esac
  fi
}
alive() { # <file>: is the process named in "pid start boot" running? Sets `pid`.
  [ -r "$1" ] && read -r pid was in _ <"$1" && [ "$in" = "$boot" ] && start_of "$pid" 2>/dev/null && [ -n "$start" ] && [ "$start" = "$was" ]
}
put() { if ! { printf '%s\n' "$2" >"$1.$$" && mv "$1.$$" "$1"; }; then rm -f "$1.$$"; fi; }
kill_all() {
  [ -r /proc/self/environ ] || { agent kill "$nonce" && return; }
  pids=$(grep -ls "RUNCTL_NONCE=$nonce" /proc/[0-9]*/environ | sed 's|/proc/||; s|/environ||')
  # shellcheck disable=SC2086
  [ -z "$pids" ] || kill -9 $pids 2>/dev/null
}
start_supervisor() {
  "$python" -I -S -X utf8 "$agent/lib/__main__.py" supervise "$dir" "$agent" <&3 >>agent.log 2>&1 3<&- &
  start_of $! && put started.pid "$! $start $boot" # supervisor.pid is written by the one that holds the lock
  exec 3</dev/null && since=$up
}

if alive guardian.pid || { [ -f ended ] && [ ! -f end.sh ]; }; then echo there && exit 0; fi
now
spent0=0 base=$up
if [ -r guard.json ] && read -r line <guard.json; then
  spent0=${line#*\"spentSeconds\":} spent0=${spent0%%[!0-9]*} last=${line#*\"uptime\":} last=${last%%[!0-9]*}
  # The same boot: this guardian's predecessor died, and time went on without it.
  case $line in *"\"$boot\""*) [ "${last:-$up}" -le "$up" ] && base=${last:-$up} ;; esac
fi
fed='' fed_at=$up first=1 since=$up pause=1 saved=-60 ending='' killed=''
# First of all, for the training waits for it. Two guardians that start at once see each other below, and the supervisor's lock lets one work.
[ -f ended ] || alive supervisor.pid || start_supervisor
start_of $$ && put guardian.pid "$$ $start $boot"
grep -qs "$boot" boots.jsonl || printf '{"bootId":"%s","wall":"%s","uptime":%s}\n' "$boot" "$(wall)" "$up" >>boots.jsonl
echo armed
exec >>agent.log 2>&1

while now; do
  read -r hard feed firstfeed grace signal nonce _ <guard.conf
  spent=$((${spent0:-0} + up - base))
  if ! { read -r me _ <guardian.pid && [ "$me" = $$ ]; }; then
    alive guardian.pid && exit 0 # another one took over
    start_of $$ && put guardian.pid "$$ $start $boot"
    # The folder was deleted: nothing can be told, saved or resumed here.
    [ -f guardian.pid ] || [ -f guard.conf ] || { [ -z "${nonce:-}" ] || kill_all; exit 0; }
  fi
  if [ $((up - saved)) -ge 60 ]; then
    saved=$up && put guard.json "{\"spentSeconds\":$spent,\"hardSeconds\":$hard,\"bootId\":\"$boot\",\"uptime\":$up}"
  fi
  if [ -f ended ]; then # All that is left to do is to end a machine that nobody ended until its hard limit.
    if [ -f end.sh ] && [ "$spent" -lt "$hard" ]; then sleep 5 && continue; else break; fi
  fi
  beat='' && if [ -r feed ]; then read -r beat <feed; fi
  if [ "$beat" != "$fed" ]; then fed=$beat fed_at=$up first='' pause=1; fi
  quiet=$((up - fed_at)) limit=$feed
  [ -z "$first" ] || limit=$firstfeed
  if ! alive supervisor.pid && ! alive started.pid; then
    [ $((up - since)) -lt "$pause" ] || { start_supervisor && pause=$((pause < 30 ? pause * 2 : 30)); }
  elif [ -z "$first" ] && alive supervisor.pid && [ -f runner.pid ] && [ $((quiet * 2)) -ge "$limit" ] && [ "$killed" != "$fed_at" ]; then
    killed=$fed_at # Wedged. The training does not need it, and a new one takes over.
    kill -9 "$pid"
  fi
  if [ -z "$ending" ] && { [ "$spent" -ge $((hard + 3)) ] || [ "$quiet" -ge "$limit" ]; }; then
    ending=$up
    # Whoever writes the notice first sends the signal. Without room for the notice, it is sent all the same.
    put notice.guard "{\"cause\":\"guard\",\"at\":\"$(wall)\",\"until\":null,\"detail\":\"$spent s spent of $hard, $quiet s without a feed\"}"
    if ln notice.guard notice.json 2>/dev/null || [ ! -f notice.json ]; then alive runner.pid && kill -s "${signal#SIG}" "$pid"; fi
  fi
  if [ -n "$ending" ] && [ $((up - ending)) -ge "$grace" ]; then
    kill_all
    # It had time to see this by itself: a wedged supervisor is replaced by one that does the last uploads.
    if [ "$fed_at" -lt "$ending" ] && [ "$killed" != end ] && alive supervisor.pid; then killed=end && kill -9 "$pid"; fi
    # Time for the last uploads, if anybody is there to do them.
    [ $((up - ending - grace)) -lt $((fed_at > ending ? 120 : 20)) ] || { alive supervisor.pid && kill -9 "$pid"; break; }
  fi
  sleep 1
done
rm -f guardian.pid
for other in ../../*/*/guardian.pid; do ! alive "$other" || exit 0; done # the machine is another attempt's by now
until [ ! -f end.sh ] || sh end.sh </dev/null; do sleep 30; done
