// Any bytes as an index of shards: every image lies inside its shard, and every object of the
// table has one of its classes and a box inside its image.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include "absl/strings/string_view.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/shards/shard_dataset.h"
#include "rcnn/data/shards/shard_index.h"

namespace {

using rcnn::data::ImageInfo;
using rcnn::data::Object;
using rcnn::data::ShardIndex;

void Require(bool condition) {
  if (!condition) std::abort();
}

bool IsInside(const Object& object, const ImageInfo& info) {
  const auto& [x, y, width, height] = object.xywh;
  constexpr double kRounding = 1e-5;
  return x >= -kRounding && y >= -kRounding && width > 0 && height > 0 &&
         x + width <= static_cast<double>(info.width) + kRounding &&
         y + height <= static_cast<double>(info.height) + kRounding;
}

void CheckPlaces(const ShardIndex& index) {
  Require(index.places.size() == index.table.images.size());
  for (const auto& place : index.places) {
    const auto& shard = index.header.shards.at(static_cast<size_t>(place.shard));
    Require(place.offset >= 0 && place.digest.size >= 1);
    Require(place.offset <= shard.digest.size - place.digest.size);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto index =
      rcnn::data::ParseShardIndex(absl::string_view(reinterpret_cast<const char*>(data), size));
  if (!index.ok()) return 0;
  CheckPlaces(*index);
  const auto table =
      rcnn::data::SelectFromIndex(rcnn::configs::DatasetConfig(), "fuzz", std::move(index->table));
  if (!table.ok()) return 0;
  for (int64_t i = 0; i < table->num_images(); ++i) {
    for (const Object& object : table->objects_of(i)) {
      Require(object.label >= 1 && object.label <= table->classes.size());
      Require(IsInside(object, table->images[static_cast<size_t>(i)]));
    }
  }
  return 0;
}
