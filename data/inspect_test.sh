#!/bin/bash
# Writes generated images in the VOC layout, damages one annotation, and inspects both versions.
#
#   inspect_test.sh WRITE_DATASET INSPECT
set -u
write_dataset=$PWD/$1
inspect=$PWD/$2
cd "$TEST_TMPDIR" || exit 1

fail() {
  echo "FAILED: $1"
  cat out.txt err.txt
  exit 1
}

"$write_dataset" --dataset=shapes:num_images=5,seed=3,min_objects=2 --format=voc --out=voc > out.txt 2> err.txt || fail "writing"

"$inspect" --dataset=voc:voc:trainval --strict --shortest_side=0 --anchor_sizes=16,32,64 > out.txt 2> err.txt || fail "a clean set"
grep -q "^images       5 (0 without objects), 0 more dropped$" out.txt || fail "number of images"
grep -q "^defects      0$" out.txt || fail "number of defects"
grep -q "^all  " out.txt || fail "coverage by anchors"
[ "$(head -c 2 contact_sheet.jpg | od -An -tx1 | tr -d ' ')" = ffd8 ] || fail "contact sheet"

"$inspect" --dataset=voc:voc:trainval --contact_sheet=sheet.PNG > out.txt 2> err.txt || fail "a PNG sheet"
[ "$(head -c 4 sheet.PNG | od -An -tx1 | tr -d ' ')" = 89504e47 ] || fail "PNG contact sheet"

# Folders: as COCO they have the same objects; an image in two parts is a leak.
export XDG_CACHE_HOME=$TEST_TMPDIR/cache
mkdir -p flat parts/train parts/test
cp voc/JPEGImages/* voc/Annotations/* flat
"$inspect" flat --contact_sheet= > out.txt 2> err.txt || fail "a folder"
grep -q "flat: voc, " out.txt || fail "the format of a folder"
objects=$(grep "^objects " out.txt)
"$write_dataset" --dataset=flat --split=all --out=flat_coco > out.txt 2> err.txt || fail "a folder as COCO"
grep -q "^wrote 5 images" out.txt || fail "number of images as COCO"
"$inspect" flat_coco --contact_sheet= --strict > out.txt 2> err.txt || fail "the folder as COCO"
grep -q "flat_coco: coco, " out.txt || fail "the format of the folder as COCO"
grep -qxF "$objects" out.txt || fail "objects as COCO"
for program in "$inspect --contact_sheet=" "$write_dataset --out=turned"; do
  $program --dataset=flat --exif_orientation=up > out.txt 2> err.txt && fail "a wrong --exif_orientation is accepted"
  grep -q -- '--exif_orientation: "up" is neither applied nor not_applied' err.txt || fail "the error of --exif_orientation"
done
"$inspect" flat --contact_sheet= --exif_orientation=applied > out.txt 2> err.txt || fail "--exif_orientation=applied"
(cd flat && "$inspect" . --strict) > out.txt 2> err.txt || fail "a folder from inside"
grep -q "^no contact sheet: contact_sheet.jpg would become one of the images of \." out.txt || fail "a sheet among the images"
[ ! -e flat/contact_sheet.jpg ] || fail "a sheet was written among the images"
for i in 0 1 2 3; do cp flat/shapes-3-00000$i.* parts/train; done
for i in 3 4; do cp flat/shapes-3-00000$i.* parts/test; done
"$inspect" parts --split=test --contact_sheet= > out.txt 2> err.txt || fail "a folder with parts"
grep -Eq "^  train +4 images +[0-9]+ objects +0 defects$" out.txt || fail "the part train"
grep -Eq "^  test +2 images +[0-9]+ objects +0 defects$" out.txt || fail "the part test"
grep -q "^images       2 " out.txt || fail "only the part test is inspected"
grep -Eq "^leaks +[1-9]" out.txt || fail "number of leaks"
grep -q "train/shapes-3-000003 and test/shapes-3-000003: equal files" out.txt || fail "the leak is named"
"$inspect" parts --contact_sheet= --strict > out.txt 2> err.txt && fail "a leak with --strict"
grep -q "error: parts: 1 defect or leak, and --strict is set" err.txt || fail "the error names leaks"
"$inspect" parts --contact_sheet= --strict --noleaks > out.txt 2> err.txt || fail "leaks that are not looked for"

# The whole folder has no lists, but what a list names in vain is told.
cp -r voc listed
lists=listed/ImageSets/Main
head -3 $lists/trainval.txt > $lists/train.txt
tail -n +4 $lists/trainval.txt > $lists/val.txt
rm $lists/trainval.txt
echo nothing >> $lists/train.txt
"$inspect" listed --contact_sheet= --noleaks > out.txt 2> err.txt || fail "a list with a missing image"
grep -q "^defects of single parts 1$" out.txt || fail "the number of defects of a list"
grep -q "^Annotations/nothing.xml: missing annotation: image dropped$" out.txt || fail "the missing image is named"
"$inspect" listed --contact_sheet= --noleaks --strict > out.txt 2> err.txt && fail "a missing image with --strict"

xml=voc/Annotations/shapes-3-000002.xml
xmin=$(sed -n 's:.*<xmin>\(.*\)</xmin>.*:\1:p' $xml | head -1)
sed -i "0,/<xmax>/s:<xmax>.*</xmax>:<xmax>$xmin</xmax>:" $xml
"$inspect" --dataset=voc:voc:trainval --contact_sheet= > out.txt 2> err.txt && fail "1 of 17 objects lost is accepted"
grep -q "error: .*1 of 17 objects (5.9 %) is lost to defects.*--allow_defects" err.txt || fail "the error names the flag"
"$inspect" --dataset=voc:voc:trainval --contact_sheet= --allow_defects > out.txt 2> err.txt || fail "a defect without --strict"
grep -q "Annotations/shapes-3-000002.xml: object 0: zero size" out.txt || fail "the defect is named"
"$inspect" --dataset=voc:voc:trainval --contact_sheet= --allow_defects --strict > out.txt 2> err.txt && fail "a defect with --strict"
grep -q "error: .*1 defect, " err.txt || fail "the error says why"

head -c 3000 voc/JPEGImages/shapes-3-000001.png > cut && mv cut voc/JPEGImages/shapes-3-000001.png
"$inspect" --dataset=voc:voc:trainval --contact_sheet= --allow_defects --decode_images > out.txt 2> err.txt || fail "a damaged image"
grep -q "JPEGImages/shapes-3-000001.png: a damaged PNG" out.txt || fail "the damaged image is named"
grep -q "^damaged      1 of 5 images" out.txt || fail "number of damaged images"

# Nobody can read a link to itself, nor know whether the image is damaged.
cp -r flat_coco/all flat_coco/loop
image=$(ls flat_coco/loop | head -1)
ln -sf "$image" "flat_coco/loop/$image"
for flags in "--decode_images --contact_sheet=" --contact_sheet=unread.jpg; do
  "$inspect" --dataset=coco:flat_coco/all.json:flat_coco/loop --nocheck_images $flags > out.txt 2> err.txt && fail "an image that cannot be read now with $flags"
  grep -q "^error: .*flat_coco/loop/$image: Too many levels of symbolic links" err.txt || fail "the image that cannot be read now is named"
  grep -q "^damaged " out.txt && fail "an image that cannot be read now counts as damaged"
done
[ ! -e unread.jpg ] || fail "a sheet without an image that cannot be read now"

for bad in voc:nowhere coco:voc/none.json shapes:num_classes=99 shapes:what=1 nothing.textproto; do
  "$inspect" --dataset=$bad > out.txt 2> err.txt && fail "$bad is accepted"
  grep -q "^error: " err.txt || fail "$bad: no error"
done
for flag in --shortest_side=-1 --longest_side=-1 --contact_sheet_images=-1 --contact_sheet_images=100000 \
  --anchor_stride=0 --contact_sheet=none/sheet.jpg --contact_sheet=sheet.gif; do
  "$inspect" --dataset=shapes:num_images=2 $flag > out.txt 2> err.txt && fail "$flag is accepted"
  grep -q "^error: " err.txt || fail "$flag: no error"
done
# The sheet replaces no image, whatever leads to it.
cp -r flat_coco sheets
image=sheets/all/$(ls sheets/all | head -1)
ln -s "$PWD/$image" sheets/link.png
for sheet in "$image" "sheets/../$image" sheets/link.png; do
  "$inspect" --dataset=coco:sheets/all.json:sheets/all --contact_sheet="$sheet" > out.txt 2> err.txt && fail "a sheet in the place of an image, $sheet"
  grep -qF "error: --contact_sheet=$sheet is an image of the dataset" err.txt || fail "the image that would be replaced is named"
done
cmp -s "flat_coco/all/${image##*/}" "$image" || fail "an image was replaced by the sheet"
"$inspect" --anchor_sizes=1,x > out.txt 2> err.txt && fail "bad anchors"
echo passed
