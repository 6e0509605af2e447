// Training with samples in tensors of a fixed size (TrainingTargets::counted), as on a GPU, against
// training with tensors of their own size, as on the CPU: the same picks, losses and gradients. All
// on the CPU.

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/box_loss.h"
#include "rcnn/detection/counted_truths.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/layers.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/matcher.h"

namespace rcnn::detection {
namespace {

using ::testing::HasSubstr;

constexpr double kTolerance = 1e-5;

const bool kRegistered = RegisterBoxLoss(
    "half_square",
    [](const at::Tensor& predictions, const at::Tensor& targets, const BoxLossOptions&) {
      return 0.5 * (predictions - targets).square().sum();
    });

at::Generator Generator(uint64_t seed = 7) { return at::detail::createCPUGenerator(seed); }

std::shared_ptr<FasterRcnn> Make(const std::string& rpn, const std::string& head,
                                 const std::string& fc = "") {
  const auto config = configs::ParseTextOrDie<configs::ModelConfig>(
      "backbone { tiny { channels: 8 } } rpn { anchors { size_px: [24, 48] } channels: 16 " + rpn +
      "} head { fc { fc_channels: [32] " + fc + "} " + head + "}");
  auto model = FasterRcnn::Create(config, 3).value();
  ResetParameters(*model, Generator());
  model->train();
  return model;
}

// Three images: two objects, one of them a crowd; no object; one object.
struct Batch {
  at::Tensor images = at::randn({3, 3, 96, 128}, Generator());
  InputSizes sizes = {{96, 128, 2}, {80, 96, 2}, {96, 120, 1}};
  GroundTruths truths = {
      {at::tensor({10.f, 10.f, 40.f, 50.f, 60.f, 20.f, 100.f, 70.f}).view({2, 4}),
       at::tensor({1, 3}, at::kLong), at::tensor({0, 1}).to(at::kBool), 11},
      {at::empty({0, 4}), at::empty({0}, at::kLong), {}, 12},
      {at::tensor({30.f, 20.f, 80.f, 75.f}).view({1, 4}), at::tensor({2}, at::kLong), {}, 13}};

  TrainingTargets Targets() const {
    TrainingTargets targets = {sizes, {}};
    targets.counted = CountTruths(truths, sizes, at::kCPU);
    return targets;
  }
  // The images in their own sizes, if these differ.
  BatchMap Map(bool mixed) const {
    return mixed ? CutImages(images, {{96, 128}, {80, 96}, {96, 120}}) : BatchMap(images);
  }
};

RpnSamples PlainSamples(const CountedAnchors& anchors, int64_t image, int64_t per_image,
                        int64_t images) {
  std::vector<at::Tensor> positive, negative, targets;
  for (int64_t b = image; b < image + images; ++b) {
    const int64_t positives = anchors.sample.positive_count[b].item<int64_t>();
    const int64_t negatives = anchors.sample.negative_count[b].item<int64_t>();
    const int64_t offset = (b - image) * per_image;
    positive.push_back(anchors.sample.positive[b].slice(0, 0, positives) + offset);
    negative.push_back(anchors.sample.negative[b].slice(0, 0, negatives) + offset);
    targets.push_back(anchors.box_targets[b].slice(0, 0, positives));
  }
  return {at::cat(positive), at::cat(negative), at::cat(targets)};
}

int64_t CountAnchors(const RpnOutput& output) {
  int64_t count = 0;
  for (const ops::ProposalLevel& level : output) count += level.anchors.size(0);
  return count;
}

// The mean over all samples of the losses of each part, which are means over its own.
at::Tensor PlainRpnLoss(const Rpn& rpn, const std::vector<RpnOutput>& parts,
                        const CountedAnchors& anchors) {
  at::Tensor total = at::zeros({});
  int64_t image = 0, samples = 0;
  for (const RpnOutput& output : parts) {
    const int64_t images = output.front().logits.size(0);
    const RpnLosses losses =
        rpn.Losses(output, PlainSamples(anchors, image, CountAnchors(output), images));
    const int64_t own = losses.positives + losses.negatives;
    total = total + (losses.objectness + losses.box) * static_cast<double>(own);
    samples += own;
    image += images;
  }
  return total / static_cast<double>(samples);
}

RoiSamples PlainSamples(const RoiSamples& counted) {
  const at::Tensor rows = counted.labels.ge(0).nonzero().squeeze(1);
  RoiSamples samples;
  samples.rois = counted.rois.index_select(0, rows);
  samples.labels = counted.labels.index_select(0, rows);
  samples.box_targets = counted.box_targets.index_select(0, rows);
  samples.positives = samples.labels.gt(0).sum().item<int64_t>();
  return samples;
}

// Each RoI has the label that matching it alone gives.
void ExpectLabelsByTheRule(const RoiSamples& samples, const Batch& batch) {
  for (int64_t r = 0; r < samples.rois.size(0); ++r) {
    const auto& truth = batch.truths[samples.rois[r][0].item<int64_t>()];
    const ops::Matches matches = ops::MatchBoxes(
        samples.rois[r].slice(0, 1).view({1, 4}), truth.boxes,
        {.foreground_iou = 0.5, .background_max_iou = 0.5, .match_best_of_each_gt = false},
        CrowdMask(truth));
    const int64_t label = samples.labels[r].item<int64_t>();
    EXPECT_EQ(label > 0, matches.labels.item<int64_t>() > 0);
    if (label > 0) {
      EXPECT_EQ(label, truth.labels[matches.gt_index.item<int64_t>()].item<int64_t>());
    }
  }
}

std::vector<at::Tensor> Gradients(FasterRcnn& model) {
  std::vector<at::Tensor> gradients;
  for (at::Tensor& parameter : model.parameters()) {
    EXPECT_TRUE(parameter.grad().defined());
    gradients.push_back(parameter.grad().clone());
    parameter.mutable_grad().reset();
  }
  return gradients;
}

// The loss of the same picks by the plain path, which divides by numbers that it has counted.
at::Tensor PlainLoss(const FasterRcnn& model, const Batch& batch, bool mixed) {
  at::Generator generator = Generator();
  const TrainingTargets targets = batch.Targets();
  const BatchFeatures maps = model.Features(batch.Map(mixed));
  const std::vector<RpnOutput> parts = model.rpn()->ForwardParts(maps);
  const CountedAnchors anchors =
      model.rpn()->SampleCounted(parts, targets.sizes, *targets.counted, generator);
  EXPECT_GT(anchors.sample.positive_count.sum().item<int64_t>(), 0);
  EXPECT_EQ(anchors.sample.positive_count[1].item<int64_t>(), 0) << "an image without objects";
  const ops::CountedProposals proposals = model.rpn()->ProposeCounted(
      parts, targets.counted->image_info, model.rpn()->config().train_proposals());
  const RoiSamples rois = PlainSamples(model.head()->SampleCounted(
      proposals.rois.slice(2, 1), proposals.counts, *targets.counted, generator));
  EXPECT_GT(rois.positives, 0);
  ExpectLabelsByTheRule(rois, batch);
  const HeadLosses head = model.head()->Losses(model.head()->Forward(maps, rois.rois), rois);
  return PlainRpnLoss(*model.rpn(), parts, anchors) + head.classes + head.box;
}

TEST(CountedTrainingTest, EqualsThePlainLossOfTheSamePicksAndItsGradients) {
  const std::string sampled = "loss { box_normalizer: SAMPLED_ANCHORS } ";
  for (const auto& [rpn, head] : std::vector<std::pair<std::string, std::string>>{
           {sampled, "targets { rois_per_image: 32 }"},
           {"loss { box_normalizer: MAP_CELLS }", ""},
           {sampled + "objectness: SOFTMAX targets { max_overhang_px: 0 }", ""},
           {sampled + "box_coder { inclusive_corners: true } targets { anchors_per_image: 16 }",
            "targets { add_ground_truth: false foreground_iou: 0.5 } pool { roi_pool {} }"},
           {"loss { box_normalizer: SAMPLED_ANCHORS box_loss: 'half_square' }",
            "loss { box_loss: 'half_square' } targets { rois_per_image: 16 "
            "box_normalization: FIXED box_mean: [0, 0, 0, 0] box_std: [0.1, 0.1, 0.2, 0.2] }"}}) {
    for (const bool mixed : {false, true}) {
      // PlainRpnLoss weighs parts by their samples.
      if (mixed && rpn.find("MAP_CELLS") != std::string::npos) continue;
      SCOPED_TRACE(rpn + head + (mixed ? " mixed" : ""));
      const auto model = Make(rpn, head);
      const Batch batch;
      const Losses losses = model->ComputeLosses(batch.Map(mixed), batch.Targets(), Generator());
      losses.Total().backward();
      const std::vector<at::Tensor> found = Gradients(*model);
      const at::Tensor expected = PlainLoss(*model, batch, mixed);
      EXPECT_TRUE(at::allclose(losses.Total(), expected, kTolerance, kTolerance))
          << losses.Total() << expected;
      expected.backward();
      const std::vector<at::Tensor> wanted = Gradients(*model);
      for (size_t i = 0; i < wanted.size(); ++i) {
        EXPECT_TRUE(at::allclose(found[i], wanted[i], kTolerance, kTolerance)) << i;
      }
      EXPECT_TRUE(losses.counts.empty());
      EXPECT_GT(losses.Count("anchors_positive"), 0);
      EXPECT_GT(losses.Count("rois_positive"), 0);
    }
  }
}

// With dropout. The ground truth is appended to different numbers of proposals, and with 512 RoIs
// per image the fixed size has rows that do not count before those of the next image.
TEST(CountedTrainingTest, HasThePicksOfTensorsOfTheirOwnSize) {
  for (const auto& [rpn, head] : std::vector<std::pair<std::string, std::string>>{
           {"targets { anchors_per_image: 16 }", "targets { rois_per_image: 16 }"},
           {"targets { anchors_per_image: 16 } loss { box_normalizer: MAP_CELLS }", ""},
           {"targets { max_overhang_px: 0 } train_proposals { after_nms: 20 }",
            "targets { rois_per_image: 16 add_ground_truth: false }"}}) {
    for (const bool mixed : {false, true}) {
      SCOPED_TRACE(rpn + head + (mixed ? " mixed" : ""));
      const auto model = Make(rpn, head, "dropout: 0.5");
      const Batch batch;
      const Losses counted = model->ComputeLosses(batch.Map(mixed), batch.Targets(), Generator());
      counted.Total().backward();
      const std::vector<at::Tensor> expected = Gradients(*model);
      const Losses plain =
          model->ComputeLosses(batch.Map(mixed), {batch.sizes, batch.truths}, Generator());
      plain.Total().backward();
      const std::vector<at::Tensor> found = Gradients(*model);
      for (const auto& [name, part] : counted.parts) {
        EXPECT_TRUE(at::allclose(plain.Part(name), part, kTolerance, kTolerance)) << name;
      }
      for (const auto& [name, count] : plain.counts) EXPECT_EQ(counted.Count(name), count) << name;
      EXPECT_GT(plain.Count("rois_positive") + plain.Count("rois_negative"), 0);
      for (size_t i = 0; i < expected.size(); ++i) {
        EXPECT_TRUE(at::allclose(found[i], expected[i], kTolerance, kTolerance)) << i;
      }
    }
  }
}

// The picks themselves, of anchors and of RoIs.
TEST(CountedTrainingTest, SamplesOfAFixedSizeHoldThoseOfTheirOwnSize) {
  const auto model = Make("targets { anchors_per_image: 16 }", "targets { rois_per_image: 16 }");
  const Batch batch;
  const std::vector<RpnOutput> parts = model->rpn()->ForwardParts(model->Features(batch.images));
  const CountedAnchors counted =
      model->rpn()->SampleCounted(parts, batch.sizes, *batch.Targets().counted, Generator());
  const RpnSamples anchors =
      model->rpn()->Sample(parts.front(), batch.sizes, batch.truths, Generator());
  const RpnSamples held = PlainSamples(counted, 0, CountAnchors(parts.front()), 3);
  EXPECT_TRUE(anchors.positive.equal(held.positive));
  EXPECT_TRUE(anchors.negative.equal(held.negative));
  EXPECT_TRUE(at::allclose(anchors.box_targets, held.box_targets, kTolerance, kTolerance));

  std::vector<at::Tensor> proposals;
  at::Tensor padded = at::zeros({3, 60, 4});
  const at::Tensor numbers = at::tensor({40, 60, 0}, at::kLong);
  for (int64_t b = 0; b < 3; ++b) {
    const at::Tensor corner = at::rand({numbers[b].item<int64_t>(), 2}, Generator(20 + b)) * 60;
    proposals.push_back(at::cat({corner, corner + 30}, 1));
    padded[b].slice(0, 0, corner.size(0)).copy_(proposals.back());
  }
  const RoiSamples rois = model->head()->Sample(proposals, batch.truths, Generator());
  const RoiSamples fixed =
      model->head()->SampleCounted(padded, numbers, *batch.Targets().counted, Generator());
  const at::Tensor rows = fixed.labels.ge(0).nonzero().squeeze(1);
  EXPECT_LT(rows.size(0), fixed.labels.size(0)) << "an image without proposals has one RoI";
  EXPECT_TRUE(rois.rois.equal(fixed.rois.index_select(0, rows)));
  EXPECT_TRUE(rois.labels.equal(fixed.labels.index_select(0, rows)));
  EXPECT_TRUE(rois.draw_rows.equal(fixed.draw_rows.index_select(0, rows)));
}

// The sizes of the maps of each image.
std::vector<MapExtents> FindExtents(const BatchFeatures& maps) {
  std::vector<MapExtents> extents;
  for (const FeatureMaps& part : maps.parts) {
    MapExtents of_image = {{}, {part.height, part.width}};
    for (const at::Tensor& map : part.levels) {
      of_image.levels.push_back({map.size(2), map.size(3)});
    }
    extents.insert(extents.end(), static_cast<size_t>(part.num_images()), of_image);
  }
  return extents;
}

BatchMap TakePart(const BatchMap& images, const ImageRange& own) {
  if (images.parts.size() == 1) {
    return BatchMap(images.parts.front().narrow(0, own.begin, own.end - own.begin));
  }
  BatchMap part;
  part.parts.assign(images.parts.begin() + own.begin, images.parts.begin() + own.end);
  return part;
}

// The proposals of all images, as processes that share the batch exchange them.
ops::CountedProposals ShareProposals(const FasterRcnn& model, const BatchFeatures& maps,
                                     const CountedTruths& truths) {
  return model.rpn()->ProposeCounted(model.rpn()->ForwardParts(maps), truths.image_info,
                                     model.rpn()->config().train_proposals());
}

Losses LossesOfPart(const FasterRcnn& model, const BatchMap& images, const TrainingTargets& targets,
                    const ops::CountedProposals& proposals, const ImageRange& own) {
  const at::Generator generator = Generator();
  JointRpnPass pass = model.ComputeJointRpn(TakePart(images, own), targets, generator, own);
  EXPECT_LE(pass.proposal_capacity, proposals.rois.size(1));
  for (int64_t b = own.begin; b < own.end; ++b) {
    EXPECT_EQ(pass.proposals[static_cast<size_t>(b - own.begin)].size(0),
              proposals.counts[b].item<int64_t>());
  }
  const RoiSamples samples = model.head()->SampleCounted(
      proposals.rois.slice(2, 1), proposals.counts, *targets.counted, generator);
  pass.losses.Append(
      model.ComputeHeadLosses(pass.maps, SamplesOfImages(samples, own), targets.truths, generator));
  return std::move(pass.losses);
}

// With dropout, whose draws follow those of the samples.
TEST(CountedTrainingTest, PartsOfABatchAddUpToIt) {
  const std::string few = "targets { anchors_per_image: 16 } ";
  for (const auto& [rpn, head] : std::vector<std::pair<std::string, std::string>>{
           {"loss { box_normalizer: SAMPLED_ANCHORS } ", "targets { rois_per_image: 16 }"},
           {"loss { box_normalizer: MAP_CELLS } targets { max_overhang_px: 0 }", ""},
           {"loss { box_normalizer: WANTED_ANCHORS } " + few, ""},
           {"loss { box_normalizer: SAMPLED_ANCHORS box_loss: 'half_square' } " + few,
            "loss { box_loss: 'half_square' } targets { rois_per_image: 16 }"}}) {
    for (const bool mixed : {false, true}) {
      SCOPED_TRACE(rpn + head + (mixed ? " mixed" : ""));
      const auto model = Make(rpn, head, "dropout: 0.5");
      const Batch batch;
      const BatchMap images = batch.Map(mixed);
      TrainingTargets targets = batch.Targets();
      const Losses whole = model->ComputeLosses(images, targets, Generator());
      whole.Total().backward();
      const std::vector<at::Tensor> expected = Gradients(*model);
      const BatchFeatures maps = model->Features(images);
      targets.extents = FindExtents(maps);
      const ops::CountedProposals proposals = ShareProposals(*model, maps, *targets.counted);
      const Losses first = LossesOfPart(*model, images, targets, proposals, {0, 1});
      const Losses second = LossesOfPart(*model, images, targets, proposals, {1, 3});
      for (const auto& [name, part] : whole.parts) {
        EXPECT_TRUE(
            at::allclose(first.Part(name) + second.Part(name), part, kTolerance, kTolerance))
            << name;
      }
      for (const auto& [name, count] : whole.unread_counts) {
        EXPECT_EQ(first.Count(name) + second.Count(name), count.item<double>()) << name;
      }
      first.Total().backward();
      second.Total().backward();
      const std::vector<at::Tensor> found = Gradients(*model);
      for (size_t i = 0; i < expected.size(); ++i) {
        EXPECT_TRUE(at::allclose(found[i], expected[i], 1e-4, 1e-4)) << i;
      }
    }
  }
}

// Anchors and RoIs of an image do not depend on the batch, nor on its place in it.
TEST(CountedTrainingTest, AnImageHasTheSamePicksAlone) {
  const auto model = Make("", "");
  const Batch batch;
  const BatchFeatures maps = model->Features(batch.Map(false));
  const TrainingTargets all = batch.Targets();
  const CountedAnchors together = model->rpn()->SampleCounted(model->rpn()->ForwardParts(maps),
                                                              all.sizes, *all.counted, Generator());
  const BatchFeatures alone = model->Features(BatchMap(batch.images.narrow(0, 2, 1)));
  const CountedAnchors single = model->rpn()->SampleCounted(
      model->rpn()->ForwardParts(alone), {batch.sizes[2]},
      CountTruths({batch.truths[2]}, {batch.sizes[2]}, at::kCPU), Generator());
  EXPECT_TRUE(single.sample.positive[0].equal(together.sample.positive[2]));
  EXPECT_TRUE(single.sample.negative[0].equal(together.sample.negative[2]));
  EXPECT_TRUE(single.box_targets[0].equal(together.box_targets[2]));
}

TEST(CountedTrainingTest, ProposalsAreThoseOfThePlainPath) {
  const auto model = Make("", "");
  const Batch batch;
  for (const bool mixed : {false, true}) {
    const auto parts = model->rpn()->ForwardParts(model->Features(batch.Map(mixed)));
    const configs::ProposalsConfig& limits = model->rpn()->config().train_proposals();
    const ops::Proposals expected = model->rpn()->Propose(parts, batch.sizes, limits);
    const ops::CountedProposals found =
        model->rpn()->ProposeCounted(parts, batch.Targets().counted->image_info, limits);
    ASSERT_TRUE(found.counts.equal(expected.counts));
    int64_t begin = 0;
    for (int64_t b = 0; b < 3; ++b) {
      const int64_t count = found.counts[b].item<int64_t>();
      EXPECT_TRUE(found.rois[b].slice(0, 0, count).equal(expected.rois.narrow(0, begin, count)));
      begin += count;
    }
  }
}

// The RPN alone, as in alternating training.
TEST(CountedTrainingTest, TheRpnTrainsAlone) {
  const auto model = Make("", "");
  const Batch batch;
  const BatchFeatures maps = model->Features(batch.Map(false));
  const Losses losses = model->ComputeRpnLosses(maps, batch.Targets(), Generator());
  const Losses same = model->ComputeRpnLosses(maps, batch.Targets(), Generator());
  EXPECT_TRUE(losses.Total().equal(same.Total()));
  EXPECT_FALSE(
      losses.Total().equal(model->ComputeRpnLosses(maps, batch.Targets(), Generator(8)).Total()));
  losses.Total().backward();
  EXPECT_GT(model->rpn()->parameters().front().grad().abs().max().item<double>(), 0);
}

TEST(CountedTrainingTest, ErrorsNameTheMismatch) {
  const auto model = Make("", "");
  const Batch batch;
  TrainingTargets targets = batch.Targets();
  targets.sizes.pop_back();
  EXPECT_THAT(
      ops::ErrorMessage([&] { model->ComputeLosses(batch.Map(false), targets, Generator()); }),
      HasSubstr("rpn: 2 sizes and ground truth of 3 images for maps of 3"));
  EXPECT_THAT(
      ops::ErrorMessage([&] {
        model->ComputeJointRpn(batch.Map(false), batch.Targets(), Generator(), ImageRange{0, 2});
      }),
      HasSubstr("rpn: maps of 3 images for the images [0, 2) of 3"));
}

}  // namespace
}  // namespace rcnn::detection
