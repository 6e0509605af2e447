#include "rcnn/data/yolo/yolo_reader.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/box_view.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/core/folder_listing.h"
#include "rcnn/data/core/image_finder.h"
#include "rcnn/data/core/image_names.h"
#include "rcnn/data/core/record_table.h"
#include "rcnn/data/yolo/yolo_label_files.h"
#include "rcnn/data/yolo/yolo_labels.h"
#include "rcnn/data/yolo/yolo_names.h"

namespace rcnn::data {
namespace {

ObjectRecord MakeRecord(const YoloObject& object, const std::vector<std::string>& names) {
  ObjectRecord record;
  record.xywh = object.xywh;
  record.fractions = true;
  record.value = object.text;
  record.problem = object.problem;
  if (object.problem) return record;
  if (object.class_number < static_cast<int64_t>(names.size())) {
    record.class_name = names[object.class_number];
    return record;
  }
  record.problem = DefectKind::kUnknownClass;
  absl::StrAppend(&record.value, ": there ", Noun(names.size(), "is", "are"), " ",
                  Counted(names.size(), "class", "classes"), ", from 0");
  return record;
}

std::string UnlabelledNotice(int64_t unlabelled, int64_t images, const SourcePaths& paths) {
  return absl::StrCat(unlabelled, " of ", Counted(images, "image"),
                      Noun(unlabelled, " has", " have"), " no label file in ", paths.annotations,
                      Noun(unlabelled, " and counts as an image", " and count as images"),
                      " without objects");
}

// Polygons that could all be something else.
class PolygonTally {
 public:
  void Add(const YoloObject& object) {
    boxes_ += object.problem || object.polygon ? 0 : 1;
    polygons_ += object.polygon ? 1 : 0;
    fit_ += object.fits_keypoints ? 1 : 0;
  }

  void Report(DefectReport& report) const {
    constexpr int64_t kFewest = 8;  // fewer may fit by chance
    if (polygons_ < kFewest || fit_ < polygons_ || boxes_ > 0) return;
    report.AddNotice(absl::StrCat(
        "each of the ", polygons_,
        " polygons could also be a box followed by keypoints; if they are, say so by kpt_shape in "
        "data.yaml, or by keypoints: true in the dataset's config"));
  }

 private:
  int64_t boxes_ = 0;
  int64_t polygons_ = 0;
  int64_t fit_ = 0;
};

// Labels by other conventions, which lose most of their objects to defects.
class ConventionTally {
 public:
  explicit ConventionTally(int64_t classes) : classes_(classes) {}

  void Add(const YoloObject& object) {
    if (object.problem) return;
    ++objects_;
    const auto& [x, y, width, height] = object.xywh;
    far_ += std::max({std::abs(x), std::abs(y), width, height}) > kFar ? 1 : 0;
    first_ += object.class_number == 0 ? 1 : 0;
    beyond_ += object.class_number == classes_ ? 1 : 0;
    far_beyond_ += object.class_number > classes_ ? 1 : 0;
  }

  void Report(DefectReport& report) const {
    if (2 * far_ > objects_) {
      report.AddNotice(
          absl::StrCat(far_, " of ", Counted(objects_, "box", "boxes"),
                       Noun(far_, " is larger than its image", " are larger than their images"),
                       ", or far outside: the numbers of YOLO are fractions of the image's width "
                       "and height, and these look like pixels"));
    }
    if (beyond_ > 0 && first_ == 0 && far_beyond_ == 0) {
      report.AddNotice(absl::StrCat("no object has the class 0, and ",
                                    Counted(beyond_, "has", "have"), " ", classes_,
                                    ", which has no name: classes of YOLO are counted from 0, and "
                                    "these look counted from 1"));
    }
  }

 private:
  static constexpr double kFar = 2;

  int64_t classes_ = 0;
  int64_t objects_ = 0;
  int64_t far_ = 0;
  int64_t first_ = 0;
  int64_t beyond_ = 0;
  int64_t far_beyond_ = 0;
};

// What is noticed of all label files together.
class LabelTally {
 public:
  explicit LabelTally(int64_t classes) : conventions_(classes) {}

  // An image, and whether it has a label file.
  void AddImage(bool labelled) {
    ++images_;
    unlabelled_ += labelled ? 0 : 1;
  }

  void AddObject(const YoloObject& object) {
    polygons_.Add(object);
    conventions_.Add(object);
  }

  void Report(const SourcePaths& paths, DefectReport& report) const {
    if (unlabelled_ > 0) report.AddNotice(UnlabelledNotice(unlabelled_, images_, paths));
    polygons_.Report(report);
    conventions_.Report(report);
  }

 private:
  int64_t images_ = 0;
  int64_t unlabelled_ = 0;
  PolygonTally polygons_;
  ConventionTally conventions_;
};

absl::StatusOr<std::vector<std::string>> FindNames(const configs::YoloConfig& config,
                                                   const SourcePaths& paths) {
  if (config.name_size() == 0) return ReadYoloNames(paths.folder);
  return std::vector<std::string>(config.name().begin(), config.name().end());
}

}  // namespace

absl::StatusOr<AnnotationTable> ReadYolo(const configs::DatasetConfig& config,
                                         const SourcePaths& paths, const ImageList* list) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, FindNames(config.yolo(), paths));
  RCNN_ASSIGN_OR_RETURN(const ImageFinder finder, ImageFinder::Create(paths.images, paths.listing));
  // Ultralytics and Roboflow show images turned.
  RecordTable records(config, names, BoxView::kTurned);
  YoloLabelFiles files(paths.annotations, paths.listing);
  LabelTally tally(static_cast<int64_t>(names.size()));
  for (const std::string& image : finder.images()) {
    if (list != nullptr && !list->Contains(image)) continue;
    ImageRecord record;
    record.source = absl::StrCat(WithoutImageExtension(image), ".txt");
    record.name = image;
    record.path = absl::StrCat(paths.images, "/", image);
    const absl::StatusOr<YoloLabelFile> labels = files.Read(image);
    if (!labels.ok()) {
      records.DropUnreadable(record.source, labels.status());
      continue;
    }
    tally.AddImage(/*labelled=*/!labels->name.empty());
    if (!labels->name.empty()) record.source = labels->name;
    for (const YoloObject& object : ParseYoloLabels(labels->text, config.yolo().keypoints())) {
      tally.AddObject(object);
      record.objects.push_back(MakeRecord(object, names));
    }
    records.Add(std::move(record));
  }
  tally.Report(paths, records.defects());
  return std::move(records).Finish(paths.images);
}

}  // namespace rcnn::data
