// The anchors that an Rpn is trained on, and their targets (rpn.h): matched to the ground truth and
// sampled, image after image, or for all images at once in tensors of a fixed size.

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <utility>

#include "rcnn/base/counted.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/detection/device_copy.h"
#include "rcnn/detection/image_rows.h"
#include "rcnn/detection/rpn.h"
#include "rcnn/detection/rpn_output.h"
#include "rcnn/ops/anchors.h"
#include "rcnn/ops/balanced_sampler.h"
#include "rcnn/ops/batch_matcher.h"
#include "rcnn/ops/check.h"
#include "rcnn/ops/unchecked_values.h"

namespace rcnn::detection {
namespace {

ops::MatcherOptions MakeMatcherOptions(const configs::RpnConfig& config) {
  ops::MatcherOptions options;
  options.foreground_iou = config.targets().foreground_iou();
  options.background_max_iou = config.targets().background_iou();
  options.inclusive = config.box_coder().inclusive_corners();
  return options;
}

// The anchors that are used in training for an image of this size.
c10::optional<at::Tensor> Eligible(const configs::RpnConfig& config, const at::Tensor& anchors,
                                   const ops::InputSize& input) {
  if (!config.targets().has_max_overhang_px()) return c10::nullopt;
  ops::InsideImageOptions options;
  options.border_px = config.targets().max_overhang_px();
  options.inclusive = config.box_coder().inclusive_corners();
  const ops::ImageSize size = {static_cast<int64_t>(input.height),
                               static_cast<int64_t>(input.width)};
  return ops::InsideImage(anchors, size, options);
}

// The samples of some images out of those of a batch.
CountedAnchors OfImages(const CountedAnchors& samples, const ImageRange& images) {
  const auto rows = [&](const at::Tensor& of_all) {
    return of_all.narrow(0, images.begin, images.end - images.begin);
  };
  const ops::CountedSample& all = samples.sample;
  return {
      {rows(all.positive), rows(all.positive_count), rows(all.negative), rows(all.negative_count)},
      rows(samples.box_targets)};
}

void CheckOwn(const ImageRange& own, int64_t images, const InputSizes& sizes) {
  TORCH_CHECK(0 <= own.begin && own.end - own.begin == images &&
                  own.end <= static_cast<int64_t>(sizes.size()),
              "rpn: maps of ", Counted(images, "image"), " for the images [", own.begin, ", ",
              own.end, ") of ", sizes.size());
}

// The values of the ground truth are checked here, and by no operator.
void CheckTruths(const InputSizes& sizes, const GroundTruths& truths) {
  TORCH_CHECK(sizes.size() == truths.size(), "rpn: ground truth for ",
              Counted(truths.size(), "image"), " for a batch of ", sizes.size());
  for (const GroundTruth& truth : truths) ops::CheckBoxes(truth.boxes, "ground truth");
}

void CheckCounts(const std::vector<RpnOutput>& parts, const InputSizes& sizes,
                 const CountedTruths& truths) {
  int64_t images = 0;
  for (const RpnOutput& output : parts) images += CountImages(output);
  TORCH_CHECK(static_cast<int64_t>(sizes.size()) == images && truths.counts.size(0) == images,
              "rpn: ", Counted(sizes.size(), "size"), " and ground truth of ",
              Counted(truths.counts.size(0), "image"), " for maps of ", images);
}

}  // namespace

BatchAnchors Rpn::AnchorsOfBatch(const std::vector<RpnOutput>& parts,
                                 const InputSizes& sizes) const {
  if (parts.size() == 1 && AllAnchors(parts.front()).size(0) > 0) {
    return SharedAnchors(AllAnchors(parts.front()), sizes);
  }
  return StackAnchors(AnchorsOfParts(parts), sizes);
}

BatchAnchors Rpn::StackAnchors(const std::vector<at::Tensor>& of_each,
                               const InputSizes& sizes) const {
  std::vector<at::Tensor> anchors, eligible;
  for (const at::Tensor& own : of_each) {
    const auto inside = Eligible(config_, own, sizes[anchors.size()]);
    const at::Tensor all = at::ones({own.size(0)}, own.options().dtype(at::kBool));
    eligible.push_back((inside ? *inside : all).unsqueeze(0));
    anchors.push_back(own.unsqueeze(0));
  }
  return {StackParts(anchors), StackParts(eligible)};
}

BatchAnchors Rpn::SharedAnchors(const at::Tensor& anchors, const InputSizes& sizes) const {
  if (!config_.targets().has_max_overhang_px()) return {anchors, c10::nullopt};
  std::vector<at::Tensor> eligible;
  for (const ops::InputSize& size : sizes) eligible.push_back(*Eligible(config_, anchors, size));
  return {anchors, at::stack(eligible)};
}

CountedAnchors Rpn::SampleCounted(const std::vector<RpnOutput>& parts, const InputSizes& sizes,
                                  const CountedTruths& truths, at::Generator generator) const {
  at::NoGradGuard no_grad;
  const ops::UncheckedValues unchecked;
  CheckCounts(parts, sizes, truths);
  return DrawCounted(AnchorsOfBatch(parts, sizes), truths, std::move(generator));
}

CountedAnchors Rpn::SampleCounted(const std::vector<RpnOutput>& parts,
                                  const TrainingTargets& targets, at::Generator generator,
                                  const ImageRange& own) const {
  at::NoGradGuard no_grad;
  const ops::UncheckedValues unchecked;
  const std::vector<at::Tensor> anchors = AnchorsOfBatch(AnchorsOfParts(parts), targets, own);
  const auto images = static_cast<int64_t>(anchors.size());
  TORCH_CHECK(targets.counted->counts.size(0) == images, "rpn: ground truth of ",
              Counted(targets.counted->counts.size(0), "image"), " for a batch of ", images);
  const CountedAnchors all =
      DrawCounted(StackAnchors(anchors, targets.sizes), *targets.counted, std::move(generator));
  CountedAnchors part = OfImages(all, own);
  part.batch = AnchorTotals{images, CountAnchors(anchors, images) / anchors_.anchors_per_cell(),
                            CountSampled(all.sample)};
  return part;
}

CountedAnchors Rpn::DrawCounted(const BatchAnchors& anchors, const CountedTruths& truths,
                                at::Generator generator) const {
  const ops::Matches matches =
      ops::MatchBatch(anchors.boxes, truths.boxes, truths.counts, MakeMatcherOptions(config_),
                      truths.is_crowd, anchors.eligible);
  CountedAnchors drawn;
  drawn.sample = ops::SampleByCounters(
      matches.labels, truths.image_ids, DrawKey(std::move(generator), "anchors"),
      {config_.targets().anchors_per_image(), config_.targets().positive_fraction()});
  drawn.box_targets = CountedTargets(anchors.boxes, truths, matches, drawn.sample);
  return drawn;
}

at::Tensor Rpn::CountedTargets(const at::Tensor& anchors, const CountedTruths& truths,
                               const ops::Matches& matches,
                               const ops::CountedSample& sample) const {
  const at::Tensor& rows = sample.positive;
  const at::Tensor gt = RowsOfImages(matches.gt_index, rows).clamp_min(0);
  const at::Tensor boxes = anchors.dim() == 2 ? anchors.index_select(0, rows.flatten())
                                              : RowsOfImages(anchors, rows).flatten(0, 1);
  return ops::EncodeBoxes(boxes, RowsOfImages(truths.boxes, gt).flatten(0, 1), coder_)
      .view({rows.size(0), rows.size(1), 4})
      .masked_fill(BeyondCounts(sample.positive_count, rows.size(1)).unsqueeze(2), 0);
}

ops::Matches Rpn::Match(const at::Tensor& anchors, const GroundTruth& truth,
                        const ops::InputSize& input) const {
  return ops::MatchBoxes(anchors, truth.boxes, MakeMatcherOptions(config_), CrowdMask(truth),
                         Eligible(config_, anchors, input));
}

at::Tensor Rpn::Targets(const at::Tensor& anchors, const GroundTruth& truth,
                        const ops::Matches& matches, const at::Tensor& rows) const {
  const at::Tensor gt = matches.gt_index.index_select(0, rows);
  return ops::EncodeBoxes(anchors.index_select(0, rows), truth.boxes.index_select(0, gt), coder_);
}

at::Tensor Rpn::PositiveBoxTargets(const std::vector<at::Tensor>& maps, int64_t input_height,
                                   int64_t input_width, const InputSizes& sizes,
                                   const GroundTruths& truths) const {
  at::NoGradGuard no_grad;
  CheckTruths(sizes, truths);
  const ops::UncheckedValues unchecked;
  const at::Tensor anchors = at::cat(anchors_.Generate(maps, input_height, input_width));
  std::vector<at::Tensor> targets;
  for (size_t b = 0; b < truths.size(); ++b) {
    const ops::Matches matches = Match(anchors, truths[b], sizes[b]);
    const at::Tensor positive = (matches.labels > 0).nonzero().squeeze(1);
    targets.push_back(Targets(anchors, truths[b], matches, positive));
  }
  return at::cat(targets);
}

RpnSamples Rpn::Sample(const RpnOutput& output, const InputSizes& sizes, const GroundTruths& truths,
                       at::Generator generator) const {
  const std::vector<at::Tensor> anchors(sizes.size(), AllAnchors(output));
  return DrawSamples(anchors, sizes, truths, std::move(generator));
}

std::vector<at::Tensor> Rpn::AnchorsOfEach(const BatchFeatures& maps) const {
  std::vector<at::Tensor> anchors;
  for (const FeatureMaps& part : maps.parts) {
    CheckMaps(part.levels);
    anchors.insert(anchors.end(), static_cast<size_t>(part.num_images()),
                   at::cat(anchors_.Generate(part.levels, part.height, part.width)));
  }
  return anchors;
}

std::vector<at::Tensor> Rpn::AnchorsOfBatch(const std::vector<at::Tensor>& here,
                                            const TrainingTargets& targets,
                                            const OptionalRange& own) const {
  const auto images = static_cast<int64_t>(here.size());
  const auto all = static_cast<int64_t>(targets.sizes.size());
  TORCH_CHECK(own || all == images, "rpn: sizes of ", Counted(all, "image"), " for maps of ",
              images);
  if (!own) return here;
  CheckOwn(*own, images, targets.sizes);
  if (targets.extents.empty()) return std::vector<at::Tensor>(targets.sizes.size(), here.front());
  TORCH_CHECK(targets.extents.size() == targets.sizes.size(), "rpn: map sizes of ",
              Counted(targets.extents.size(), "image"), " for a batch of ", all);
  std::vector<at::Tensor> anchors;
  for (int64_t b = 0; b < all; ++b) {
    const bool is_here = own->begin <= b && b < own->end;
    anchors.push_back(
        is_here ? here[static_cast<size_t>(b - own->begin)]
                : CopyToDevice(at::cat(anchors_.Generate(targets.extents[static_cast<size_t>(b)])),
                               here.front().device()));
  }
  return anchors;
}

RpnSamples Rpn::DrawSamples(const std::vector<at::Tensor>& anchors, const InputSizes& sizes,
                            const GroundTruths& truths, at::Generator generator) const {
  at::NoGradGuard no_grad;
  CheckTruths(sizes, truths);
  const ops::UncheckedValues unchecked;
  const ops::BalancedSamplerOptions wanted = {config_.targets().anchors_per_image(),
                                              config_.targets().positive_fraction()};
  const uint64_t key = DrawKey(std::move(generator), "anchors");
  std::vector<at::Tensor> positive, negative, targets;
  int64_t offset = 0;
  for (size_t b = 0; b < truths.size(); ++b) {
    const ops::Matches matches = Match(anchors[b], truths[b], sizes[b]);
    const ops::BalancedSample sample =
        ops::SampleImageByCounters(matches.labels, truths[b].image_id, key, wanted);
    positive.push_back(sample.positive + offset);
    negative.push_back(sample.negative + offset);
    targets.push_back(Targets(anchors[b], truths[b], matches, sample.positive));
    offset += anchors[b].size(0);
  }
  return {at::cat(positive), at::cat(negative), at::cat(targets)};
}

}  // namespace rcnn::detection
