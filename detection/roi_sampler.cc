#include "rcnn/detection/roi_sampler.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/Optional.h>

#include <cstdint>
#include <utility>

#include "rcnn/base/counted.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/detection/image_rows.h"
#include "rcnn/ops/balanced_sampler.h"
#include "rcnn/ops/batch_matcher.h"
#include "rcnn/ops/check.h"
#include "rcnn/ops/counter_sampler.h"
#include "rcnn/ops/matcher.h"
#include "rcnn/ops/rois.h"
#include "rcnn/ops/unchecked_values.h"

namespace rcnn::detection {
namespace {

ops::MatcherOptions MakeMatcherOptions(const configs::HeadConfig& config) {
  ops::MatcherOptions options;
  options.foreground_iou = config.targets().foreground_iou();
  options.background_max_iou = config.targets().background_max_iou();
  options.background_min_iou = config.targets().background_min_iou();
  options.match_best_of_each_gt = false;
  options.inclusive = config.box_coder().inclusive_corners();
  return options;
}

// The values of proposals and ground truth are checked here, and by no operator.
void CheckInputs(const std::vector<at::Tensor>& proposals, const GroundTruths& truths) {
  TORCH_CHECK(proposals.size() == truths.size(), "head: proposals for ",
              Counted(proposals.size(), "image"), ", but ground truth for ", truths.size());
  for (const at::Tensor& boxes : proposals) ops::CheckBoxes(boxes, "proposals");
  for (const GroundTruth& truth : truths) ops::CheckBoxes(truth.boxes, "ground truth");
}

// Proposals of one image and, if wanted, its ground truth, of which crowds are not eligible.
struct Candidates {
  at::Tensor boxes;
  c10::optional<at::Tensor> eligible = c10::nullopt;
};

Candidates MakeCandidates(const at::Tensor& proposals, const GroundTruth& truth, bool add_truth) {
  if (!add_truth) return {proposals};
  Candidates candidates = {at::cat({proposals, truth.boxes})};
  if (truth.is_crowd.defined()) {
    const at::Tensor all = at::ones({proposals.size(0)}, truth.is_crowd.options());
    candidates.eligible = at::cat({all, truth.is_crowd.logical_not()});
  }
  return candidates;
}

// [B R, 2]: RoiSamples::draw_rows of R RoIs of each image, `image_ids` [B] int64.
at::Tensor MakeDrawRows(const at::Tensor& image_ids, int64_t rois) {
  const std::vector<int64_t> shape = {image_ids.size(0), rois};
  const at::Tensor number = at::arange(rois, image_ids.options()).expand(shape);
  return at::stack({image_ids.unsqueeze(1).expand(shape), number}, 2).flatten(0, 1);
}

// [B, K + G] bool: the proposals, and the objects if they are wanted, without crowds.
at::Tensor CountingCandidates(const at::Tensor& proposals, const at::Tensor& counts,
                              const CountedTruths& truths, bool add_truth) {
  const auto counting = [&](const at::Tensor& of_image, int64_t capacity) {
    return at::arange(capacity, counts.options()).unsqueeze(0).lt(of_image.unsqueeze(1));
  };
  const at::Tensor objects =
      add_truth
          ? counting(truths.counts, truths.boxes.size(1)).logical_and(truths.is_crowd.logical_not())
          : at::zeros_like(truths.is_crowd);
  return at::cat({counting(counts, proposals.size(1)), objects}, 1);
}

// One row for each sample: positives, then negatives, then rows that are beyond both.
struct SampleRows {
  at::Tensor rows;         // [B, count] int64
  at::Tensor is_positive;  // [B, count] bool
  at::Tensor is_beyond;    // [B, count] bool
};

SampleRows JoinSigns(const ops::CountedSample& sample, int64_t count) {
  const at::Tensor place = at::arange(count, sample.positive.options()).unsqueeze(0);
  const at::Tensor positives = sample.positive_count.unsqueeze(1);
  const at::Tensor is_positive = place.lt(positives);
  const at::Tensor positive =
      at::constant_pad_nd(sample.positive, {0, count - sample.positive.size(1)});
  const at::Tensor negative = sample.negative.gather(1, (place - positives).clamp_min(0));
  return {at::where(is_positive, positive, negative), is_positive,
          place.ge(positives + sample.negative_count.unsqueeze(1))};
}

// RoIs [B R, 5] from boxes [B, R, 4].
at::Tensor WithImages(const at::Tensor& boxes) {
  const at::Tensor image = at::arange(boxes.size(0), boxes.options()).view({-1, 1, 1});
  return at::cat({image.expand({-1, boxes.size(1), 1}), boxes}, 2).flatten(0, 1);
}

}  // namespace

RoiSamples SampleRois(const std::vector<at::Tensor>& proposals, const GroundTruths& truths,
                      at::Generator generator, const ops::BoxCoderOptions& coder,
                      const configs::HeadConfig& config) {
  at::NoGradGuard no_grad;
  CheckInputs(proposals, truths);
  const ops::UncheckedValues unchecked;
  const ops::BalancedSamplerOptions wanted = {config.targets().rois_per_image(),
                                              config.targets().positive_fraction()};
  const uint64_t key = DrawKey(std::move(generator), "rois");
  std::vector<at::Tensor> boxes, labels, targets, draw_rows;
  int64_t positives = 0;
  for (size_t b = 0; b < truths.size(); ++b) {
    const GroundTruth& truth = truths[b];
    const Candidates candidates =
        MakeCandidates(proposals[b], truth, config.targets().add_ground_truth());
    const ops::Matches matches =
        ops::MatchBoxes(candidates.boxes, truth.boxes, MakeMatcherOptions(config), CrowdMask(truth),
                        candidates.eligible);
    const ops::BalancedSample sample = ops::SampleImageByCounters(
        matches.labels, truth.image_id, key, wanted, proposals[b].size(0));
    const at::Tensor gt = matches.gt_index.index_select(0, sample.positive);
    const at::Tensor positive = candidates.boxes.index_select(0, sample.positive);
    boxes.push_back(at::cat({positive, candidates.boxes.index_select(0, sample.negative)}));
    draw_rows.push_back(MakeDrawRows(at::full({1}, truth.image_id, matches.labels.options()),
                                     boxes.back().size(0)));
    labels.push_back(at::cat({truth.labels.index_select(0, gt), at::zeros_like(sample.negative)}));
    targets.push_back(ops::EncodeBoxes(positive, truth.boxes.index_select(0, gt), coder));
    targets.push_back(at::zeros({sample.negative.size(0), 4}, positive.options()));
    positives += sample.positive.size(0);
  }
  RoiSamples samples = {ops::RoisFromBoxes(boxes), at::cat(labels), at::cat(targets), positives};
  samples.draw_rows = at::cat(draw_rows);
  return samples;
}

// Candidates are the proposals, then the ground truth. A sample's rows are its positives, then its
// negatives, then rows that do not count.
RoiSamples SampleCountedRois(const at::Tensor& proposals, const at::Tensor& counts,
                             const CountedTruths& truths, at::Generator generator,
                             const ops::BoxCoderOptions& coder, const configs::HeadConfig& config) {
  at::NoGradGuard no_grad;
  const ops::UncheckedValues unchecked;
  TORCH_CHECK(proposals.size(0) == truths.counts.size(0), "head: proposals for ",
              Counted(proposals.size(0), "image"), ", but ground truth for ",
              truths.counts.size(0));
  const int64_t rows = config.targets().rois_per_image();
  const at::Tensor candidates = at::cat({proposals, truths.boxes}, 1);
  const ops::Matches matches = ops::MatchBatch(
      candidates, truths.boxes, truths.counts, MakeMatcherOptions(config), truths.is_crowd,
      CountingCandidates(proposals, counts, truths, config.targets().add_ground_truth()));
  const ops::CountedSample sample =
      ops::SampleByCounters(matches.labels, truths.image_ids, DrawKey(std::move(generator), "rois"),
                            {rows, config.targets().positive_fraction()}, proposals.size(1));
  const SampleRows chosen = JoinSigns(sample, rows);
  const at::Tensor boxes = RowsOfImages(candidates, chosen.rows);
  const at::Tensor gt = RowsOfImages(matches.gt_index, chosen.rows).clamp_min(0);
  const at::Tensor background = chosen.is_positive.logical_not();
  RoiSamples samples;
  samples.rois = WithImages(boxes.masked_fill(chosen.is_beyond.unsqueeze(2), 0));
  samples.labels = RowsOfImages(truths.labels, gt)
                       .masked_fill(background, 0)
                       .masked_fill(chosen.is_beyond, -1)
                       .flatten();
  samples.box_targets =
      ops::EncodeBoxes(boxes.flatten(0, 1), RowsOfImages(truths.boxes, gt).flatten(0, 1), coder)
          .masked_fill(background.flatten().unsqueeze(1), 0);
  samples.draw_rows = MakeDrawRows(truths.image_ids, rows);
  samples.rois_of_image.assign(static_cast<size_t>(boxes.size(0)), rows);
  samples.unread_positives = sample.positive_count.sum();
  samples.unread_negatives = sample.negative_count.sum();
  return samples;
}

}  // namespace rcnn::detection
