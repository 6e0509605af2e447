// Checks an annotated box against its image, according to the dataset's policy.
//
// Shared by the readers, so that defects have the same definition for every file
// format.
//
// Example:
//   BoxVerdict verdict = CheckBox(xywh, 640, 480, rules);
//   if (verdict.defect) report.Add({file, i, *verdict.defect, text, verdict.action});
//   if (verdict.keep()) objects.push_back(MakeObject(xywh, rules));

#ifndef RCNN_DATA_CORE_BOX_CHECK_H_
#define RCNN_DATA_CORE_BOX_CHECK_H_

#include <array>
#include <cstdint>
#include <optional>

#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/core/sample.h"

namespace rcnn::data {

struct BoxRules {
  configs::DefectPolicy policy = configs::DROP_AND_REPORT;
  double overrun_tolerance_px = 0.05;
  bool inclusive_boxes = false;
};

BoxRules MakeRules(const configs::DatasetConfig& config);

struct BoxVerdict {
  std::optional<DefectKind> defect = std::nullopt;
  DefectAction action = DefectAction::kKept;
  // How far the box leaves the image, in pixels; 0 if it does not, or has another defect.
  double overrun_px = 0;

  bool keep() const { return action != DefectAction::kObjectDropped; }
};

// Checks x, y, width, height (continuous, pixels) in this order: finite
// (kBadNumber), not negative in size (kInverted), not empty (kZeroSize), some of
// it inside width x height (kOutside), all of it (kPartlyOutside).
//
// An overrun within the tolerance is trimmed without a defect; a larger one is
// clipped if the policy is CLIP. `xywh` changes only in these cases.
BoxVerdict CheckBox(std::array<double, 4>& xywh, double image_width, double image_height,
                    const BoxRules& rules);

// Counts boxes that a tool's rounding or pixel convention has moved beyond their image:
// those that are dropped although they extend by at most a pixel, and those that only a
// tolerance above the default keeps.
class OverrunTally {
 public:
  void Add(const BoxVerdict& verdict, const BoxRules& rules);

  // Adds a notice about the dropped boxes, naming overrun_tolerance_px, unless the config sets
  // that field, and one about the boxes that were kept.
  void Report(const configs::DatasetConfig& config, DefectReport& report) const;

 private:
  int64_t dropped_ = 0;
  int64_t trimmed_ = 0;
};

// An object of label 0 with this box, its area width * height.
Object MakeObject(const std::array<double, 4>& xywh, const BoxRules& rules);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_BOX_CHECK_H_
