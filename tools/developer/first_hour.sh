#!/usr/bin/env bash
# The first hour of a new user, in a bare Debian 12: from the clone to your own
# detector, with the time that each step takes.
#
#   tools/developer/first_hour.sh ROOT [STEP...]
#
# Makes a minimal Debian with git in the new folder ROOT (debootstrap, from the mirror
# that this machine's apt uses), clones this repository's HEAD into it, and follows
# README.md there. RCNN_BCCD names the BCCD dataset in VOC's layout; without it the
# steps with images of cells are left out. Steps, in their order, all by default:
#
#   packages     ./bazelw installs what is missing
#   build        the program of the main job, without any cache
#   main_job     a detector of generated shapes, trained, evaluated and drawn
#   own_data     a detector of cells from BCCD's training images
#   detect       that detector on one of BCCD's test images
#   tests        ./bazelw test //...
#   incremental  the program of the main job after an edit of ops/nms.cc
#
# With all steps done, in one go or one after the other, it writes docs/first_hour.md, and
# the image that it shows. Needs root, debootstrap and, for all of it, an hour of a machine
# that is otherwise idle.
set -euo pipefail

readonly all_steps=(packages build main_job own_data detect tests incremental)
readonly program=//training:stage_scheduler
readonly bccd_iterations=600

die() {
  echo "first_hour: $1" >&2
  exit 1
}

# ---- In the bare system.

# timed STEP COMMAND...: runs it; its output goes to a log, its time to a table. The clock is that of
# the machine's running time, in hundredths of a second, which setting the time of day does not move.
timed() {
  local step=$1 start end status=0
  shift
  echo "== ${step}: $*" | tee -a /first_hour/log.txt
  read -r start _ < /proc/uptime
  "$@" > "/first_hour/${step}.txt" 2>&1 || status=$?
  read -r end _ < /proc/uptime
  cat "/first_hour/${step}.txt" >> /first_hour/log.txt
  if [[ ${status} -ne 0 ]]; then
    tail -n 40 "/first_hour/${step}.txt" >&2
    die "step ${step} ended with ${status}; see first_hour/log.txt in its root"
  fi
  awk -v step="${step}" -v start="${start}" -v end="${end}" \
    'BEGIN { printf "%s %.1f\n", step, end - start }' | tee -a /first_hour/times.txt
}

step_packages() { timed packages ./bazelw info release; }
step_build() { timed build ./bazelw build "${program}"; }
step_main_job() { timed main_job ./bazelw run "${program}"; }

step_own_data() {
  [[ -d /srv/bccd ]] || return 0
  timed own_data ./bazelw run "${program}" -- --config=bccd_resnet18_joint --data_root=/srv/bccd \
    --run_dir=runs/bccd --set=stages.joint.train_joint.training.validation= \
    --set=stages.joint.train_joint.training.solver.iterations="${bccd_iterations}"
}

step_detect() {
  [[ -d /srv/bccd ]] || return 0
  local name
  name=$(head -n 1 /srv/bccd/ImageSets/Main/test.txt)
  timed detect ./bazelw run //tools:detect -- --model=runs/bccd \
    --input="/srv/bccd/JPEGImages/${name}.jpg" --output=/first_hour/detections
}

step_tests() { timed tests ./bazelw test //...; }

step_incremental() {
  # Changes the object, differently each time: after an edit of a comment nothing would be
  # relinked.
  echo "extern const int kEdit; const int kEdit = $(date +%s);" >> ops/nms.cc
  timed incremental ./bazelw build "${program}"
}

inside() {
  cd /srv/rcnn
  export HOME=/root
  local step
  for step in "$@"; do "step_${step}"; done
}

# ---- On the machine.

# The mirror of the release that this machine's apt uses.
mirror() {
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk '$2 == "bookworm" && $3 == "main" { print $1; exit }'
}

make_root() {
  local root=$1 from
  command -v debootstrap > /dev/null || die "debootstrap is missing; apt-get install debootstrap"
  from=$(mirror)
  [[ -n ${from} ]] || die "this machine's apt knows no mirror of Debian 12 (bookworm)"
  debootstrap --variant=minbase --include=git,ca-certificates bookworm "${root}" "${from}" > "${root}.log" 2>&1 ||
    die "debootstrap failed; see ${root}.log"
  rm -f "${root}.log"
  # How apt fetches here: proxies, old mirrors.
  apt-config dump | grep -E '^Acquire::(http|https|Check-Valid-Until|Check-Date)' \
    > "${root}/etc/apt/apt.conf.d/99first-hour" || true
  cp /etc/resolv.conf "${root}/etc/resolv.conf"
}

fill_root() {
  local root=$1
  git clone --quiet --no-local "${repository}" "${root}/srv/rcnn"
  git -C "${root}/srv/rcnn" remote remove origin
  if [[ -n ${RCNN_BCCD:-} ]]; then
    cp -rL "${RCNN_BCCD}" "${root}/srv/bccd"
    chmod -R u+w "${root}/srv/bccd"
  else
    echo "first_hour: RCNN_BCCD is not set: skipping the steps own_data and detect" >&2
  fi
  mkdir -p "${root}/first_hour"
  cp "${BASH_SOURCE[0]}" "${root}/first_hour/first_hour.sh"
}

# Namespaces of its own: mounts and processes end with the last step. The old root goes
# away by pivot_root, because Bazel's sandbox cannot be made under a chroot.
enter_root() {
  local root=$1
  shift
  unshare --mount --pid --fork --kill-child bash -euc '
    root=$1
    shift
    mount --make-rprivate /
    mount --bind "${root}" "${root}"
    cd "${root}"
    mount -t proc proc proc
    mount --rbind /dev dev
    mount --rbind /sys sys
    pivot_root . .
    umount -l .
    cd /
    exec env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin \
      ${http_proxy:+http_proxy="${http_proxy}"} ${https_proxy:+https_proxy="${https_proxy}"} \
      ${no_proxy:+no_proxy="${no_proxy}"} bash /first_hour/first_hour.sh --inside "$@"
  ' bash "${root}" "$@"
}

# excerpt FILE LINES: the end of a log, without colours, progress and paths of this machine.
excerpt() {
  sed -E 's/\x1b\[[0-9;]*[A-Za-z]//g; s/.*\r([^\r])/\1/; s/\r//g' "$1" |
    grep -vE '://|^\[[0-9, ]+ / [0-9, ]+\]|^(Loading|Analyzing|Computing|Starting local|INFO|WARNING|DEBUG)' |
    sed -e 's#/root/#~/#g' | grep -vE '^ *$' | tail -n "$2" || true
}

# The seconds of the last time that the step was done.
step_seconds() {
  awk -v step="$1" '$1 == step { seconds = $2 } END { print seconds }' "$2/first_hour/times.txt"
}

# row STEP ROOT TARGET WHAT: a line of the table; nothing if the step was not done.
row() {
  local seconds
  seconds=$(step_seconds "$1" "$2")
  [[ -n ${seconds} ]] || return 0
  printf '| %s | %s | %s |\n' "$4" "$(awk -v s="${seconds}" \
    'BEGIN { if (s < 120) printf "%.0f s", s; else printf "%d min %02d s", s / 60, s % 60 }')" "$3"
}

write_page() {
  local root=$1
  cat << PAGE
<!-- Written by tools/developer/first_hour.sh. -->

# The first hour

A new user's first hour on a minimal Debian 12 (debootstrap and git), starting from a clone of commit
$(git -C "${root}/srv/rcnn" log -1 --abbrev=10 --date=format:'%-d %B %Y' --format='%h of %cd'). Machine: $(grep -m 1 'model name' /proc/cpuinfo | sed 's/.*: //'), $(nproc) cores, \
$(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo).
To repeat it, run \`tools/developer/first_hour.sh\`. Times, results and output are those of that commit;
[tools/setup/packages.txt](../tools/setup/packages.txt) has today's packages.

| step | time | target |
| --- | --- | --- |
$(row packages "${root}" "" "\`./bazelw info release\`: installs the packages")
$(row build "${root}" "12 min" "\`./bazelw build ${program}\`: the scheduler, with a cold cache")
$(row main_job "${root}" "" "\`./bazelw run ${program}\`: trains and evaluates a detector of shapes")
$(row own_data "${root}" "" "\`bccd_resnet18_joint\`, ${bccd_iterations} iterations: a detector of cells, evaluated on the test images")
$(row detect "${root}" "" "\`//tools:detect\` on a test image, including its build")
$(row tests "${root}" "25 min" "\`./bazelw test //...\`: builds everything else and runs the tests")
$(row incremental "${root}" "40 s" "\`./bazelw build ${program}\` after an edit of \`ops/nms.cc\`")
PAGE
  if [[ -e ${repository}/docs/images/first_hour.jpg && -n $(step_seconds detect "${root}") ]]; then
    printf '\nDetections on a test image:\n\n'
    printf '![Cells found after the first hour](images/first_hour.jpg)\n'
  fi
  printf '\n## Output\n'
  local step lines
  for step in "${all_steps[@]}"; do
    [[ -n $(step_seconds "${step}" "${root}") ]] || continue
    lines=40
    # The count of the tests, not the list of them.
    if [[ ${step} == tests ]]; then lines=1; fi
    printf '\n### %s\n\n```text\n%s\n```\n' "${step}" "$(excerpt "${root}/first_hour/${step}.txt" "${lines}")"
  done
}

# all_done ROOT: whether each step has been done; those of images of cells only if they are there.
all_done() {
  local step
  for step in "${all_steps[@]}"; do
    [[ ${step} =~ ^(own_data|detect)$ && ! -d $1/srv/bccd ]] && continue
    [[ -n $(step_seconds "${step}" "$1") ]] || return 1
  done
}

keep_image() {
  local image
  image=$(find "$1/first_hour/detections" -name '*.jpg' 2> /dev/null | head -n 1)
  [[ -z ${image} ]] || cp "${image}" "${repository}/docs/images/first_hour.jpg"
}

outside() {
  local root=$1 repository
  shift
  repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
  [[ ${EUID} -eq 0 ]] || die "making a root needs root"
  if [[ -e ${root} ]]; then
    [[ -e ${root}/first_hour ]] || die "${root} exists and was not made by this script; name a new folder"
  else
    make_root "${root}"
    fill_root "${root}"
  fi
  local steps=("$@")
  [[ ${#steps[@]} -gt 0 ]] || steps=("${all_steps[@]}")
  enter_root "${root}" "${steps[@]}"
  if all_done "${root}"; then
    keep_image "${root}"
    write_page "${root}" > "${repository}/docs/first_hour.md"
    echo "${repository}/docs/first_hour.md"
  fi
}

if [[ ${1:-} == --inside ]]; then
  shift
  inside "$@"
elif [[ $# -eq 0 || $1 == -* ]]; then
  sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
  exit 2
else
  outside "$@"
fi
