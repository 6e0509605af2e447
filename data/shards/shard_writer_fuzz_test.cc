// Any bytes as the record of a shard that an interrupted writer has finished: the next writer takes
// the shard or writes it again, and its index, of whatever lines, can be given to the reader.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fuzz_folder.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/shapes/shapes_dataset.h"
#include "rcnn/data/shards/shard_index.h"
#include "rcnn/data/shards/shard_writer.h"

namespace {

using rcnn::data::Dataset;

void Require(bool condition) {
  if (!condition) std::abort();
}

std::unique_ptr<Dataset> TwoImages() {
  rcnn::configs::ShapesConfig config;
  config.set_num_images(2);
  config.set_width_px(32);
  config.set_height_px(32);
  config.set_min_diameter_px(8);
  config.set_max_diameter_px(16);
  auto dataset = rcnn::data::ShapesDataset::Create(config);
  Require(dataset.ok());
  return *std::move(dataset);
}

// Returns the index.
std::string WriteShard(const Dataset& dataset, const std::string& folder) {
  rcnn::data::ShardWriteOptions options;
  options.folder = folder;
  options.shards = 1;
  options.progress.quiet = true;
  Require(rcnn::data::WriteShards(dataset, options).ok());
  const auto text = rcnn::ReadFile(rcnn::data::ShardIndexPath(folder, options.name));
  Require(text.ok());
  return *text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const rcnn::testing::FuzzFolder folder;
  static const Dataset& dataset = *TwoImages().release();
  static const std::string& whole = *new std::string(WriteShard(dataset, folder.path() + "/out"));
  std::filesystem::remove(folder.path() + "/out/train.shards.jsonl");
  folder.Write("out/train-00000-of-00001.tar.part",
               absl::string_view(reinterpret_cast<const char*>(data), size));
  const std::string index = WriteShard(dataset, folder.path() + "/out");
  // Lines with a right CRC-32C are taken, whatever they say; readers check that.
  if (index != whole) rcnn::data::ParseShardIndex(index).status().IgnoreError();
  return 0;
}
