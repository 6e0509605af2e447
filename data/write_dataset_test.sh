#!/bin/bash
# Writes a dataset of files in shards, and reads them as a folder, by part and by index.
#
#   write_dataset_test.sh WRITE_DATASET INSPECT
set -u
write_dataset=$PWD/$1
inspect=$PWD/$2
cd "$TEST_TMPDIR" || exit 1

fail() {
  echo "FAILED: $1"
  cat out.txt err.txt
  exit 1
}

fingerprint_of() {
  "$inspect" --contact_sheet= --shortest_side=0 "$@" > out.txt 2> err.txt || fail "inspecting $*"
  grep '^fingerprint ' out.txt
}

# Names that no file can have.
shown="$(printf '%60s' '' | tr ' ' x)... (300 bytes)"
long=$(printf '%300s' '' | tr ' ' x)
"$write_dataset" --dataset=shapes:num_images=1 --out="$long" > out.txt 2> err.txt && fail "a long --out"
grep -qF -- "error: --out=$shown: no file can have so long a name" err.txt || fail "the error of a long --out"
"$write_dataset" --dataset=shapes:num_images=1 --out=made --split="$long" > out.txt 2> err.txt && fail "a long --split"
grep -qF -- "error: --split=$shown is not a file name" err.txt || fail "the error of a long --split"
"$inspect" "$long" --contact_sheet= > out.txt 2> err.txt && fail "a long dataset"
grep -qF -- "error: --dataset=$shown: no such file or folder; expected" err.txt || fail "the error of a long dataset"
"$inspect" --dataset=voc:x --data_root="$long" --contact_sheet= > out.txt 2> err.txt && fail "a long --data_root"
grep -qF -- "--data_root=$shown: no file can have so long a name" err.txt || fail "the error of a long --data_root"

"$write_dataset" --dataset=shapes:num_images=10,seed=3 --split=train --out=made > out.txt 2> err.txt || fail "COCO"
"$write_dataset" --dataset=shapes:num_images=4,seed=4 --split=val --out=made > out.txt 2> err.txt || fail "COCO, val"

"$write_dataset" --dataset=coco:made/train.json:made/train --split=train --shards=3 --out=shards > out.txt 2> err.txt || fail "shards"
grep -q "^wrote 10 images to shards" out.txt || fail "the number of images"
grep -qx -- "./bazelw run //data:inspect -- --dataset=shards/train.shards.jsonl" out.txt || fail "the form to look at them"
"$write_dataset" --dataset=coco:made/val.json:made/val --split=val --shards=1 --out=shards > out.txt 2> err.txt || fail "shards, val"
[ "$(ls shards | tr '\n' ' ')" = "train-00000-of-00003.tar train-00001-of-00003.tar train-00002-of-00003.tar train.shards.jsonl val-00000-of-00001.tar val.shards.jsonl " ] || fail "files: $(ls shards)"

# The layout that other programs read.
[ "$(tar tf shards/train-00001-of-00003.tar | tr '\n' ' ')" = "000000003.png 000000003.json 000000004.png 000000004.json 000000005.png 000000005.json " ] || fail "members: $(tar tf shards/train-00001-of-00003.tar)"
tar xf shards/train-00001-of-00003.tar || fail "unpacking"
cmp 000000004.png made/train/shapes-3-000004.png || fail "bytes of an image"

source=$(fingerprint_of --dataset=coco:made/train.json:made/train)
[ "$(fingerprint_of --dataset=shards/train.shards.jsonl)" = "$source" ] || fail "the fingerprint by index"
[ "$(fingerprint_of --dataset=shards:shards:train)" = "$source" ] || fail "the fingerprint by part"
"$inspect" shards --contact_sheet= > out.txt 2> err.txt || fail "the folder"
grep -q "shards, 6 classes" out.txt || fail "the format"
grep -q "train *10 images" out.txt || fail "the part train"
grep -q "val *4 images" out.txt || fail "the part val"

"$inspect" --dataset=shards/train.shards.jsonl --contact_sheet= --decode_images > out.txt 2> err.txt || fail "decoding"
grep -q "^damaged      0 of 10 images" out.txt || fail "intact images"

# A byte of the image in the middle of a shard.
printf 'x' | dd of=shards/train-00001-of-00003.tar bs=1 seek=700 conv=notrunc 2> /dev/null
"$inspect" --dataset=shards/train.shards.jsonl --contact_sheet= --decode_images > out.txt 2> err.txt || fail "a damaged shard"
grep -q "^damaged      1 of 10 images" out.txt || fail "one damaged image"
grep -q "train-00001-of-00003.tar: shapes-3-000003.png at 512 has another checksum" out.txt || fail "the damaged image is named"

truncate -s 1000 shards/train-00001-of-00003.tar
"$inspect" --dataset=shards/train.shards.jsonl > out.txt 2> err.txt && fail "a shard that is cut off is accepted"
grep -q "error: .*train-00001-of-00003.tar: has 1000 bytes, but .* says" err.txt || fail "the short shard is named"
rm shards/train-00001-of-00003.tar
"$inspect" --dataset=shards/train.shards.jsonl > out.txt 2> err.txt && fail "a missing shard is accepted"
grep -q "error: .*cannot open .*train-00001-of-00003.tar.*needs it for 3 images" err.txt || fail "the missing shard is named"

"$write_dataset" --dataset=coco:made/val.json:made/val --split=val --shards=1 --out=shards > out.txt 2> err.txt && fail "an index is replaced"
grep -q "error: .*val.shards.jsonl exists" err.txt || fail "the existing index is named"
# Nor is any file of another dataset, even of the one that is written.
cp -r made before
"$write_dataset" --dataset=coco:made/val.json:made/val --split=train --out=made > out.txt 2> err.txt && fail "COCO annotations are replaced"
grep -q "error: made/train.json exists with other contents, and is not replaced" err.txt || fail "the existing annotations are named"
mkdir -p voc/JPEGImages && cp made/train/shapes-3-000001.png voc/JPEGImages/shapes-4-000001.png
"$write_dataset" --dataset=coco:made/val.json:made/val --format=voc --out=voc > out.txt 2> err.txt && fail "a VOC image is replaced"
grep -q "error: voc/JPEGImages/shapes-4-000001.png exists with other contents" err.txt || fail "the existing image is named"
cmp -s made/train/shapes-3-000001.png voc/JPEGImages/shapes-4-000001.png || fail "the existing image is another one"
"$write_dataset" --dataset=shapes:num_images=10,seed=3 --split=train --out=made > out.txt 2> err.txt || fail "the same again"
diff -r before made || fail "another file was replaced"

# What is lost is said, and much of it is an error before anything is written.
mkdir bad
cp made/val/shapes-4-000000.png bad/a.png
cat > bad/a.json << 'END'
{"images": [{"id": 1, "file_name": "a.png", "width": 9, "height": 9}],
 "categories": [{"id": 1, "name": "cat"}],
 "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0},
                 {"id": 2, "image_id": 1, "category_id": 1, "bbox": [-9999, 2, 3, 4], "area": 12, "iscrowd": 0}]}
END
"$write_dataset" --dataset=bad --out=lost > out.txt 2> err.txt && fail "half of the objects are lost without a message"
grep -q "error: bad: 1 of 2 objects (50.0 %) is lost to defects" err.txt || fail "the loss"
grep -q "object 1: outside the image" out.txt || fail "the lost object"
grep -q "bad: coco, 1 class (cat)" out.txt || fail "the folder is described"
[ -e lost ] && fail "a dataset with a loss is written"
"$write_dataset" --dataset=bad --out=lost --allow_defects > out.txt 2> err.txt || fail "an accepted loss"
grep -q "^wrote 1 image to lost" out.txt || fail "the rest"
"$write_dataset" --dataset=made --split=test --out=both > out.txt 2> err.txt || fail "a folder with parts"
grep -q "^notice       the parts train, val are written together as test; --dataset=coco:.*/made:train writes one$" out.txt || fail "that all parts are written"
"$write_dataset" --dataset=coco:made:val --split=val --out=one > out.txt 2> err.txt || fail "a part"
grep -q "^wrote 4 images to one" out.txt || fail "only the part"
grep -q "written together" out.txt && fail "a notice about a part"
echo passed
