#include "rcnn/data/testing/fake_dataset.h"

#include <mutex>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/stream_key.h"

namespace rcnn::data::testing {

Object MakeObject(const Box& box, int64_t label) {
  Object object;
  object.box = box;
  object.xywh = {box.x1, box.y1, box.width(), box.height()};
  object.area = object.xywh[2] * object.xywh[3];
  object.label = label;
  return object;
}

FakeDataset::FakeDataset(std::vector<FakeImage> images, bool inclusive_boxes)
    : images_(std::move(images)),
      inclusive_boxes_(inclusive_boxes),
      loads_(images_.size()),
      object_reads_(images_.size()) {}

std::shared_ptr<FakeDataset> FakeDataset::OfSize(int64_t n) {
  std::vector<FakeImage> images;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t width = 20 + 7 * i % 23;
    const int64_t height = 20 + 5 * i % 19;
    const Box box = {1, 2, static_cast<float>(width - 3), static_cast<float>(height - 4)};
    images.push_back({width, height, {MakeObject(box, 1 + i % 2)}});
  }
  return std::make_shared<FakeDataset>(std::move(images));
}

ImageInfo FakeDataset::image(int64_t index) const {
  ImageInfo info;
  info.id = 100 + index;
  info.name = absl::StrCat("image-", index);
  info.width = images_[index].width;
  info.height = images_[index].height;
  return info;
}

std::vector<Object> FakeDataset::objects(int64_t index) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++object_reads_[index];
  return images_[index].objects;
}

absl::StatusOr<std::shared_ptr<const Image>> FakeDataset::LoadImage(int64_t index) const {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++loads_[index];
  }
  const FakeImage& fake = images_[index];
  if (fake.unreadable_now) {
    return absl::UnavailableError(absl::StrCat("cannot read image-", index, ".jpg"));
  }
  if (fake.broken) {
    return absl::InvalidArgumentError(absl::StrCat("image-", index, ".jpg: damaged"));
  }
  auto image = std::make_shared<Image>(fake.height, fake.width);
  RandomStream stream({.seed = 1, .stage = "fake", .step = index, .purpose = "pixels"});
  for (int64_t i = 0; i < image->size_bytes(); ++i) {
    image->data()[i] = static_cast<uint8_t>(stream.UniformInt(256));
  }
  return image;
}

std::vector<int64_t> FakeDataset::loads() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return loads_;
}

std::vector<int64_t> FakeDataset::object_reads() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return object_reads_;
}

}  // namespace rcnn::data::testing
