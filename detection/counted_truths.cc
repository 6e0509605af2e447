#include "rcnn/detection/counted_truths.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "rcnn/base/counted.h"
#include "rcnn/detection/device_copy.h"
#include "rcnn/ops/check.h"

namespace rcnn::detection {
namespace {

// A power of two, so that batches have few different shapes.
int64_t ObjectCapacity(const GroundTruths& truths) {
  int64_t most = 1;
  for (const GroundTruth& truth : truths) most = std::max(most, truth.boxes.size(0));
  int64_t capacity = 1;
  while (capacity < most) capacity *= 2;
  return capacity;
}

CountedTruths Allocate(int64_t images, int64_t capacity) {
  return {at::zeros({images, capacity, 4}, at::kFloat),
          at::zeros({images, capacity}, at::kLong),
          at::zeros({images, capacity}, at::kBool),
          at::zeros({images}, at::kLong),
          at::zeros({images}, at::kLong),
          at::Tensor()};
}

void FillImage(const GroundTruth& truth, int64_t image, const CountedTruths& counted) {
  ops::CheckBoxes(truth.boxes, "ground truth");
  const int64_t count = truth.boxes.size(0);
  counted.boxes[image].narrow(0, 0, count).copy_(truth.boxes);
  counted.labels[image].narrow(0, 0, count).copy_(truth.labels);
  if (truth.is_crowd.defined()) {
    counted.is_crowd[image].narrow(0, 0, count).copy_(truth.is_crowd);
  }
  counted.counts.data_ptr<int64_t>()[image] = count;
  counted.image_ids.data_ptr<int64_t>()[image] = truth.image_id;
}

}  // namespace

CountedTruths CountTruths(const GroundTruths& truths, const InputSizes& sizes,
                          const c10::Device& device) {
  TORCH_CHECK(truths.size() == sizes.size(), "ground truth of ", Counted(truths.size(), "image"),
              ", but ", Counted(sizes.size(), "size"));
  const CountedTruths host = Allocate(static_cast<int64_t>(truths.size()), ObjectCapacity(truths));
  for (size_t b = 0; b < truths.size(); ++b) {
    FillImage(truths[b], static_cast<int64_t>(b), host);
  }
  return {CopyToDevice(host.boxes, device),     CopyToDevice(host.labels, device),
          CopyToDevice(host.is_crowd, device),  CopyToDevice(host.counts, device),
          CopyToDevice(host.image_ids, device), ImageInfo(sizes, device)};
}

at::Tensor ImageInfo(const InputSizes& sizes, const c10::Device& device) {
  const at::Tensor info = at::empty({static_cast<int64_t>(sizes.size()), 3}, at::kFloat);
  float* number = info.data_ptr<float>();
  for (const ops::InputSize& size : sizes) {
    for (const float value : {size.height, size.width, size.scale}) *number++ = value;
  }
  return CopyToDevice(info, device);
}

}  // namespace rcnn::detection
