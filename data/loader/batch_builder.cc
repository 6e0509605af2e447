#include "rcnn/data/loader/batch_builder.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/configs/pixel_normalization.h"
#include "rcnn/configs/transform.pb.h"

namespace rcnn::data {
namespace {

// In units of byte values, for ops::Preprocess.
absl::StatusOr<ops::PreprocessOptions> MakePreprocessOptions(
    const configs::NormalizationConfig& config) {
  RCNN_ASSIGN_OR_RETURN(const configs::PixelNormalization pixels,
                        configs::ReadNormalization(config));
  ops::PreprocessOptions options;
  options.mean = pixels.mean;
  options.std = pixels.std;
  const bool bgr = pixels.channel_order == configs::NormalizationConfig::BGR;
  options.channel_order = bgr ? ops::ChannelOrder::kBgr : ops::ChannelOrder::kRgb;
  return options;
}

template <typename Range, typename Map>
at::Tensor MapBoxes(const Range& range, const Map& map) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(range.size()), 4}, at::kFloat);
  Box* out = reinterpret_cast<Box*>(tensor.data_ptr<float>());
  for (const auto& element : range) *out++ = map(element);
  return tensor;
}

template <typename T, typename Get>
at::Tensor MapObjects(const std::vector<Object>& objects, const Get& get) {
  at::Tensor tensor =
      at::empty({static_cast<int64_t>(objects.size())}, c10::CppTypeToScalarType<T>::value);
  T* out = tensor.data_ptr<T>();
  for (const Object& object : objects) *out++ = get(object);
  return tensor;
}

}  // namespace

absl::StatusOr<std::unique_ptr<BatchBuilder>> BatchBuilder::Create(
    std::shared_ptr<const Dataset> dataset, const BatchBuilderOptions& options) {
  RCNN_ASSIGN_OR_RETURN(ops::PreprocessOptions preprocess,
                        MakePreprocessOptions(options.normalization));
  if (options.max_proposals < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_proposals is ", options.max_proposals, "; it must be >= 0"));
  }
  const BatchPart& part = options.part;
  if (part.index < 0 || part.index >= part.parts) {
    return absl::InvalidArgumentError(
        absl::StrCat("part is ", part.index, "; it must be in [0, ", part.parts, ")"));
  }
  return std::unique_ptr<BatchBuilder>(new BatchBuilder(std::move(dataset), options, preprocess));
}

absl::StatusOr<Batch> BatchBuilder::Allocate(const BatchPlan& plan) const {
  const int64_t all = static_cast<int64_t>(plan.images.size());
  const int64_t images = options_.part.End(all) - options_.part.Begin(all);
  Batch batch;
  batch.iteration = plan.iteration;
  batch.epoch = plan.epoch;
  RCNN_ASSIGN_OR_RETURN(
      batch.images,
      CatchExceptions(
          [&]() -> absl::StatusOr<at::Tensor> {
            const std::vector<int64_t> sizes = {images, 3, plan.height, plan.width};
            if (options_.keep_bytes) return at::zeros({}).expand(sizes);
            return at::empty(sizes, at::kFloat);
          },
          absl::StatusCode::kResourceExhausted),
      absl::StrCat("no memory for batch ", plan.iteration, " of ", Counted(images, "image"), ", ",
                   plan.width, " x ", plan.height));
  batch.own_begin = options_.part.Begin(all);
  batch.entries.resize(plan.images.size());
  return batch;
}

absl::Status BatchBuilder::Fill(const BatchPlan& plan, size_t slot, Batch& batch) const {
  const PlannedImage& planned = plan.images[slot];
  BatchImage& entry = batch.entries[slot];
  entry.info = planned.info;
  entry.index = planned.index;
  entry.height = planned.transform.height;
  entry.width = planned.transform.width;
  entry.own_padding_y = planned.own_padding_y;
  entry.own_padding_x = planned.own_padding_x;
  entry.scale_y = planned.transform.scale_y;
  entry.scale_x = planned.transform.scale_x;
  try {
    const int64_t row = static_cast<int64_t>(slot) - batch.own_begin;
    const bool is_own = row >= 0 && row < batch.images.size(0);
    RCNN_RETURN_IF_ERROR(
        FillSample(planned, is_own ? batch.images.select(0, row) : at::Tensor(), entry));
    return FillProposals(planned, entry);
  } catch (const std::exception& error) {
    return Annotate(ExceptionStatus(error, absl::StatusCode::kInternal), planned.info.name);
  }
}

absl::Status BatchBuilder::FillSample(const PlannedImage& planned, const at::Tensor& slot,
                                      BatchImage& entry) const {
  entry.has_pixels =
      slot.defined() && (options_.needs_pixels == nullptr || options_.needs_pixels(entry));
  if (!entry.has_pixels) {
    FillObjects(planned, dataset_->objects(planned.index), entry);
    return absl::OkStatus();
  }
  RCNN_ASSIGN_OR_RETURN(Sample sample, dataset_->Load(planned.index));
  FillObjects(planned, sample.objects, entry);
  return FillPixels(planned, std::move(sample.image), slot, entry);
}

absl::Status BatchBuilder::FillPixels(const PlannedImage& planned,
                                      std::shared_ptr<const Image> image, const at::Tensor& slot,
                                      BatchImage& entry) const {
  const SampleTransform& transform = planned.transform;
  if (image->height() != planned.info.height || image->width() != planned.info.width) {
    return absl::InvalidArgumentError(
        absl::StrCat(planned.info.name, ": the image is ", image->width(), " x ", image->height(),
                     ", its annotation says ", planned.info.width, " x ", planned.info.height));
  }
  if (transform.color) {
    image = std::make_shared<const Image>(ApplyColor(*transform.color, *image));
  }
  ops::PreprocessOptions options = preprocess_;
  options.height = transform.height;
  options.width = transform.width;
  options.flip_horizontally = transform.flipped;
  if (transform.place_by_scale) {
    options.step = ops::ResizeStep::kInverseScale;
    options.scale = transform.scale_x;
  }
  // from_blob needs a mutable pointer; Preprocess only reads.
  const at::Tensor pixels = at::from_blob(const_cast<uint8_t*>(image->data()),
                                          {image->height(), image->width(), 3}, at::kByte);
  if (!options_.keep_bytes) {
    ops::PreprocessInto(transform.flipped_vertically ? pixels.flip(0) : pixels, options, slot);
    return absl::OkStatus();
  }
  entry.bytes = transform.flipped_vertically ? pixels.flip(0) : pixels.clone();
  entry.preprocess = options;
  return absl::OkStatus();
}

void BatchBuilder::FillObjects(const PlannedImage& planned, const std::vector<Object>& objects,
                               BatchImage& entry) const {
  const bool inclusive = dataset_->inclusive_boxes();
  entry.boxes = MapBoxes(objects, [&](const Object& object) {
    return planned.transform.Apply(object.box, planned.info, inclusive);
  });
  entry.labels = MapObjects<int64_t>(objects, [](const Object& object) { return object.label; });
  entry.crowd = MapObjects<bool>(objects, [](const Object& object) { return object.crowd; });
  entry.difficult =
      MapObjects<bool>(objects, [](const Object& object) { return object.difficult; });
}

absl::Status BatchBuilder::FillProposals(const PlannedImage& planned, BatchImage& entry) const {
  if (options_.proposals == nullptr) return absl::OkStatus();
  RCNN_ASSIGN_OR_RETURN(ImageProposals proposals, options_.proposals->Get(planned.index));
  proposals = proposals.First(options_.max_proposals);
  const bool inclusive = dataset_->inclusive_boxes();
  entry.proposals = MapBoxes(proposals.boxes, [&](const Box& box) {
    return planned.transform.Apply(box, planned.info, inclusive);
  });
  entry.proposal_scores = at::empty({static_cast<int64_t>(proposals.scores.size())}, at::kFloat);
  std::copy(proposals.scores.begin(), proposals.scores.end(),
            entry.proposal_scores.data_ptr<float>());
  return absl::OkStatus();
}

}  // namespace rcnn::data
