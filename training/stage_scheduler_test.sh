#!/usr/bin/env bash
# Tests the flags of the program: settings in each form, and the errors for wrong ones.
set -u
scheduler=$1
write_dataset=$2
failures=0

fail() {
  echo "FAILED: $*" >&2
  failures=$((failures + 1))
}

# expect STATUS TEXTS ARGUMENTS...: the exit status, and texts in what is printed, one a line.
expect() {
  local status=$1 texts=$2
  shift 2
  local output text
  output=$("$scheduler" "$@" 2>&1)
  local found=$?
  [ "$found" = "$status" ] || fail "status $found, not $status: $*"
  while read -r text; do
    grep -qF -- "$text" <<< "$output" || fail "no '$text' after: $*: $output"
  done <<< "$texts"
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

# Names that no file can have.
shown="$(printf '%60s' '' | tr ' ' x)... (300 bytes)"
long=$(printf '%300s' '' | tr ' ' x)
for flag in run_dir data_root pretrained; do
  expect 1 "error: --$flag=$shown: no file can have so long a name" "--$flag=$long" --dry_run
done
expect 1 "error: --config=$shown: no such file, and not the name of an experiment" "--config=$long"

# Devices: by name; one that is missing and a precision that the CPU lacks are found at once.
expect 0 $'device: CUDA\ndevice_index: 1' --print_config --device=cuda:1
expect 1 '--device: "gpu" is not a device' --print_config --device=gpu
expect 1 'resources.device: cuda:127' --dry_run --device=cuda:127
expect 1 'stage rpn1: training.precision: FLOAT16 needs a GPU' --dry_run \
  --set=stages.rpn1.train_rpn.training.precision=FLOAT16

# Classes come from the data, and defects of the data are reported.
voc=$TEST_TMPDIR/voc
for split in trainval test; do
  "$write_dataset" --dataset=shapes:num_images=3,num_classes=2,min_objects=3 --format=voc \
    --split=$split --out="$voc" > /dev/null || fail "status $?: no dataset"
done
sed -i 's/<xmin>/<xmin>9/' "$(find "$voc/Annotations" -name '*.xml' | sort | head -1)"
expect 0 $'data.train: 3 images, 2 classes (disc, square)\nnegative size\nobject dropped' \
  --config=bccd_resnet18_joint --data_root="$voc" --dry_run

# Before the first stage, not in the middle of it.
image=$(find "$voc/JPEGImages" -type f | sort | head -1)
truncate --size=600 "$image"
expect 1 "data.train: 1 of 3 images cannot be read"$'\n'"$image: a damaged PNG" \
  --config=bccd_resnet18_joint --data_root="$voc" --run_dir="$TEST_TMPDIR/run"
[ -d "$TEST_TMPDIR/run/stages/1_joint" ] && fail "a stage has begun"

# A folder of labelled images: the plan is explained, kept, and changed only when asked.
folder=$TEST_TMPDIR/cells
plan_run=$TEST_TMPDIR/plan_run
export XDG_CACHE_HOME=$TEST_TMPDIR/cache
"$write_dataset" --dataset=shapes:num_images=12,num_classes=2,width_px=64,height_px=48 --format=voc --out="$TEST_TMPDIR/made" \
  > /dev/null || fail "status $?: no dataset"
mkdir "$folder" && cp "$TEST_TMPDIR"/made/JPEGImages/* "$TEST_TMPDIR"/made/Annotations/* "$folder"

expect 2 'budgt' --data_root="$folder" --budgt=20m
expect 1 '--budget: "20" is not a time' --data_root="$folder" --budget=20 --run_dir="$plan_run"
expect 1 '--recipe: "fast" is not a recipe' --data_root="$folder" --recipe=fast --run_dir="$plan_run"
expect 1 '--plan: applies to a folder of labelled images only' --config=shapes_tiny_joint --plan
expect 1 '--exif_orientation: "up" is neither applied nor not_applied' --data_root="$folder" --exif_orientation=up
expect 1 '--exif_orientation: applies to a folder of labelled images only' --config=shapes_tiny_joint \
  --exif_orientation=applied
expect 1 'the folder is empty' --data_root="$(mktemp -d)"

expect 0 'best possible recall at IoU 0.5' --data_root="$folder" --budget=4s --run_dir="$plan_run" --plan
[ -f "$plan_run/plan.textproto" ] || fail "no plan"
[ -d "$plan_run/stages" ] && fail "--plan has trained"
expect 0 $'plan, 2 files compared\nlists of the split, 4 files compared' --verify --run_dir="$plan_run"
cp "$plan_run/plan.textproto" "$TEST_TMPDIR/plan.textproto"
expect 0 $'metrics.json\nreading an image and detecting its objects: \neach after the first' --data_root="$folder" \
  --run_dir="$plan_run"
cmp -s "$plan_run/plan.textproto" "$TEST_TMPDIR/plan.textproto" || fail "the plan has changed"
expect 0 'everything is up to date' --data_root="$folder" --run_dir="$plan_run"
expect 0 'planned again because of: the budget: 4.0s, now 5.0s' --data_root="$folder" --budget=5s --run_dir="$plan_run" --dry_run
cmp -s "$plan_run/plan.textproto" "$TEST_TMPDIR/plan.textproto" || fail "a dry run has changed the plan"
expect 0 'everything is up to date' --config="$plan_run/plan.textproto" --run_dir="$plan_run" --data_root="$folder"

# What stops the next run is found by --verify, and an edited plan is used.
expect 0 'lists of the split, 4 files compared' --verify --run_dir="$plan_run"
for file in split/train.txt plan_basis.textproto; do
  cp "$plan_run/$file" "$TEST_TMPDIR/whole"
  truncate --size=-2 "$plan_run/$file"
  expect 1 "$plan_run/$file"$'\nthe next run stops there\n1 file is damaged or missing' --verify --run_dir="$plan_run"
  expect 1 "$plan_run/$file" --data_root="$folder" --run_dir="$plan_run"
  cp "$TEST_TMPDIR/whole" "$plan_run/$file"
done
echo '# mine' >> "$plan_run/plan.textproto"
expect 0 'plan.textproto was edited since it was made' --verify --run_dir="$plan_run"
cp "$TEST_TMPDIR/plan.textproto" "$plan_run/plan.textproto"

# The experiment of a run, given as another one, is as the run has written it.
experiment=$plan_run/experiment.textproto
cp "$experiment" "$TEST_TMPDIR/whole"
expect 0 'seed: ' --print_config --config="$experiment"
sed -i 's/^seed: /seed: 1/' "$experiment"
expect 1 "error: --config: $experiment is damaged or was edited" --print_config --config="$experiment"
cp "$experiment" "$TEST_TMPDIR/edited.textproto"
expect 0 'seed: 1' --print_config --config="$TEST_TMPDIR/edited.textproto"
cp "$TEST_TMPDIR/whole" "$experiment"

# Another folder of that name.
mkdir "$TEST_TMPDIR/other" && cp -r "$folder" "$TEST_TMPDIR/other/cells"
expect 1 "holds the run of $folder" --data_root="$TEST_TMPDIR/other/cells" --run_dir="$plan_run"

[ "$failures" = 0 ] && echo "all passed"
exit "$failures"
