#!/usr/bin/env bash
# The messages of every program for a new user: with --help, with no arguments, with a wrong flag, a wrong value, a missing
# file. One paragraph that begins with "error: ", names what is wrong, and nothing else; an exit code that is not 0.
#
#   messages_test.sh PROGRAM...      paths that end in a name of the table below
set -uo pipefail
# Programs start once, and in black and white.
export NO_COLOR=1 RCNN_NO_REEXEC=1
failures=0
out=${TEST_TMPDIR:-$(mktemp -d)}

fail() {
  printf 'FAILED: %s\n--- stdout\n%s\n--- stderr\n%s\n' "$1" "$(head -c 2000 "${out}/stdout")" "$(head -c 2000 "${out}/stderr")"
  failures=$((failures + 1))
}

# run PROGRAM ARGUMENT...: fills stdout, stderr and status.
run() {
  (cd "${out}" && "$@") > "${out}/stdout" 2> "${out}/stderr" < /dev/null
  status=$?
}

# expect_error CODE TEXT PROGRAM ARGUMENT...
expect_error() {
  local code=$1 text=$2
  shift 2
  run "$@"
  local what="${*##*/}"
  [[ ${status} -eq ${code} ]] || fail "${what}: exit code ${status}, not ${code}"
  [[ $(grep -c . "${out}/stderr") -eq 1 ]] || fail "${what}: not one paragraph"
  grep -q '^error: [^ ]' "${out}/stderr" || fail "${what}: does not begin with 'error: '"
  grep -qF -- "${text}" "${out}/stderr" || fail "${what}: does not say '${text}'"
  if grep -qE '^[IWEF][0-9]{4} |ERROR|terminate called|Check failed|libprotobuf|c10::|Exception raised|  @ ' "${out}/stderr"; then
    fail "${what}: is noisy"
  fi
}

# The first flag of a type in the last --help.
flag_of_type() { sed -n "s/^  --\([a-z0-9_]*\)  ($1, .*/\1/p" "${out}/help" | grep -v '^help' | head -1; }

check_help() {
  local program=$1 name=${1##*/}
  run "${program}" --help
  cp "${out}/stdout" "${out}/help"
  [[ ${status} -eq 0 && ! -s ${out}/stderr ]] || fail "${name} --help: exit code ${status}"
  grep -q "^  ${name}\b" "${out}/help" || fail "${name} --help: no example of a call"
  grep -q '^Flags:$' "${out}/help" || fail "${name} --help: no flags"
  grep -qE -- '--(stderrthreshold|caffe2|fromenv|undefok|v)\b.*\(' "${out}/help" && fail "${name} --help: flags of others"
  awk 'NR > 1 && /^      / && length($0) > 100 { long = 1 } END { exit long }' "${out}/help" ||
    fail "${name} --help: lines that are too long"
}

check_flags() {
  local program=$1 name=${1##*/} type flag
  expect_error 2 "did you mean --help? All flags: ${program} --help" "${program}" --hlep
  export BUILD_WORKING_DIRECTORY=${out}
  expect_error 2 ":${name} -- --help" "${program}" --no_such_thing=1
  unset BUILD_WORKING_DIRECTORY
  expect_error 2 'unknown flag --no_such_thing' "${program}" --no_such_thing=1
  expect_error 2 'unknown flag --' "${program}" --no_such_thing value
  for type in bool int32 double; do
    flag=$(flag_of_type ${type})
    [[ -n ${flag} ]] && expect_error 2 "--${flag}=many" "${program}" "--${flag}=many"
  done
  flag=$(flag_of_type string)
  [[ -n ${flag} ]] && expect_error 2 "--${flag} needs a value" "${program}" "--${flag}"
}

check_words() {
  case ${1##*/} in
    detect | coco_load) ;;
    inspect) expect_error 1 '--dataset=stray: no such file or folder' "$1" stray ;;
    *) expect_error 2 "'stray' is not a flag" "$1" stray ;;
  esac
}

# Calls that lack required arguments, or that name missing files.
check_input() {
  local program=$1
  case ${program##*/} in
    coco_load)
      expect_error 1 'expected one COCO instances file' "${program}"
      expect_error 1 'absent.json' "${program}" absent.json
      ;;
    convert_weights)
      expect_error 1 '--input is missing' "${program}"
      expect_error 1 '--output is missing' "${program}" --input=absent.pth
      expect_error 1 'absent.pth' "${program}" --input=absent.pth --output=x.safetensors
      expect_error 1 '--output=x does not end in' "${program}" --input=absent.pth --output=x
      expect_error 1 '--output: cannot write absent/x.pth' "${program}" --input=absent.pth --output=absent/x.pth
      expect_error 1 'text.pth' "${program}" --input=text.pth --output=x.safetensors
      ;;
    detect)
      expect_error 1 '--model is missing' "${program}"
      expect_error 1 'no images given' "${program}" --model=absent
      expect_error 1 'absent.jpg: no such file' "${program}" --model=absent absent.jpg
      expect_error 1 '--model=absent: no such folder' "${program}" --model=absent text.pth
      expect_error 1 'is not float32 or bfloat16' "${program}" --model=absent --precision=int8 text.pth
      ;;
    evaluate)
      expect_error 1 '--dataset and --detections are needed' "${program}"
      expect_error 1 'absent.json' "${program}" --dataset=absent.json --detections=absent.json
      expect_error 1 'absent' "${program}" --dataset=voc:absent:test --detections=absent.json
      expect_error 1 'text.pth' "${program}" --dataset=text.pth --detections=text.pth
      ;;
    evaluate_proposals)
      expect_error 1 '--dataset and --proposals are needed' "${program}"
      expect_error 1 'absent' "${program}" --dataset=voc:absent:test --proposals=absent.safetensors
      expect_error 1 'absent.safetensors' "${program}" --dataset=shapes:num_images=2 --proposals=absent.safetensors
      ;;
    inspect)
      expect_error 1 '--dataset=voc:absent:trainval: ' "${program}" --dataset=voc:absent:trainval
      expect_error 1 'expected a folder of labelled images' "${program}" --dataset=absent
      expect_error 1 'inspect them one by one' "${program}" one two
      expect_error 1 '--contact_sheet: ' "${program}" --dataset=absent --contact_sheet=absent/x.jpg
      expect_error 1 'num_imags' "${program}" --dataset=shapes:num_imags=3
      expect_error 1 'text.pth' "${program}" --dataset=coco:text.pth
      ;;
    stage_scheduler)
      expect_error 1 'shapes_tiny_alternating' "${program}" --config=absent
      expect_error 1 'text.pth:1:' "${program}" --config=text.pth
      expect_error 1 'absent' "${program}" --config=bccd_resnet18_joint --data_root=absent
      ;;
    time_detector)
      expect_error 2 '--picture is now called --image' "${program}" --picture=x
      expect_error 1 '--config is missing' "${program}"
      expect_error 1 'absent.textproto' "${program}" --config=absent.textproto
      expect_error 1 'text.pth' "${program}" --config=text.pth
      expect_error 1 '--device is for inference' "${program}" --train --device=cpu
      ;;
    detect_dataset)
      expect_error 1 '--model is missing' "${program}"
      expect_error 1 '--dataset is missing' "${program}" --model=absent
      expect_error 1 '--out is missing' "${program}" --model=absent --dataset=absent
      expect_error 1 '--dataset=absent: ' "${program}" --model=absent --dataset=absent --out=x.json
      expect_error 1 '--model=absent: ' "${program}" --model=absent --dataset=shapes:num_images=1 --out=x.json
      ;;
    write_dataset)
      expect_error 1 '--out is missing' "${program}"
      expect_error 1 '--dataset=voc:absent:test: ' "${program}" --dataset=voc:absent:test --out=x
      expect_error 1 '--split=../x is not a file name' "${program}" --split=../x --out=x
      expect_error 1 '--format=pascal' "${program}" --format=pascal --dataset=absent --out=x
      expect_error 1 '--format=shards needs their number' "${program}" --format=shards --out=x
      expect_error 1 '--shards=2 does not go with --format=voc' "${program}" --format=voc --shards=2 --out=x
      expect_error 1 'must be in 1..3 for 3 images' "${program}" --dataset=shapes:num_images=3 --shards=4 --out=x
      ;;
    write_selective_search)
      expect_error 1 '--out is missing' "${program}"
      expect_error 1 '--dataset=voc:absent:test: ' "${program}" --dataset=voc:absent:test --out=x.safetensors
      mkdir -p "${out}/folder.safetensors"
      expect_error 1 '--out: cannot write folder.safetensors: it is a directory; give the name of a file' "${program}" \
        --out=folder.safetensors
      expect_error 1 '--out=labels.json does not end in .safetensors' "${program}" --out=labels.json
      expect_error 1 '--search: max_boxes' "${program}" --search=max_boxes:-1 --out=x.safetensors
      ;;
    runtime_info)
      expect_error 2 '--threads=-1' "${program}" --threads=-1
      expect_error 2 '--instructions=sse9' "${program}" --instructions=sse9
      ;;
    *) echo "FAILED: unknown program ${program}" && failures=$((failures + 1)) ;;
  esac
}

echo "this is not a file of any kind" > "${out}/text.pth"
# The experiments that come with rcnn are found in the current directory of a test.
[[ -d configs ]] && ln -sfn "$(realpath configs)" "${out}/configs"
for program in "$@"; do
  program=$(realpath "${program}")
  check_help "${program}"
  check_flags "${program}"
  check_words "${program}"
  check_input "${program}"
done
[[ ${failures} -eq 0 ]] && echo "all passed: $# programs"
exit $((failures > 0))
