#include "rcnn/data/testing/file_images.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/stream_key.h"
#include "rcnn/data/core/box_check.h"
#include "rcnn/data/core/file_dataset.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/decode_image.h"
#include "rcnn/data/image/encode_image.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data::testing {
namespace {

void WriteNoise(const ImageInfo& info, int64_t index) {
  Image image(info.height, info.width);
  RandomStream stream({.seed = 1, .stage = "file images", .step = index, .purpose = "pixels"});
  for (int64_t i = 0; i < image.size_bytes(); ++i) {
    image.data()[i] = static_cast<uint8_t>(stream.UniformInt(256));
  }
  const absl::StatusOr<std::string> bytes = EncodeFor(info.path, image);
  CHECK(bytes.ok()) << bytes.status();
  CHECK(WriteFileAtomically(info.path, *bytes).ok()) << info.path;
}

}  // namespace

AnnotationTable WriteFileImages(const std::string& folder, int64_t count) {
  CHECK(CreateDirectories(folder).ok()) << folder;
  AnnotationTable table;
  table.classes = {{"cat", "dog"}, {7, 3}};
  for (int64_t i = 0; i < count; ++i) {
    ImageInfo info;
    info.id = 100 + i;
    info.name = absl::StrCat(i, i % 2 == 0 ? ".png" : ".jpg");
    info.path = absl::StrCat(folder, "/", info.name);
    info.width = 20 + i;
    info.height = 30 - i % 7;
    WriteNoise(info, i);
    table.AddImage(info);
    for (int64_t k = 0; k < i % 3; ++k) {
      Object object = MakeObject({0.1 + static_cast<double>(k), 1.0 / 3, 5.7, 6}, BoxRules());
      object.id = 10 * i + k;
      object.label = 1 + (i + k) % 2;
      object.area = 17.25;
      object.crowd = i % 5 == 0;
      object.difficult = i % 4 == 0;
      table.AddObject(object);
    }
  }
  return table;
}

std::unique_ptr<Dataset> MakeFileImages(const std::string& folder, int64_t count) {
  return std::make_unique<FileDataset>(WriteFileImages(folder, count), DecodeOptions());
}

}  // namespace rcnn::data::testing
