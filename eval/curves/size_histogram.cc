#include "rcnn/eval/curves/size_histogram.h"

#include <algorithm>
#include <cmath>

namespace rcnn::eval {
namespace {

constexpr int kMaxBins = 40;  // up to 2^20 pixels

// Bin b holds sizes from 2^(b / 2).
int BinAt(double area) {
  if (!(area > 1)) return 0;
  // The exponent may round to below an edge that the size lies on.
  return std::min(static_cast<int>(std::floor(std::log2(area) + 1e-9)), kMaxBins - 1);
}

}  // namespace

std::vector<SizeBin> CountBySize(const GroundTruth& truth, const DetectionErrors& errors) {
  std::vector<SizeBin> bins(kMaxBins);
  for (int b = 0; b < kMaxBins; ++b) {
    bins[b].low_px = std::exp2(b / 2.0);
    bins[b].high_px = std::exp2((b + 1) / 2.0);
  }
  for (size_t g = 0; g < errors.annotations.size(); ++g) {
    if (errors.annotations[g] == kNotJudged) continue;
    const XywhBox& box = truth.annotations[g].box;
    SizeBin& bin = bins[BinAt(box.width * box.height)];
    ++(errors.found_by[g] >= 0 ? bin.found : bin.missed);
  }
  const auto used = [](const SizeBin& bin) { return bin.found + bin.missed > 0; };
  const auto first = std::find_if(bins.begin(), bins.end(), used);
  const auto last = std::find_if(bins.rbegin(), bins.rend(), used);
  if (first == bins.end()) return {};
  return std::vector<SizeBin>(first, last.base());
}

}  // namespace rcnn::eval
