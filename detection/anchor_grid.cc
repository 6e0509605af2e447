#include "rcnn/detection/anchor_grid.h"

#include <ATen/ATen.h>

#include <list>
#include <mutex>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"
#include "rcnn/detection/device_copy.h"

namespace rcnn::detection {
namespace {

using Config = configs::AnchorConfig;

std::vector<double> Sizes(const Config& config, size_t num_levels) {
  if (config.size_px_size() > 0) return {config.size_px().begin(), config.size_px().end()};
  if (num_levels == 1) return {128, 256, 512};
  std::vector<double> sizes;
  for (size_t i = 0; i < num_levels; ++i) sizes.push_back(static_cast<double>(32 << i));
  return sizes;
}

ops::AnchorRounding Rounding(const Config& config) {
  switch (config.rounding()) {
    case Config::EXACT:
      return ops::AnchorRounding::kNone;
    case Config::CORNERS:
      return ops::AnchorRounding::kCorners;
    case Config::WHOLE_PIXELS:
      return ops::AnchorRounding::kPixels2015;
  }
  return ops::AnchorRounding::kNone;
}

absl::Status Check(const Config& config, const std::vector<double>& sizes, size_t num_levels) {
  if (sizes.size() % num_levels != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("rpn.anchors has ", Counted(sizes.size(), "size"), ", which ",
                     Counted(num_levels, "level"), " cannot share evenly"));
  }
  const auto positive = [](double value) { return value > 0 && value < 1e6; };
  if (!absl::c_all_of(sizes, positive) || !absl::c_all_of(config.aspect_ratio(), positive)) {
    return absl::InvalidArgumentError("rpn.anchors: sizes and aspect ratios must be > 0");
  }
  if (!(config.center_offset() >= 0 && config.center_offset() <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("rpn.anchors.center_offset is ", config.center_offset(), ", not in [0, 1]"));
  }
  return absl::OkStatus();
}

// A pyramid of 800 x 1333 pixels has 4 MB of anchors.
constexpr size_t kCachedSizes = 32;

// Device, size of the input, sizes of the maps.
using Key = std::vector<int64_t>;

Key MakeKey(const MapExtents& extents, const at::Device& device) {
  Key key = {static_cast<int64_t>(device.type()), device.index(), extents.image.height,
             extents.image.width};
  for (const ops::ImageSize& level : extents.levels) {
    key.insert(key.end(), {level.height, level.width});
  }
  return key;
}

}  // namespace

Config WithDefaults(const Config& config, size_t num_levels) {
  Config full = config;
  if (full.size_px_size() == 0) {
    for (const double size : Sizes(config, num_levels)) full.add_size_px(size);
  }
  if (full.aspect_ratio_size() == 0) {
    for (const double ratio : ops::AnchorLevelOptions().aspect_ratios) full.add_aspect_ratio(ratio);
  }
  full.set_rounding(full.rounding());
  full.set_stride(full.stride());
  full.set_center_offset(full.center_offset());
  return full;
}

// The anchors of the last sizes of maps, most recently used first. Few enough for a linear search.
class AnchorGrid::Cache {
 public:
  // The anchors of `key`; those of `make()` if there are none.
  std::vector<at::Tensor> Find(const Key& key, absl::FunctionRef<std::vector<at::Tensor>()> make) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (entry->first != key) continue;
      entries_.splice(entries_.begin(), entries_, entry);
      return entry->second;
    }
    entries_.emplace_front(key, make());
    if (entries_.size() > kCachedSizes) entries_.pop_back();
    return entries_.front().second;
  }

 private:
  std::mutex mutex_;
  std::list<std::pair<Key, std::vector<at::Tensor>>> entries_;
};

AnchorGrid::AnchorGrid() : cache_(std::make_shared<Cache>()) {}

absl::StatusOr<AnchorGrid> AnchorGrid::Create(const Config& config,
                                              const std::vector<FeatureLevel>& levels) {
  const std::vector<double> sizes = Sizes(config, levels.size());
  if (absl::Status status = Check(config, sizes, levels.size()); !status.ok()) return status;
  const size_t per_level = sizes.size() / levels.size();
  ops::AnchorLevelOptions options;
  options.rounding = Rounding(config);
  options.center_offset = config.center_offset();
  if (config.aspect_ratio_size() > 0) {
    options.aspect_ratios.assign(config.aspect_ratio().begin(), config.aspect_ratio().end());
  }
  AnchorGrid grid;
  grid.stride_from_input_ = config.stride() == Config::INPUT_OVER_MAP;
  for (size_t i = 0; i < levels.size(); ++i) {
    options.scales.clear();
    for (size_t j = 0; j < per_level; ++j) {
      options.scales.push_back(sizes[i * per_level + j] / options.base_size_px);
    }
    options.stride_x_px = options.stride_y_px = static_cast<double>(levels[i].stride);
    grid.base_.push_back(ops::BaseAnchors(options));
    grid.strides_.push_back(levels[i].stride);
  }
  return grid;
}

std::vector<at::Tensor> AnchorGrid::Generate(const std::vector<at::Tensor>& maps,
                                             int64_t input_height, int64_t input_width) const {
  MapExtents extents = {{}, {input_height, input_width}};
  for (const at::Tensor& map : maps) extents.levels.push_back({map.size(2), map.size(3)});
  if (maps.empty() || maps.front().is_cpu()) return Generate(extents);
  const c10::Device device = maps.front().device();
  return cache_->Find(MakeKey(extents, device), [&] { return Place(extents, device); });
}

std::vector<at::Tensor> AnchorGrid::Generate(const MapExtents& extents) const {
  return Place(extents, at::kCPU);
}

std::vector<at::Tensor> AnchorGrid::Place(const MapExtents& extents,
                                          const c10::Device& device) const {
  TORCH_CHECK(extents.levels.size() == base_.size(),
              "anchors: ", Counted(extents.levels.size(), "map"), " for ",
              Counted(base_.size(), "level"));
  std::vector<at::Tensor> anchors;
  for (size_t i = 0; i < base_.size(); ++i) {
    const auto [height, width] = extents.levels[i];
    const double stride_y = stride_from_input_ && height > 0
                                ? static_cast<double>(extents.image.height / height)
                                : static_cast<double>(strides_[i]);
    const double stride_x = stride_from_input_ && width > 0
                                ? static_cast<double>(extents.image.width / width)
                                : static_cast<double>(strides_[i]);
    anchors.push_back(
        ops::PlaceAnchors(CopyToDevice(base_[i], device), {height, width}, stride_x, stride_y));
  }
  return anchors;
}

}  // namespace rcnn::detection
