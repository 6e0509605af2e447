#!/usr/bin/env bash
# The flags of the program: settings in each form, and what it says of wrong ones.
set -u
scheduler=$1
write_dataset=$2
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

# A value with line breaks is one value.
expect 0 'num_images: 44' --print_config --set 'data.train.shapes={
  seed: 5  # another one
  num_images: 44
}'
expect 1 'seeds' --print_config --set seeds=1
expect 1 'nothing_like_this' --config=nothing_like_this
expect 1 'data.train' --config=bccd_resnet18_joint --data_root=nowhere --dry_run
expect 2 'confg' --confg=shapes_tiny_alternating

# Classes are found in the data, and what is wrong with it is said.
voc=$TEST_TMPDIR/voc
for split in trainval test; do
  "$write_dataset" --dataset=shapes:num_images=3,num_classes=2,min_objects=3 --format=voc \
    --split=$split --out="$voc" > /dev/null || fail "status $?: no dataset"
done
sed -i 's/<xmin>/<xmin>9/' "$(find "$voc/Annotations" -name '*.xml' | sort | head -1)"
for text in 'data.train: 3 images, 2 classes (disc, square)' 'negative size' 'object dropped'; do
  expect 0 "$text" --config=bccd_resnet18_joint --data_root="$voc" --dry_run
done

# Before the first stage, not in the middle of it.
image=$(find "$voc/JPEGImages" -type f | sort | head -1)
truncate --size=600 "$image"
for text in 'data.train: 1 of 3 images cannot be read' "$image: a damaged PNG"; do
  expect 1 "$text" --config=bccd_resnet18_joint --data_root="$voc" --run_dir="$TEST_TMPDIR/run"
done
[ -d "$TEST_TMPDIR/run/stages/1_joint" ] && fail "a stage has begun"

[ "$failures" = 0 ] && echo "all passed"
exit "$failures"
