#!/usr/bin/env bash
# Exit codes, messages and outputs of //eval:evaluate.
set -uo pipefail
evaluate=$1
write_texts=$2
shapes=eval/testdata/shapes
corpus=eval/testdata/detections
source eval/testing/expect_command.sh

# expect CODE TEXT ARGUMENT...: of evaluate.
expect() { expect_command "$1" "$2" "${evaluate}" "${@:3}"; }

good=(--dataset=${shapes}/instances.json --detections=${shapes}/detections.json)
expect 0 "triangle" "${good[@]}"
expect 0 "VOC07  VOC10" "${good[@]}" --metrics=voc07,voc10
expect 0 "" "${good[@]}" --min_ap50=0.8 --min_metrics=ar100=0.6
expect 3 "ap50 is 0.82" "${good[@]}" --min_ap50=0.99
expect 3 "ap_large is not defined" "${good[@]}" --min_metrics=ap_large=0.1
expect 1 "unknown metric 'map'" "${good[@]}" --min_metrics=map=0.5
expect 1 "is not one of coco, voc07, voc10" "${good[@]}" --metrics=voc12
expect 1 "--dataset and --detections are needed" --dataset=x.json
# Flags are wrong before anything is read.
expect 1 "is not one of coco, voc07, voc10" --dataset=absent.json --detections=absent.json --metrics=voc12
expect 1 "--metrics is empty" --dataset=absent.json --detections=absent.json --metrics=
expect 1 "--iou_thresholds: IoU threshold 2" --dataset=absent.json --detections=absent.json --iou_thresholds=2
expect 1 "unknown metric 'map'" --dataset=absent.json --detections=absent.json --min_metrics=map=0.5
expect 1 "unknown metric 'voc07'" --dataset=absent.json --detections=absent.json --min_voc07=0.5
expect 1 "--out: cannot write absent/metrics.json" --dataset=absent.json --detections=absent.json --out=absent/metrics.json
# The flag, its value, and what it may be.
expect 1 "--dataset=absent: no such file or folder; expected a folder of labelled images" --dataset=absent --detections=x
expect 1 "--dataset=voc:absent:test: " --dataset=voc:absent:test --detections=x
expect 1 "error: cannot open absent.json" --dataset=${shapes}/instances.json --detections=absent.json
expect 1 "--dataset=${shapes}/detections.json: ${shapes}/detections.json: not a COCO instances file" --dataset=${shapes}/detections.json --detections=x
expect 1 "not a COCO results file" --dataset=${shapes}/instances.json --detections=${shapes}/instances.json
expect 1 "absent.json" --dataset=absent.json --detections=${shapes}/detections.json
expect 0 "no detections" --dataset=${shapes}/instances.json --detections=${corpus}/empty.json
expect 1 "record 7" --dataset=${shapes}/instances.json --detections=${corpus}/truncated.json
expect 1 "NaN" --dataset=${shapes}/instances.json --detections=${corpus}/nan.json
expect 1 "image_id 9223372036854775807" --dataset=${shapes}/instances.json --detections=${corpus}/tricky.json
expect 2 "min_ap50" "${good[@]}" --min_ap5=1
expect 2 "--pictures is now called --worst_images" "${good[@]}" --pictures=x
expect 2 "--num_pictures is now called --num_worst_images" "${good[@]}" --num_pictures 3
expect 2 "--picture_score is now called --worst_images_score" "${good[@]}" --picture_score=.5
# A flag of another program only.
expect 2 "unknown flag --picture." "${good[@]}" --picture=x
expect 1 "the minimum of ap50 is nan" "${good[@]}" --min_ap50=nan
expect 1 "the minimum of ap50 is 90" "${good[@]}" --min_ap50=90
expect 1 "the minimum of ap75 is -1" "${good[@]}" --min_metrics=ap75=-1
expect 1 "'5.5' is not a whole number" "${good[@]}" --max_detections=1,5.5
expect 1 "100 is a duplicate" "${good[@]}" --max_detections=100,100
expect 1 "IoU threshold 1.5" "${good[@]}" --iou_thresholds=0.5,1.5
expect 1 "'a:1' is not NAME:LOW:HIGH" "${good[@]}" --areas=a:1
expect 1 "num_worst_images must be >= 1" "${good[@]}" --worst_images="${TEST_TMPDIR}/none" --num_worst_images=0
expect 1 "--images=absent: no such folder" "${good[@]}" --worst_images="${TEST_TMPDIR}/none" --images=absent
# A folder that cannot be examined now is not missing.
ln -s loop "${TEST_TMPDIR}/loop"
expect 1 "--images: cannot access ${TEST_TMPDIR}/loop: Too many levels of symbolic links" "${good[@]}" \
  --images="${TEST_TMPDIR}/loop"
# Names that no file can have.
shown="$(printf '%60s' '' | tr ' ' x)... (300 bytes)"
long=$(printf '%300s' '' | tr ' ' x)
expect 1 "error: --dataset=${shown}: no such file or folder; expected a folder of labelled images" "--dataset=${long}" --detections=x
expect 1 "error: --dataset=coco:$(printf '%55s' '' | tr ' ' x)... (305 bytes): cannot open ${shown}: no file can" \
  "--dataset=coco:${long}" --detections=x
for flag in detections run_dir; do
  expect 1 "error: --${flag}=${shown}: no file can have so long a name" "${good[@]}" "--${flag}=${long}"
done
for flag in out report export_suspects; do
  expect 1 "error: --${flag}: cannot create a file for ${shown}: no file can" "${good[@]}" "--${flag}=${long}"
done
expect 1 "error: --worst_images: cannot create directory ${shown}: no file can" "${good[@]}" "--worst_images=${long}"
expect 1 "error: --images=${shown}: no such folder" "${good[@]}" "--images=${long}"
expect 1 "--worst_images needs --images" "${good[@]}" --worst_images="${TEST_TMPDIR}/none"
expect 1 "absent/metrics.json" "${good[@]}" --out=absent/metrics.json
# No output replaces an input or another output.
expect 1 "--report=${shapes}/detections.json is also the file of --detections" "${good[@]}" --report=${shapes}/detections.json
expect 1 "--export_suspects=${shapes}/./instances.json is also the file of --dataset" "${good[@]}" \
  --export_suspects=${shapes}/./instances.json
expect 1 "is also the file of --out" "${good[@]}" --out="${TEST_TMPDIR}/x" --export_errors="${TEST_TMPDIR}/x"
expect 1 "--images: ${corpus} holds none of the dataset's images, 6 in all; the first is shapes_1.png" "${good[@]}" --images=${corpus}
expect 1 "/shapes_1.png, which is found without this flag: leave it out" --dataset=coco:${shapes}/instances.json:${shapes}/images \
  --detections=${shapes}/detections.json --images=${shapes}/images

# Masks and keypoints.
masks=(--dataset=coco:eval/testdata/masks/instances.json --detections=eval/testdata/masks/detections.json)
keypoints=(--dataset=coco:eval/testdata/keypoints/instances.json --detections=eval/testdata/keypoints/detections.json)
expect 0 "(AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.681" "${masks[@]}" --iou_type=segm
expect 0 "(AP) @[ IoU=0.50:0.95 | area=   all | maxDets= 20 ] = 0.569" "${keypoints[@]}" --iou_type=keypoints
expect 3 "ar20 is" "${keypoints[@]}" --iou_type=keypoints --min_metrics=ar20=1
expect 1 "'masks' is not one of bbox, segm, keypoints" "${masks[@]}" --iou_type=masks
expect 1 "VOC's metrics are of boxes" "${masks[@]}" --iou_type=segm --metrics=voc07
expect 1 "--worst_images draws boxes" "${masks[@]}" --iou_type=segm --worst_images="${TEST_TMPDIR}/none"
expect 1 '"segmentation" is missing' --dataset=${shapes}/instances.json --detections=${shapes}/detections.json --iou_type=segm

# The same detections as text give the same numbers.
texts=${TEST_TMPDIR}/texts
mkdir -p "${texts}"
python3 "${write_texts}" ${shapes} "${texts}"
line=$("${evaluate}" "${good[@]}" | grep "^all classes")
for found in voc yolo found.csv; do
  expect 0 "${line}" --dataset=${shapes}/instances.json --detections="${texts}/${found}"
done
touch "${texts}/comp4_det_test_dog.txt"
expect 1 "no class 'dog'" --dataset=${shapes}/instances.json --detections="${texts}/comp4_det_test_dog.txt"
echo "shapes_1 0.5 1 1 9 9" > "${texts}/comp4_det_test_dog.txt"
expect 0 "left out 1 detection of unknown categories" --dataset=${shapes}/instances.json \
  --detections="${texts}/comp4_det_test_dog.txt" --skip_unknown_categories

# Folders of labelled images.
export XDG_CACHE_HOME=${TEST_TMPDIR}/cache
expect 0 "${line}" --dataset=${shapes} --detections=${shapes}/detections.json
expect 0 ": coco, 3 classes (" --dataset=${shapes} --detections=${shapes}/detections.json
folder=${TEST_TMPDIR}/folder
for part in train test; do
  mkdir -p "${folder}/${part}"
  cp -L ${shapes}/images/*.png "${folder}/${part}"
  cp -L ${shapes}/instances.json "${folder}/${part}/_annotations.coco.json"
done
expect 0 "${line}" --dataset="${folder}" --split=test --detections=${shapes}/detections.json
expect 0 "${line}" --dataset="coco:${folder}:test" --detections=${shapes}/detections.json
# Masks too are of the part that --split names.
expect 1 'test/_annotations.coco.json: ' --dataset="${folder}" --split=test --detections=${shapes}/detections.json --iou_type=segm
expect 1 "is not one of train, val, test, all" --dataset="${folder}" --split=tset --detections=${shapes}/detections.json
mkdir "${TEST_TMPDIR}/empty_folder" "${TEST_TMPDIR}/csv"
expect 1 "the folder is empty" --dataset="${TEST_TMPDIR}/empty_folder" --detections=${corpus}/empty.json
# What is not used is told.
cp -L ${shapes}/images/shapes_1.png ${shapes}/images/shapes_2.png "${TEST_TMPDIR}/csv"
cat > "${TEST_TMPDIR}/csv/boxes.csv" <<END
filename,width,height,class,xmin,ymin,xmax,ymax
shapes_1.png,160,128,disc,5,5,50,60
shapes_1.png,160,128,disc,9,9,9,20
END
expect 0 "zero size" --dataset="${TEST_TMPDIR}/csv" --detections=${corpus}/empty.json
# As inspect prints it, on standard error.
expect 0 "/csv: csv, 1 class (disc)" --dataset="${TEST_TMPDIR}/csv" --detections=${corpus}/empty.json
expect 0 "1 image in the folder without an annotation, or in no list, is not used" --dataset="${TEST_TMPDIR}/csv" \
  --detections=${corpus}/empty.json
if "${evaluate}" --dataset="${TEST_TMPDIR}/csv" --detections=${corpus}/empty.json 2> /dev/null | grep "is not used"; then
  echo "FAILED: a notice on standard output"
  failures=$((failures + 1))
fi
expect 1 "\"sideways\" is neither applied nor not_applied" --dataset="${TEST_TMPDIR}/csv" --detections=${corpus}/empty.json \
  --exif_orientation=sideways
expect 1 "--exif_orientation applies only to a folder" "${good[@]}" --exif_orientation=applied

# A table that could not be written is not a success.
if [[ -c /dev/full ]] && "${evaluate}" "${good[@]}" > /dev/full 2> /dev/null; then
  echo "FAILED: exit code 0 though standard output was full"
  failures=$((failures + 1))
fi

out=${TEST_TMPDIR}/out
expect 0 "contact_sheet.jpg" "${good[@]}" --out="${out}.json" --worst_images="${out}" --images=${shapes}/images --num_worst_images=2
[[ -s ${out}/contact_sheet.jpg && $(ls "${out}" | wc -l) -eq 3 ]] || { echo "FAILED: images"; failures=$((failures + 1)); }
grep -q '"ap50": 0.82' "${out}.json" || { echo "FAILED: --out"; failures=$((failures + 1)); }
exit $((failures > 0))
