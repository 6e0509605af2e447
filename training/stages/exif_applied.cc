#include "rcnn/training/stages/exif_applied.h"

#include <algorithm>
#include <cstdint>

#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/orientation.h"

namespace rcnn::training {
namespace {

bool SaysNotApplied(const configs::DatasetConfig& config) {
  if (config.has_exif_orientation()) return config.exif_orientation() == configs::NOT_APPLIED;
  const auto& parts = config.concat().parts();
  return std::any_of(parts.begin(), parts.end(), SaysNotApplied);
}

bool SaysNothing(const configs::DatasetConfig& config) {
  // Their config cannot say it; each image does.
  if (config.has_shards()) return false;
  const auto& parts = config.concat().parts();
  return !config.has_exif_orientation() && std::all_of(parts.begin(), parts.end(), SaysNothing);
}

}  // namespace

std::optional<bool> FindExifApplied(const configs::DatasetConfig& config,
                                    const data::Dataset& images) {
  if (SaysNothing(config)) return std::nullopt;
  bool has_turn = SaysNotApplied(config);
  for (int64_t i = 0; i < images.size(); ++i) {
    const data::ImageInfo info = images.image(i);
    if (info.exif_applied) return true;
    has_turn |=
        info.orientation.value_or(data::Orientation::kUpright) != data::Orientation::kUpright;
  }
  return has_turn ? std::optional<bool>(false) : std::nullopt;
}

}  // namespace rcnn::training
