// Small sh programs that the controller runs on the host; arguments always come as "$1", "$2", never inside the text.

/** "$1" attempt folder, "$2" agent folder. Makes them, and says which parts are there: "agent", "attempt". */
export const PREPARE_SH = `umask 077
mkdir -p "$1/control" "$2" || exit 1
[ ! -f "$2/bootstrap.sh" ] || echo agent
[ ! -f "$1/attempt.json" ] || echo attempt`;

/**
 * "$1" attempt folder; the command on standard input. Gives it the next free number, whole or not at all; on a full disk out of the
 * attempt's reserve. Exit 4: no such attempt.
 */
export const CONTROL_SH = `umask 077
cd "$1/control" 2>/dev/null || exit 4
t=new.$$ n=1
c=$(cat)
printf '%s\\n' "$c" >"$t" || { rm -f ../reserve; printf '%s\\n' "$c" >"$t"; } || { rm -f "$t"; exit 1; }
while [ -e "$n.json" ] || ! ln "$t" "$n.json" 2>/dev/null; do
  [ -e "$n.json" ] || { rm -f "$t"; exit 1; }
  n=$((n + 1))
done
rm -f "$t"`;

/**
 * "$1" attempt folder, "$2" bytes of events.jsonl already read, "$3" seconds to wait while the folder looks like "$4", the mark of an
 * earlier look (both optional). One line a fact: "mark <what it looks like>", "alive <name>", "<record> <json>", then "events" and the
 * new lines. Exit 4: no such attempt. The same rule as the guardian's: a process is (pid, start time, boot id).
 */
export const OBSERVE_SH = `cd "$1" 2>/dev/null && [ -f attempt.json ] || exit 4
b=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null || sysctl -n kern.bootsessionuuid)
lives() {
  [ "$3" = "$b" ] || return 1
  if [ -r /proc/self/stat ]; then
    w=$2 s=
    while read -r l || [ -n "$l" ]; do s="$s $l"; done 2>/dev/null <"/proc/$1/stat" || return 1
    set -- \${s##*) }
    [ $# -ge 20 ] && [ "$1" != Z ] && [ "\${20}" = "$w" ]
  else
    s=$(ps -o stat=,lstart= -p "$1") || return 1
    case $s in Z*) return 1 ;; esac
    [ "$(printf '%s' "\${s#* }" | tr -s ' ' '_')" = "$2" ]
  fi
}
look() {
  a=
  for n in guardian supervisor; do
    read -r p s i _ 2>/dev/null <"$n.pid" && lives "$p" "$s" "$i" && a="$a $n"
  done
  if read -r p s i q t 2>/dev/null <runner.pid; then { lives "$p" "$s" "$i" || lives "$q" "$t" "$i"; } && a="$a runner"; fi
  m=$(echo $a | tr ' ' +),
  for n in exit notice final; do [ ! -s "$n.json" ] || m="$m+$n"; done
  s=
  read -r s 2>/dev/null <status.json
  case $s in *'"phase"'*) s=\${s#*'"phase"'} s=\${s#*'"'} m="$m,\${s%%'"'*}" ;; *) m="$m," ;; esac
  [ ! -f events.jsonl ] || m="$m,$(($(wc -c <events.jsonl)))"
}
look
w8=0
while [ "$w8" -lt "\${3:-0}" ] && [ "$m" = "\${4-}" ]; do
  sleep 1
  w8=$((w8 + 1))
  look
done
echo "mark $m"
for n in $a; do echo "alive $n"; done
for n in exit notice status; do [ -s "$n.json" ] && printf '%s ' "$n" && cat "$n.json"; done
echo events
[ ! -f events.jsonl ] || tail -c "+$(($2 + 1))" events.jsonl | head -c 4194304
echo
[ ! -s final.json ] || { printf 'final ' && cat final.json; }
exit 0`;
