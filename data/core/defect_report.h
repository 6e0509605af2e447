// The defects of a dataset's annotations, and how they were handled.
//
// Readers add to it; `inspect` prints it; a policy of ERROR turns it into a Status.
// Every defect is counted; the first 10,000 are stored in full.
//
// Example:
//   report.Add({"Annotations/a.xml", 3, DefectKind::kZeroSize, "(504, 337, 504, 337)",
//               DefectAction::kObjectDropped});
//   std::cerr << report.ToString(20);
//   // Annotations/a.xml: object 3: zero size: (504, 337, 504, 337): object dropped

#ifndef RCNN_DATA_CORE_DEFECT_REPORT_H_
#define RCNN_DATA_CORE_DEFECT_REPORT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rcnn::data {

enum class DefectKind {
  // Defects of a file or an image.
  kUnreadableAnnotation,  // not parsable, or not in the expected form
  kMissingAnnotation,     // a listed image without one
  kMissingImage,
  kUnreadableImage,       // not in a format that is read, or cut off in its header
  kUnsafeFileName,        // a name that leads out of the dataset's folder
  kWrongSize,             // the size in the annotation is not the image's
  kDuplicateImage,        // listed twice
  kUndecidedOrientation,  // unclear whether boxes refer to the stored or the turned image
  // Defects of an object.
  kMissingField,
  kBadNumber,     // not a number, not finite, or out of range
  kUnknownClass,  // not in the class list
  kUnknownImage,  // COCO: an image_id that no image has
  kInverted,      // x2 < x1 or y2 < y1
  kZeroSize,
  kOutside,        // no part of it inside the image
  kPartlyOutside,  // beyond the tolerance
  kMissingArea,    // COCO: width * height is used instead
};

enum class DefectAction {
  kKept,     // and corrected where the kind says how
  kClipped,  // to the image
  kObjectDropped,
  kImageDropped,
};

// In words: "zero size", "object dropped".
absl::string_view Name(DefectKind kind);
absl::string_view Name(DefectAction action);

struct Defect {
  // The annotation file, relative to the dataset's folder. Like `value` unescaped:
  // it may contain any bytes.
  std::string file;
  // Index of the object in the file; -1: the file or image itself.
  int64_t object = -1;
  DefectKind kind = DefectKind::kUnreadableAnnotation;
  // The offending value.
  std::string value;
  DefectAction action = DefectAction::kKept;
  // The image concerned, as the dataset calls it; "" if that is not known.
  std::string image = {};

  // One line: "file: object 3: zero size: (504, 337, 504, 337): object dropped". In
  // outside text, control characters are escaped and long texts are cut off.
  std::string ToString(bool with_action = true) const;
};

class DefectReport {
 public:
  static constexpr int64_t kMaxKept = 10000;

  void Add(Defect defect);

  // A notice for the user that is not a defect: a whole sentence, without a full stop.
  // Duplicates are ignored.
  void AddNotice(std::string notice);
  const std::vector<std::string>& notices() const { return notices_; }

  // Adds another report's defects and notices; `prefix` goes before file names and notices.
  void Append(const DefectReport& other, absl::string_view prefix = {});

  // The notices, and those of defects() for which `wanted` is true. If total() exceeds the
  // stored defects, a notice says how many were not looked at.
  DefectReport Select(const std::function<bool(const Defect&)>& wanted) const;

  // Counts objects of dropped images, which are not separate defects.
  void AddObjectsOfDroppedImages(int64_t count) { lost_with_images_ += count; }

  // Objects that remain after defects.
  void SetUsedObjects(int64_t count) { used_objects_ = count; }
  int64_t used_objects() const { return used_objects_; }

  // Objects lost to defects, including those of dropped images whose annotation was read.
  int64_t lost_objects() const { return count(DefectAction::kObjectDropped) + lost_with_images_; }

  bool empty() const { return total_ == 0; }

  // The number of all defects, stored or not.
  int64_t total() const { return total_; }
  const std::map<DefectKind, int64_t>& counts() const { return counts_; }
  int64_t count(DefectAction action) const;

  // The first kMaxKept.
  const std::vector<Defect>& defects() const { return defects_; }

  // One line each for the first `max_lines` defects, then the number of further
  // ones. "" if there are none.
  std::string ToString(int64_t max_lines, bool with_action = true) const;

 private:
  int64_t total_ = 0;
  std::map<DefectKind, int64_t> counts_;
  std::map<DefectAction, int64_t> action_counts_;
  std::vector<Defect> defects_;
  std::vector<std::string> notices_;
  int64_t lost_with_images_ = 0;
  int64_t used_objects_ = 0;
};

// The share of objects that may be lost to defects without the user's consent.
inline constexpr double kMostLost = 0.05;

// "12 of 100 objects (12.0 %) are lost to defects"; "" if at most kMostLost are.
std::string DescribeLoss(const DefectReport& report);

// kFailedPrecondition with that text, naming --allow_defects, unless it is "" or allowed. Also if
// more would be lost with one object for each annotation that cannot be read.
absl::Status CheckLoss(const DefectReport& report, bool allow_defects);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_DEFECT_REPORT_H_
