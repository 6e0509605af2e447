#include "rcnn/data/core/annotation_table.h"

#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"
#include "rcnn/data/core/fingerprint.h"

namespace rcnn::data {
namespace {

constexpr int64_t kDefectsInError = 20;

// Returns whether the object is kept; clears its mark if requested.
bool HandleMark(configs::MarkedObjects handling, bool& mark) {
  if (!mark || handling == configs::KEEP_MARK) return true;
  mark = false;
  return handling == configs::DROP_MARK;
}

AnnotationTable Selected(const configs::DatasetConfig& config, AnnotationTable&& all) {
  AnnotationTable selected;
  selected.objects.reserve(all.objects.size());
  selected.images.reserve(all.images.size());
  selected.first_object.reserve(all.first_object.size());
  for (int64_t i = 0; i < all.num_images(); ++i) {
    selected.AddImage(std::move(all.images[i]));
    for (Object object : all.objects_of(i)) {
      if (!HandleMark(config.difficult(), object.difficult)) continue;
      if (!HandleMark(config.crowd(), object.crowd)) continue;
      selected.AddObject(object);
    }
    const bool empty = selected.objects_of(selected.num_images() - 1).empty();
    if (empty && config.leave_out_empty_images()) {
      selected.images.pop_back();
      selected.first_object.pop_back();
    }
  }
  selected.classes = std::move(all.classes);
  selected.defects = std::move(all.defects);
  selected.inclusive_boxes = all.inclusive_boxes;
  return selected;
}

// What to do about images whose orientation is undecided; "" if there are none.
std::string AdviceOnOrientation(const DefectReport& defects) {
  if (defects.counts().count(DefectKind::kUndecidedOrientation) == 0) return "";
  return "\nwhether boxes are of the turned view can be said for a folder of labelled images by "
         "--exif_orientation=applied or --exif_orientation=not_applied, and in the dataset's "
         "config: exif_orientation: APPLIED if they are, NOT_APPLIED if they are of the images as "
         "stored";
}

absl::Status NoImagesLeft(absl::string_view source, int64_t read, const DefectReport& defects) {
  std::string text = absl::StrCat(source, ": no images are left");
  if (read == 0 && defects.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(text, ": the annotations name none"));
  }
  if (read > 0) absl::StrAppend(&text, " of ", read, " read");
  absl::StrAppend(&text, "; ", Counted(defects.total(), "defect"), "\n",
                  defects.ToString(kDefectsInError));
  return absl::InvalidArgumentError(absl::StrCat(text, AdviceOnOrientation(defects)));
}

void AddObjectTo(Fingerprint& fingerprint, const Object& object) {
  for (double value : object.xywh) fingerprint.Add(value);
  fingerprint.Add(object.area).Add(object.id).Add(object.label);
  fingerprint.Add(int64_t{object.crowd}).Add(int64_t{object.difficult});
}

}  // namespace

void AnnotationTable::AddImage(ImageInfo info) {
  images.push_back(std::move(info));
  first_object.push_back(first_object.back());
}

void AnnotationTable::AddObject(const Object& object) {
  objects.push_back(object);
  ++first_object.back();
}

std::string ComputeFingerprint(const AnnotationTable& table) {
  Fingerprint fingerprint;
  fingerprint.Add(int64_t{table.inclusive_boxes}).Add(table.classes.size());
  for (const std::string& name : table.classes.names) fingerprint.Add(name);
  for (int64_t id : table.classes.category_ids) fingerprint.Add(id);
  fingerprint.Add(table.num_images());
  for (int64_t i = 0; i < table.num_images(); ++i) {
    const ImageInfo& image = table.images[i];
    fingerprint.Add(image.id).Add(image.name).Add(image.width).Add(image.height);
    if (image.exif_applied) fingerprint.Add("exif applied");
    fingerprint.Add(static_cast<int64_t>(table.objects_of(i).size()));
    for (const Object& object : table.objects_of(i)) AddObjectTo(fingerprint, object);
  }
  return fingerprint.Hex();
}

void NoticeLoss(AnnotationTable& table) {
  table.defects.SetUsedObjects(static_cast<int64_t>(table.objects.size()));
  const std::string loss = DescribeLoss(table.defects);
  if (!loss.empty()) table.defects.AddNotice(loss);
}

absl::Status FinishTable(const configs::DatasetConfig& config, absl::string_view source,
                         AnnotationTable& table) {
  if (config.defect_policy() == configs::ERROR && !table.defects.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        source, ": ", Counted(table.defects.total(), "defect"), ", and the policy is ERROR:\n",
        table.defects.ToString(kDefectsInError, /*with_action=*/false),
        AdviceOnOrientation(table.defects)));
  }
  table.inclusive_boxes = config.inclusive_boxes();
  if (!config.paths().has_image_list()) NoticeLoss(table);
  const int64_t read = table.num_images();
  table = Selected(config, std::move(table));
  if (table.num_images() > 0) return absl::OkStatus();
  return NoImagesLeft(source, read, table.defects);
}

}  // namespace rcnn::data
