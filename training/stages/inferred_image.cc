#include "rcnn/training/stages/inferred_image.h"

#include <ATen/ATen.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "rcnn/training/trainer/batch_targets.h"

namespace rcnn::training {
namespace {

// `rois` [P, 5] and `scores` [P] of one image, on the CPU.
InferredProposals ToImage(const at::Tensor& rois, const at::Tensor& scores,
                          const data::BatchImage& entry) {
  const at::Tensor boxes = ToStoredPixels(rois.slice(1, 1), entry).contiguous();
  const auto rows = boxes.accessor<float, 2>();
  InferredProposals image;
  for (int64_t i = 0; i < boxes.size(0); ++i) {
    image.boxes.push_back({rows[i][0], rows[i][1], rows[i][2], rows[i][3]});
  }
  const at::Tensor dense = scores.contiguous();
  image.scores.assign(dense.data_ptr<float>(), dense.data_ptr<float>() + dense.numel());
  return image;
}

// The number of elements of a list, and their bytes.
template <typename T>
void PackList(const std::vector<T>& list, std::string& bytes) {
  static_assert(std::is_trivially_copyable_v<T>);
  const auto count = static_cast<uint64_t>(list.size());
  bytes.append(reinterpret_cast<const char*>(&count), sizeof(count));
  bytes.append(reinterpret_cast<const char*>(list.data()), list.size() * sizeof(T));
}

template <typename T>
void UnpackList(absl::string_view& bytes, std::vector<T>& list) {
  uint64_t count = 0;
  std::memcpy(&count, bytes.data(), sizeof(count));
  bytes.remove_prefix(sizeof(count));
  list.resize(count);
  if (count > 0) std::memcpy(list.data(), bytes.data(), count * sizeof(T));
  bytes.remove_prefix(count * sizeof(T));
}

}  // namespace

std::vector<InferredProposals> SplitProposals(const ops::Proposals& found,
                                              const data::Batch& batch) {
  const at::Tensor rois = found.rois.cpu(), scores = found.scores.cpu();
  const at::Tensor counts = found.counts.cpu();
  std::vector<InferredProposals> images;
  int64_t begin = 0;
  for (size_t b = 0; b < batch.entries.size(); ++b) {
    const int64_t count = counts[static_cast<int64_t>(b)].item<int64_t>();
    images.push_back(
        ToImage(rois.narrow(0, begin, count), scores.narrow(0, begin, count), batch.entries[b]));
    begin += count;
  }
  return images;
}

void PackImage(const InferredImage& image, std::string& bytes) {
  PackList(image.detections.image_ids, bytes);
  PackList(image.detections.category_ids, bytes);
  PackList(image.detections.boxes, bytes);
  PackList(image.detections.scores, bytes);
  PackList(image.proposals.boxes, bytes);
  PackList(image.proposals.scores, bytes);
}

void UnpackImage(absl::string_view& bytes, InferredImage& image) {
  UnpackList(bytes, image.detections.image_ids);
  UnpackList(bytes, image.detections.category_ids);
  UnpackList(bytes, image.detections.boxes);
  UnpackList(bytes, image.detections.scores);
  UnpackList(bytes, image.proposals.boxes);
  UnpackList(bytes, image.proposals.scores);
}

}  // namespace rcnn::training
