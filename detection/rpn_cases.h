// A small RPN on the maps of two images, their ground truth, and a plain reference of the RPN's
// scores and boxes, for the tests of rpn.h.

#ifndef RCNN_DETECTION_RPN_CASES_H_
#define RCNN_DETECTION_RPN_CASES_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/detection/rpn.h"
#include "rcnn/detection/targets.h"
#include "rcnn/detection/testing/slow_boxes.h"

namespace rcnn::detection {

// Of the padded images; a map has 5 x 7 cells.
inline constexpr int64_t kRpnHeight = 80, kRpnWidth = 112;
inline constexpr int64_t kRpnAnchors = 6;  // per cell, of MakeRpn
inline constexpr SlowDeltas kNoWeights = {1, 1, 1, 1};

at::Generator RpnGenerator(uint64_t seed = 7);

// The differences of the code of 2015.
struct RpnConventions {
  bool softmax = false, inclusive = false, larger = false, small_first = false;

  double plus() const { return inclusive ? 1 : 0; }
};

// From a config in text, on `levels` levels of 4 channels and stride 16.
absl::StatusOr<std::shared_ptr<Rpn>> CreateRpn(const std::string& text, size_t levels = 1);

// One with random weights on one level, in evaluation; `more`: further fields of its config.
std::shared_ptr<Rpn> MakeRpn(const RpnConventions& wanted, const std::string& more = "");

// [2, 4, 5, 7]: maps of two images, and the sizes of these.
at::Tensor RpnMaps();
InputSizes RpnSizes();

FeatureMaps RpnFeatures(const std::vector<at::Tensor>& maps);

// Ground truth of two images: objects on and off the anchors, and a crowd; none.
GroundTruths RpnTruths();

std::vector<int64_t> ListIndices(const at::Tensor& indices);

// Where anchor n of both images is.
struct AnchorPlace {
  explicit AnchorPlace(int64_t n)
      : image(n / (35 * kRpnAnchors)),
        row(n / kRpnAnchors % 35 / 7),
        column(n / kRpnAnchors % 7),
        number(n % kRpnAnchors) {}

  const int64_t image, row, column, number;
};

// The outputs of MakeRpn for one of the images, computed straight from the weights.
class SlowRpn {
 public:
  SlowRpn(const Rpn& rpn, const RpnConventions& wanted, int64_t image);

  // The probability of anchor `a` of a cell to be an object.
  double Score(int64_t row, int64_t column, int64_t a) const;
  SlowBox Decoded(const SlowBox& anchor, int64_t row, int64_t column, int64_t a) const;

 private:
  RpnConventions wanted_;
  at::Tensor logits_, deltas_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_RPN_CASES_H_
