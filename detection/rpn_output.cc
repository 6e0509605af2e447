#include "rcnn/detection/rpn_output.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace rcnn::detection {

int64_t CountImages(const RpnOutput& output) { return output.front().logits.size(0); }

at::Tensor AllAnchors(const RpnOutput& output) {
  std::vector<at::Tensor> anchors;
  for (const ops::ProposalLevel& level : output) anchors.push_back(level.anchors);
  return at::cat(anchors);
}

std::vector<at::Tensor> AnchorsOfParts(const std::vector<RpnOutput>& parts) {
  std::vector<at::Tensor> anchors;
  for (const RpnOutput& output : parts) {
    anchors.insert(anchors.end(), static_cast<size_t>(CountImages(output)), AllAnchors(output));
  }
  return anchors;
}

at::Tensor StackParts(const std::vector<at::Tensor>& parts) {
  int64_t most = 1;
  for (const at::Tensor& part : parts) most = std::max(most, part.size(1));
  std::vector<at::Tensor> padded;
  for (const at::Tensor& part : parts) {
    const int64_t missing = most - part.size(1);
    if (missing == 0) {
      padded.push_back(part);
      continue;
    }
    std::vector<int64_t> sizes = part.sizes().vec();
    sizes[1] = missing;
    padded.push_back(at::cat({part, at::zeros(sizes, part.options())}, 1));
  }
  return padded.size() == 1 ? padded.front() : at::cat(padded);
}

int64_t CountAnchors(const std::vector<at::Tensor>& anchors, int64_t images) {
  int64_t count = 0;
  for (int64_t b = 0; b < images; ++b) count += anchors[static_cast<size_t>(b)].size(0);
  return count;
}

at::Tensor CountSampled(const ops::CountedSample& sample) {
  return sample.positive_count.sum() + sample.negative_count.sum();
}

}  // namespace rcnn::detection
