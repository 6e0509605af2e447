#!/usr/bin/env bash
# The flags of the program: settings in each form, and what it says of wrong ones.
set -u
scheduler=$1
failures=0

fail() {
  echo "FAILED: $*" >&2
  failures=$((failures + 1))
}

# expect STATUS TEXT ARGUMENTS...: the exit status, and a text in what is printed.
expect() {
  local status=$1 text=$2
  shift 2
  local output
  output=$("$scheduler" "$@" 2>&1)
  local found=$?
  [ "$found" = "$status" ] || fail "status $found, not $status: $*"
  grep -qF -- "$text" <<< "$output" || fail "no '$text' after: $*: $output"
}

# Every form, several at once, in one call.
output=$("$scheduler" --print_config --set seed=41 --set=data.train.shapes.num_images=42 \
  -set data.test.shapes.num_images=43 2>&1) || fail "status $?: $output"
for text in 'seed: 41' 'num_images: 42' 'num_images: 43' 'name: "shapes_tiny_alternating"'; do
  grep -qF -- "$text" <<< "$output" || fail "no '$text' in the printed experiment"
done

expect 1 'seeds' --print_config --set seeds=1
expect 1 'nothing_like_this' --config=nothing_like_this
expect 1 'data.train' --config=bccd_resnet18_joint --data_root=nowhere --dry_run
expect 2 'confg' --confg=shapes_tiny_alternating

[ "$failures" = 0 ] && echo "all passed"
exit "$failures"
