#include "rcnn/detection/roi_samples.h"

#include <ATen/ATen.h>

#include <numeric>

namespace rcnn::detection {
namespace {

int64_t Sum(const std::vector<int64_t>& numbers, int64_t end) {
  return std::accumulate(numbers.begin(), numbers.begin() + end, int64_t{0});
}

// The `count` samples from `begin` on. `first_image` becomes image 0.
RoiSamples TakeRows(const RoiSamples& samples, int64_t begin, int64_t count, int64_t first_image) {
  RoiSamples part;
  part.rois = samples.rois.narrow(0, begin, count).clone();
  part.rois.select(1, 0).sub_(first_image);
  part.labels = samples.labels.narrow(0, begin, count);
  part.box_targets = samples.box_targets.narrow(0, begin, count);
  part.rois_of_batch = samples.rois.size(0);
  if (samples.draw_rows.defined()) part.draw_rows = samples.draw_rows.narrow(0, begin, count);
  return part;
}

// SamplesOfImages of samples of a fixed size.
RoiSamples CountedSamplesOfImages(const RoiSamples& samples, const ImageRange& own) {
  const std::vector<int64_t>& of_image = samples.rois_of_image;
  const int64_t begin = Sum(of_image, own.begin);
  RoiSamples part = TakeRows(samples, begin, Sum(of_image, own.end) - begin, own.begin);
  part.rois_of_image.assign(of_image.begin() + own.begin, of_image.begin() + own.end);
  part.unread_positives = part.labels.gt(0).sum();
  part.unread_negatives = part.labels.eq(0).sum();
  part.unread_of = samples.labels.ge(0).sum();
  return part;
}

}  // namespace

RoiSamples SamplesOfImages(const RoiSamples& samples, const ImageRange& own) {
  if (!samples.rois_of_image.empty()) return CountedSamplesOfImages(samples, own);
  const at::Tensor image = samples.rois.select(1, 0);
  const int64_t begin = (image < own.begin).sum().item<int64_t>();
  const int64_t count = (image < own.end).sum().item<int64_t>() - begin;
  RoiSamples part = TakeRows(samples, begin, count, own.begin);
  part.positives = (part.labels > 0).sum().item<int64_t>();
  return part;
}

}  // namespace rcnn::detection
