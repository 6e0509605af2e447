#include "rcnn/data/shapes/shapes_dataset.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "glog/logging.h"
#include "rcnn/base/check_range.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/box_check.h"
#include "rcnn/data/core/fingerprint.h"
#include "rcnn/data/shapes/shape.h"
#include "rcnn/data/shapes/shapes_image.h"
#include "rcnn/data/shapes/shapes_layout.h"

namespace rcnn::data {
namespace {

// Ids of objects: at most this many per image.
constexpr int64_t kMaxObjects = 100;
// An epoch's order and the keys of images are held in memory.
constexpr int64_t kMaxImages = 10'000'000;

absl::Status Check(const configs::ShapesConfig& config) {
  if (config.num_images() < 1 || config.num_images() > kMaxImages) {
    return absl::InvalidArgumentError(
        absl::StrCat("shapes: num_images = ", config.num_images(), " is not in 1 to ", kMaxImages));
  }
  RCNN_RETURN_IF_ERROR(CheckRange("shapes.num_classes", config.num_classes(), 1, kNumShapes));
  RCNN_RETURN_IF_ERROR(CheckRange("shapes.width_px", config.width_px(), 32, 4096));
  RCNN_RETURN_IF_ERROR(CheckRange("shapes.height_px", config.height_px(), 32, 4096));
  RCNN_RETURN_IF_ERROR(CheckRange("shapes.max_objects", config.max_objects(), 0, kMaxObjects));
  RCNN_RETURN_IF_ERROR(
      CheckRange("shapes.min_objects", config.min_objects(), 0, config.max_objects()));
  RCNN_RETURN_IF_ERROR(CheckRange("shapes.max_diameter_px", config.max_diameter_px(), 8, 4096));
  RCNN_RETURN_IF_ERROR(
      CheckRange("shapes.min_diameter_px", config.min_diameter_px(), 8, config.max_diameter_px()));
  return CheckRange("shapes.difficulty", config.difficulty(), 0, 1);
}

std::string ComputeFingerprint(const configs::ShapesConfig& config, bool inclusive_boxes) {
  Fingerprint fingerprint;
  fingerprint.Add("shapes").Add(ShapesDataset::kVersion).Add(int64_t{inclusive_boxes});
  fingerprint.Add(static_cast<int64_t>(config.seed())).Add(config.num_images());
  for (int64_t value : {config.num_classes(), config.width_px(), config.height_px(),
                        config.min_objects(), config.max_objects()}) {
    fingerprint.Add(value);
  }
  fingerprint.Add(config.min_diameter_px()).Add(config.max_diameter_px()).Add(config.difficulty());
  return fingerprint.Hex();
}

std::vector<Object> CollectObjects(const ShapesLayout& layout, int64_t index,
                                   bool inclusive_boxes) {
  BoxRules rules;
  rules.inclusive_boxes = inclusive_boxes;
  std::vector<Object> objects;
  for (size_t i = 0; i < layout.shapes.size(); ++i) {
    const Box& box = layout.boxes[i];
    Object object = MakeObject({box.x1, box.y1, box.width(), box.height()}, rules);
    object.id = index * kMaxObjects + static_cast<int64_t>(i) + 1;
    object.label = static_cast<int64_t>(layout.shapes[i].shape) + 1;
    objects.push_back(object);
  }
  return objects;
}

}  // namespace

ShapesDataset::ShapesDataset(const configs::ShapesConfig& config, bool inclusive_boxes)
    : config_(config),
      inclusive_boxes_(inclusive_boxes),
      fingerprint_(ComputeFingerprint(config, inclusive_boxes)) {
  for (int64_t k = 0; k < config.num_classes(); ++k) {
    classes_.names.emplace_back(Name(static_cast<Shape>(k)));
    classes_.category_ids.push_back(k + 1);
  }
}

absl::StatusOr<std::unique_ptr<Dataset>> ShapesDataset::Create(const configs::ShapesConfig& config,
                                                               bool inclusive_boxes) {
  RCNN_RETURN_IF_ERROR(Check(config));
  return absl::WrapUnique<Dataset>(new ShapesDataset(config, inclusive_boxes));
}

ImageInfo ShapesDataset::image(int64_t index) const {
  CHECK(index >= 0 && index < size()) << index << " of " << size();
  ImageInfo info;
  info.id = index + 1;
  info.name = absl::StrFormat("shapes-%d-%06d", config_.seed(), index);
  info.width = config_.width_px();
  info.height = config_.height_px();
  return info;
}

std::vector<Object> ShapesDataset::objects(int64_t index) const {
  CHECK(index >= 0 && index < size()) << index << " of " << size();
  return CollectObjects(MakeShapesLayout(config_, index), index, inclusive_boxes_);
}

absl::StatusOr<std::shared_ptr<const Image>> ShapesDataset::LoadImage(int64_t index) const {
  RCNN_ASSIGN_OR_RETURN(Sample sample, Load(index));
  return std::move(sample.image);
}

// The layout is made once for both.
absl::StatusOr<Sample> ShapesDataset::Load(int64_t index) const {
  Sample sample;
  sample.info = image(index);
  const ShapesLayout layout = MakeShapesLayout(config_, index);
  sample.objects = CollectObjects(layout, index, inclusive_boxes_);
  sample.image = std::make_shared<const Image>(PaintShapes(config_, index, layout));
  return sample;
}

}  // namespace rcnn::data
