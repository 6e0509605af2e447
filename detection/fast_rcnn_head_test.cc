// The head as a whole against plain references: the network of 2015, dropout that scales in test,
// inference in parts, box normalisation, the detections of its corner conventions. Its parts have
// tests of their own: pool_from_levels, roi_sampler, head_losses.

#include "rcnn/detection/fast_rcnn_head.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/tensor_memory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/testing/roi_cases.h"
#include "rcnn/detection/testing/slow_boxes.h"
#include "rcnn/detection/testing/slow_layers.h"

namespace rcnn::detection {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kClasses = 3;

at::Generator Generator(uint64_t seed = 7) { return at::detail::createCPUGenerator(seed); }

absl::StatusOr<std::shared_ptr<FastRcnnHead>> Create(const std::string& text,
                                                     std::vector<FeatureLevel> levels,
                                                     int64_t num_classes = kClasses,
                                                     const std::string& backbone = "zf {}") {
  const auto config = configs::ParseTextOrDie<configs::HeadConfig>(text);
  const auto network = configs::ParseTextOrDie<configs::BackboneConfig>(backbone);
  return FastRcnnHead::Create(config, network, levels, num_classes);
}

std::shared_ptr<FastRcnnHead> Make(const std::string& text) {
  auto head = Create(text, {{kRoiMapChannels, 16}}).value();
  FillAtRandom(*head, 0.4, 12);
  head->eval();
  return head;
}

// A thousand of both images.
at::Tensor ManyRois() {
  const at::Tensor corner = at::rand({1000, 2}, Generator(3)) * 100;
  const at::Tensor boxes =
      at::cat({corner, corner + 1 + at::rand({1000, 2}, Generator(4)) * 60}, 1);
  const at::Tensor image = at::arange(1000).remainder(3).eq(0).to(at::kFloat).unsqueeze(1);
  return at::cat({image, boxes}, 1);
}

// A map of each image.
BatchFeatures MapsApart(const at::Tensor& map) {
  BatchFeatures apart;
  for (int64_t b = 0; b < map.size(0); ++b) {
    FeatureMaps part;
    part.levels = {map.narrow(0, b, 1).contiguous()};
    apart.parts.push_back(part);
  }
  return apart;
}

// RoIs of both images in one tensor, and of images apart; the vector of maps is for all at once.
TEST(FastRcnnHeadTest, InferenceInPartsHasTheBitsOfAllRois) {
  const at::NoGradGuard no_grad;
  const auto head = Make("pool { roi_align {} size: 7 } fc { fc_channels: [40, 24] }");
  const at::Tensor map = RoiMaps(), rois = ManyRois();
  const HeadOutput all = head->Forward(std::vector<at::Tensor>{map}, rois);
  FeatureMaps together;
  together.levels = {map};
  for (const BatchFeatures& maps : {BatchFeatures(together), MapsApart(map)}) {
    const TensorMemory memory;
    const HeadOutput output = head->Forward(maps, rois);
    // The features of all would take so much; those of parts are joined.
    EXPECT_LT(memory.peak_bytes(),
              static_cast<int64_t>(maps.parts.size()) * 1000 * kRoiMapChannels * 7 * 7 * 4);
    EXPECT_TRUE(Near(output.logits, all.logits, 1e-5));
    EXPECT_TRUE(Near(output.deltas, all.deltas, 1e-5));
    if (!PanelProductAvailable()) continue;
    EXPECT_TRUE(output.logits.equal(all.logits));
    EXPECT_TRUE(output.deltas.equal(all.deltas));
  }
}

// The network of 2015 from map to outputs: RoIPool, fc layers halved at test time, and
// the two predictors.
HeadOutput SlowOutput(const torch::nn::Module& head, double keep) {
  const auto linear = [&](const std::string& name, const at::Tensor& x) {
    return SlowLinear(x, FindTensor(head, name + ".weight"), FindTensor(head, name + ".bias"));
  };
  at::Tensor x = SlowRoiPool(RoiMaps(), RoisOfMaps(), 6, kRoiMapStride).flatten(1);
  x = linear("fc6", x).clamp_min(0) * keep;
  x = linear("fc7", x).clamp_min(0) * keep;
  return {linear("cls_score", x), linear("bbox_pred", x)};
}

TEST(FastRcnnHeadTest, EqualsTheNetworkOf2015) {
  for (const char* scale : {"IN_TEST", "IN_TRAINING"}) {
    const auto head =
        Make(absl::StrCat("pool { roi_pool {} size: 6 } fc { fc_channels: [20, 12] "
                          "dropout: 0.5 dropout_scale: ",
                          scale, " }"));
    const HeadOutput expected = SlowOutput(*head, scale == std::string("IN_TEST") ? 0.5 : 1);
    const HeadOutput found = head->Forward({RoiMaps()}, RoisOfMaps());
    EXPECT_TRUE(Near(found.logits, expected.logits, 1e-5));
    EXPECT_TRUE(Near(found.deltas, expected.deltas, 1e-5));
  }
}

// Normalises with these.
constexpr char kNormalised[] =
    "pool { roi_pool {} size: 6 } fc { fc_channels: [20, 12] } targets { box_normalization: FIXED "
    "box_mean: [0.1, -0.2, 0.3, 0.5] box_std: [0.5, 2, 3, 0.25] }";
at::Tensor BoxMean() { return at::tensor({0.1, -0.2, 0.3, 0.5}, at::kDouble); }
at::Tensor BoxStd() { return at::tensor({0.5, 2., 3., 0.25}, at::kDouble); }

TEST(FastRcnnHeadTest, UndoesNormalisationOutsideTraining) {
  const auto head = Make(kNormalised);
  const at::Tensor plain = SlowOutput(*head, 1).deltas.view({5, kClasses + 1, 4});
  at::Tensor expected = plain.clone();
  expected.slice(1, 1).mul_(BoxStd()).add_(BoxMean());  // the background's are not used
  EXPECT_TRUE(Near(head->Forward({RoiMaps()}, RoisOfMaps()).deltas, expected.view({5, -1}), 1e-5));
  head->train();
  EXPECT_TRUE(Near(head->Forward({RoiMaps()}, RoisOfMaps()).deltas, plain.view({5, -1}), 1e-5));
}

TEST(FastRcnnHeadTest, TheFoldedBoxPredictorUndoesNormalisation) {
  const auto head = Make(kNormalised);
  const auto rows_of_classes = [](const at::Tensor& rows) {
    return rows.reshape({16, -1}).slice(0, 4);
  };
  const at::Tensor weight = FindTensor(*head, "bbox_pred.weight").detach().view({4, 4, -1});
  const at::Tensor bias = FindTensor(*head, "bbox_pred.bias").detach().view({4, 4});
  const at::Tensor std = BoxStd().to(at::kFloat), mean = BoxMean().to(at::kFloat);
  const auto [folded, folded_bias] = head->FoldedBoxPredictor();
  EXPECT_TRUE(Near(rows_of_classes(folded), rows_of_classes(weight * std.view({1, 4, 1})), 1e-6));
  EXPECT_TRUE(Near(rows_of_classes(folded_bias), rows_of_classes(bias * std + mean), 1e-6));
}

struct Found {
  int64_t label;
  double score;
  SlowBox box;
};

// Of the boxes that overlap `box`, by score.
SlowBox SlowMean(const std::vector<Found>& voters, const SlowBox& box, double iou, double plus) {
  SlowBox sum = {};
  double weight = 0;
  for (const Found& voter : voters) {
    if (!(SlowIou(voter.box, box, plus) > iou)) continue;
    for (size_t j = 0; j < 4; ++j) sum[j] += voter.score * voter.box[j];
    weight += voter.score;
  }
  for (double& side : sum) side /= weight;
  return sum;
}

struct Corners {
  double plus = 0, larger = 0;
};

// Every RoI of image 0 as an object of the class, if its box is not too small.
std::vector<Found> SlowObjects(const HeadOutput& output, const at::Tensor& rois, int64_t label,
                               const Corners& corners) {
  std::vector<Found> objects;
  for (int64_t r = 0; r < rois.size(0); ++r) {
    const SlowDeltas deltas = BoxAt(output.deltas.slice(1, 4 * label, 4 * label + 4), r);
    const SlowBox box =
        SlowDecode(BoxAt(rois, r), deltas, {10, 10, 5, 5}, corners.plus, corners.larger);
    const SlowBox clipped = SlowClip(box, 128, 144, corners.plus);
    const double least = std::min(clipped[2] - clipped[0], clipped[3] - clipped[1]) + corners.plus;
    if (least >= 8) objects.push_back({label, SlowProbability(output.logits[r], label), clipped});
  }
  return objects;
}

// Those with a higher score, best first.
std::vector<Found> Best(const std::vector<Found>& objects, double min_score) {
  std::vector<Found> best;
  std::copy_if(objects.begin(), objects.end(), std::back_inserter(best),
               [&](const Found& object) { return object.score > min_score; });
  std::stable_sort(best.begin(), best.end(),
                   [](const Found& a, const Found& b) { return a.score > b.score; });
  return best;
}

// The RoIs of image 0 with their logits and deltas.
std::vector<Found> SlowDetections(const HeadOutput& output, const at::Tensor& rois,
                                  const Corners& corners, double voting_iou) {
  std::vector<Found> all;
  for (int64_t label = 1; label <= kClasses; ++label) {
    const std::vector<Found> objects = SlowObjects(output, rois, label, corners);
    const std::vector<Found> of_class = Best(objects, 0.1), voters = Best(objects, 0.001);
    std::vector<SlowBox> boxes;
    for (const Found& one : of_class) boxes.push_back(one.box);
    for (const size_t i : SlowNms(boxes, 0.3, corners.plus)) {
      all.push_back(of_class[i]);
      if (voting_iou < 1) all.back().box = SlowMean(voters, boxes[i], voting_iou, corners.plus);
    }
  }
  all = Best(all, 0);
  if (all.size() > 30) all.resize(30);
  return all;
}

void ExpectDetections(const Detections& found, const std::vector<Found>& expected) {
  ASSERT_EQ(found.boxes.size(0), static_cast<int64_t>(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    EXPECT_EQ(found.labels[row].item<int64_t>(), expected[i].label);
    EXPECT_NEAR(found.scores[row].item<double>(), expected[i].score, 1e-5);
    const SlowBox box = BoxAt(found.boxes, row);
    for (size_t j = 0; j < 4; ++j) EXPECT_NEAR(box[j], expected[i].box[j], 1e-3);
  }
}

TEST(FastRcnnHeadTest, UsesTheCornerConventionOfItsConfig) {
  const int64_t count = 40;
  const at::Tensor corner = at::rand({count, 2}, Generator(1)) * 90;
  const at::Tensor rois =
      at::cat({corner, corner + 10 + at::rand({count, 2}, Generator(2)) * 60}, 1);
  const HeadOutput output = {at::randn({count, kClasses + 1}, Generator(3)) * 2,
                             at::randn({count, 4 * (kClasses + 1)}, Generator(4))};
  for (const auto& [inclusive, larger, voting_iou] :
       {std::tuple(false, false, 1.0), std::tuple(true, false, 1.0), std::tuple(true, true, 1.0),
        std::tuple(false, false, 0.4), std::tuple(true, true, 0.4)}) {
    SCOPED_TRACE(absl::StrCat(inclusive, larger, voting_iou));
    const auto head = Make(absl::StrCat(
        "fc { fc_channels: 5 } detections { min_score: 0.1 nms_iou: 0.3 max_per_image: 30 "
        "min_side_px: 8 voting_iou: ",
        voting_iou, " } box_coder { weight: [10, 10, 5, 5] inclusive_corners: ", inclusive,
        " decode_one_pixel_larger: ", larger, " }"));
    const Corners corners = {inclusive ? 1.0 : 0.0, larger ? 1.0 : 0.0};
    const std::vector<Found> expected = SlowDetections(output, rois, corners, voting_iou);
    EXPECT_GT(expected.size(), 10u);
    ExpectDetections(head->Detect(output, rois, {128, 144}), expected);
  }
}

TEST(FastRcnnHeadTest, WithoutRoisThereIsNoLoss) {
  const auto head = Make("fc { fc_channels: 5 }");
  const GroundTruths nothing = {{at::empty({0, 4}), at::empty({0}, at::kLong), at::Tensor()}};
  const RoiSamples samples = head->Sample({at::empty({0, 4})}, nothing, Generator());
  const HeadLosses losses = head->Losses(head->Forward({RoiMaps()}, samples.rois), samples);
  EXPECT_EQ(losses.classes.item<double>(), 0);
  EXPECT_EQ(losses.box.item<double>(), 0);
}

// Two RoIs, one on an object, with a coder, a loss and a normalisation that are not the defaults.
TEST(FastRcnnHeadTest, TrainsAsItsConfigSays) {
  const auto head = Make(
      "fc { fc_channels: 5 } targets { add_ground_truth: false foreground_iou: 0.9 "
      "background_max_iou: 0.9 box_normalization: FIXED box_mean: [0.5, 0, 0, 0] "
      "box_std: [2, 2, 2, 2] } box_coder { weight: [1, 1, 1, 1] } "
      "loss { smooth_l1_beta: 1 box_weight: 3 }");
  const at::Tensor object = at::tensor({10.f, 10.f, 110.f, 110.f}).view({1, 4});
  const at::Tensor shifted = at::tensor({14.f, 10.f, 114.f, 110.f}).view({1, 4});
  const GroundTruths truths = {{object, at::tensor({2}, at::kLong), at::Tensor()}};
  const at::Tensor far = object + 200;
  const RoiSamples samples = head->Sample({at::cat({shifted, far})}, truths, Generator());
  ASSERT_EQ(samples.rois.size(0), 2);
  EXPECT_EQ(samples.positives, 1);
  const HeadOutput output = {at::zeros({2, kClasses + 1}), at::zeros({2, 4 * (kClasses + 1)})};
  const HeadLosses losses = head->Losses(output, samples);
  EXPECT_NEAR(losses.classes.item<double>(), std::log(kClasses + 1), 1e-6);
  // The target is (-0.04, 0, 0, 0), less the mean, divided by the deviation.
  const double x = (-0.04 - 0.5) / 2;
  EXPECT_NEAR(losses.box.item<double>(), 3 * x * x / 2 / 2, 1e-6);
}

TEST(FastRcnnHeadTest, ErrorsNameTheFieldOfTheConfig) {
  const auto error = [](const std::string& text, std::vector<FeatureLevel> levels,
                        const std::string& backbone = "zf {}", int64_t classes = kClasses) {
    return Create(text, std::move(levels), classes, backbone).status();
  };
  EXPECT_THAT(error("", {{4, 16}}, "zf {}", 0),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("num_classes is 0")));
  EXPECT_THAT(error("pool { roi_pool {} }", {{4, 4}, {4, 8}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("head.pool.roi_pool")));
  EXPECT_THAT(error("layer4 {}", {{4, 16}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("head.layer4 needs")));
  EXPECT_THAT(
      error("layer4 {}", {{4, 16}}, "resnet {}"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1024 channels, not one of 4")));
  EXPECT_THAT(error("layer4 { stride: 3 }", {{1024, 16}}, "resnet {}"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("head.layer4.stride is 3")));
  EXPECT_THAT(error("fc { dropout: 1 }", {{4, 16}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("head.fc.dropout is 1")));
}

TEST(FastRcnnHeadTest, ArgumentsOfTheWrongShapeAreErrors) {
  const auto head = Make("fc { fc_channels: 5 }");
  EXPECT_THROW(head->Pool(std::vector<at::Tensor>(), RoisOfMaps()), c10::Error);
  EXPECT_THROW(head->Sample({at::empty({0, 4})}, {}, Generator()), c10::Error);
  EXPECT_THROW(head->SetBoxNormalization(at::zeros({4, 4}), at::zeros({4, 4})), c10::Error);
  EXPECT_THROW(head->SetBoxNormalization(at::zeros({3, 4}), at::ones({3, 4})), c10::Error);
}

}  // namespace
}  // namespace rcnn::detection
