# Functions of scripts that build in an output base of their own. To be sourced.

# kill_server BASE: where Bazel's client was killed, the server goes on writing into its output base.
kill_server() {
  local server
  server=$(cat "$1/server/server.pid.txt" 2> /dev/null)
  if [[ ${server} =~ ^[0-9]+$ ]] && grep -qsF -- "$1" "/proc/${server}/cmdline"; then kill -KILL "${server}"; fi
}

# delete_output_base BASE: with its server. For the trap at the end of a script, after set +e: what cannot be deleted does not
# change the result.
delete_output_base() {
  timeout --foreground --kill-after=5 60 bazel "--output_base=$1" clean --expunge > /dev/null 2>&1
  kill_server "$1"
  rm -rf "$1"
}

# all_targets: the patterns of all targets. With another output base, `//...` would also follow Bazel's links, such as bazel-rcnn,
# into the folders of the usual one.
all_targets() {
  local folder
  echo //:all
  for folder in */; do
    folder=${folder%/}
    if [[ ! -L ${folder} && -n $(find "${folder}" -name BUILD -print -quit) ]]; then echo "//${folder}/..."; fi
  done
}
