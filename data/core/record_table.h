// Turns records, which the readers of all formats produce, into a checked table.
//
// A reader knows its format: which image a file annotates, and what its numbers mean in
// continuous pixels or fractions. Everything that concerns all formats is decided here,
// once: the image's size, duplicates, rules for boxes, class names, and the report of
// defects.
//
// Example:
//   RecordTable records(config, /*class_names=*/{});
//   for (ImageRecord& record : ReadRecords()) records.Add(std::move(record));
//   RCNN_ASSIGN_OR_RETURN(AnnotationTable table, std::move(records).Finish("cells.csv"));

#ifndef RCNN_DATA_CORE_RECORD_TABLE_H_
#define RCNN_DATA_CORE_RECORD_TABLE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/annotation_table.h"
#include "rcnn/data/core/box_check.h"
#include "rcnn/data/core/box_view.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/core/image_facts.h"
#include "rcnn/data/core/sample.h"

namespace rcnn::data {

struct ObjectRecord {
  // Without spaces around it.
  std::string class_name;
  // x, y, width, height, continuous: in pixels, or in fractions of the image's size.
  std::array<double, 4> xywh = {0, 0, 0, 0};
  bool fractions = false;
  bool difficult = false;
  // As the file has it, for messages: "line 3: 0 0.5 0.5 1.2 0.3".
  std::string value;
  // Set if the object cannot be used; `value` then says what is wrong.
  std::optional<DefectKind> problem = std::nullopt;
};

struct ImageRecord {
  // The file that annotates it, relative to the dataset's folder.
  std::string source;
  // As the dataset calls the image: its path inside of the folder of images.
  std::string name;
  // The path of the file.
  std::string path;
  // As annotated, in pixels; 0 if the annotation does not say.
  int64_t width = 0;
  int64_t height = 0;
  std::vector<ObjectRecord> objects;
};

class RecordTable {
 public:
  // `class_names`: the classes of the format in the order of their labels; none: all
  // names that occur, sorted. Classes of the config take precedence over both.
  // `convention`: as in DecideBoxViews (box_view.h).
  RecordTable(const configs::DatasetConfig& config, std::vector<std::string> class_names,
              BoxView convention = BoxView::kUndecided);

  // Reads the header of the image. A duplicate, or an image that cannot be read, is reported
  // and dropped.
  void Add(ImageRecord record);

  // An image, or a file, that cannot be used. `objects`: how many are lost with it.
  void DropImage(std::string source, DefectKind kind, std::string value, int64_t objects = 0);

  // Drops an image whose annotation is damaged. If `error` says that it cannot be read now
  // (IsUnreadableNow, base/stored_file.h), it may be whole, and Finish returns the error.
  void DropUnreadable(std::string source, const absl::Status& error);

  DefectReport& defects() { return table_.defects; }

  // The error of an annotation or an image that cannot be read now: without it the dataset would
  // be another one. The errors of FinishTable, and kInvalidArgument for class names that are
  // invalid or occur twice, and if no object is left to take classes from. `source` begins
  // the message.
  absl::StatusOr<AnnotationTable> Finish(absl::string_view source) &&;

 private:
  // A record whose image can be used.
  struct Listed {
    ImageRecord record;
    ImageInfo info;
    ImageFacts facts;
    BoxView view = BoxView::kStored;
  };

  void DropRecord(const ImageRecord& record, DefectKind kind, std::string value);
  bool ReadFacts(Listed& image);
  void DecideViews();
  absl::Status CheckUnits() const;
  void AddToTable(const Listed& image);
  void AddObject(const ImageRecord& record, const ImageInfo& info, int64_t index);
  int64_t FindLabel(const std::string& name);
  void SortClasses();
  absl::Status NoObjectsLeft(absl::string_view source) const;

  const configs::DatasetConfig& config_;
  const BoxRules rules_;
  const BoxView convention_;
  std::vector<std::string> class_names_;
  // Whether the list of classes is complete, or grows with what is found.
  bool classes_known_ = false;
  absl::flat_hash_map<std::string, int64_t> labels_;
  absl::flat_hash_set<std::string> seen_;
  // Kept until Finish: some decisions need all images.
  std::vector<Listed> images_;
  int64_t num_images_ = 0;
  int64_t num_objects_ = 0;
  // The first error of a file that cannot be read now.
  absl::Status unreadable_;
  OverrunTally overruns_;
  AnnotationTable table_;
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_RECORD_TABLE_H_
