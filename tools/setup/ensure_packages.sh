#!/usr/bin/env bash
# Installs the Debian packages of packages.txt that are missing.
#
#   tools/setup/ensure_packages.sh [GROUP...]     default group: build
#
# RCNN_NO_INSTALL=1 installs nothing: it prints what is missing and how to get
# it, and exits 1. So does a system without apt. Quiet when nothing is missing.
# Optional packages are installed together with others, if apt knows them; if
# only they are missing, nothing is.
set -euo pipefail

list="${BASH_SOURCE[0]%/*}/packages.txt"
groups=" ${*:-build} "

wanted=()
optional=()
while read -r package group kind; do
  [[ -z ${package} || ${package} == \#* || ${groups} != *" ${group} "* ]] && continue
  if [[ ${kind} == optional ]]; then optional+=("${package}"); else wanted+=("${package}"); fi
done < "${list}"
if [[ ${#wanted[@]} -eq 0 ]]; then
  echo "rcnn: no package group among '$*' in ${list}; the groups are build and check." >&2
  exit 1
fi

missing=()
if command -v dpkg-query > /dev/null; then
  installed=" $(dpkg-query -W -f '${db:Status-Status}:${Package} ' "${wanted[@]}" 2> /dev/null || true)"
  for package in "${wanted[@]}"; do
    [[ ${installed} == *" installed:${package} "* ]] || missing+=("${package}")
  done
  [[ ${#missing[@]} -eq 0 ]] && exit 0
else
  missing=("${wanted[@]}")
fi

as_root=()
[[ ${EUID} -eq 0 ]] || as_root=(sudo)
command="${as_root[*]:+${as_root[*]} }apt-get install -y --no-install-recommends ${missing[*]}"

give_up() {
  cat >&2 << MESSAGE
rcnn: $1 These packages (Debian 12 names) are missing:
  ${missing[*]}
Install them with
  ${command}
or get the same libraries by other means (third_party/README.md names them)
and set RCNN_PACKAGES_ENSURED=1.
MESSAGE
  exit 1
}

if [[ -n ${RCNN_NO_INSTALL:-} && ${RCNN_NO_INSTALL} != 0 ]]; then
  give_up "RCNN_NO_INSTALL is set, so nothing is installed."
fi
command -v apt-get > /dev/null && command -v dpkg-query > /dev/null ||
  give_up "This system has no apt."
[[ ${EUID} -eq 0 ]] || command -v sudo > /dev/null ||
  give_up "Installing needs root, and sudo is missing."

echo "rcnn: installing ${#missing[@]} missing packages and what they need (minutes): ${missing[*]}" >&2
# Show apt's output only if it fails.
log=$(mktemp)
trap 'rm -f "${log}"' EXIT
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 -qq "$@" \
    < /dev/null > "${log}" 2>&1 || {
    cat "${log}" >&2
    give_up "'apt-get $1' failed."
  }
}
apt update
for package in "${optional[@]}"; do
  if apt-cache show "${package}" > /dev/null 2>&1; then missing+=("${package}"); fi
done
apt install -y --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}"
echo "rcnn: installed" >&2
