// The head's conventions against plain references: pooling, corners, dropout that scales
// in test, sampling, targets and losses.

#include "rcnn/detection/fast_rcnn_head.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/autocast_scope.h"
#include "rcnn/base/tensor_memory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/testing/slow_boxes.h"
#include "rcnn/detection/testing/slow_layers.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/testing/queue_device.h"

namespace rcnn::detection {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAreArray;

constexpr int64_t kClasses = 3;
constexpr int64_t kChannels = 4;
constexpr double kStride = 16;

at::Generator Generator(uint64_t seed = 7) { return at::detail::createCPUGenerator(seed); }

absl::StatusOr<std::shared_ptr<FastRcnnHead>> Create(const std::string& text,
                                                     std::vector<FeatureLevel> levels,
                                                     int64_t num_classes = kClasses,
                                                     const std::string& backbone = "zf {}") {
  configs::HeadConfig config;
  configs::BackboneConfig network;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &config)) << text;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(backbone, &network)) << backbone;
  return FastRcnnHead::Create(config, network, levels, num_classes);
}

std::shared_ptr<FastRcnnHead> Make(const std::string& text) {
  auto head = Create(text, {{kChannels, 16}}).value();
  FillAtRandom(*head, 0.4, 12);
  head->eval();
  return head;
}

at::Tensor Map() { return at::randn({2, kChannels, 8, 9}, Generator()); }

// Of both images, 128 x 144 px: inside, across the border, of one cell, and with
// corners half-way between cells.
at::Tensor Rois() {
  return at::tensor({0.f, 10.f,  14.f, 90.f,  110.f,  //
                     1.f, 50.f,  3.f,  140.f, 127.f,  //
                     1.f, 33.f,  33.f, 35.f,  36.f,   //
                     0.f, 100.f, 90.f, 170.f, 150.f,  //
                     0.f, 24.f,  40.f, 88.f,  72.f})
      .view({5, 5});
}

// The maximum of every bin of `size` x `size`: Fast R-CNN, Sec. 2.1, with all borders
// rounded.
at::Tensor SlowRoiPool(const at::Tensor& maps, const at::Tensor& rois, int64_t size) {
  at::Tensor pooled = at::zeros({rois.size(0), maps.size(1), size, size}, at::kDouble);
  for (int64_t r = 0; r < rois.size(0); ++r) {
    const at::Tensor map = maps[rois[r][0].item<int64_t>()].to(at::kDouble);
    // First cell and, one further, last cell of a bin along an axis.
    const auto range = [&](int64_t axis, int64_t bin) {
      const double first = std::round(rois[r][1 + axis].item<double>() / kStride);
      const double last = std::round(rois[r][3 + axis].item<double>() / kStride);
      const double side = std::max(last - first + 1, 1.0) / static_cast<double>(size);
      const double most = static_cast<double>(map.size(2 - axis));
      const auto clip = [&](double cell) { return std::min(std::max(cell, 0.0), most); };
      return std::pair(static_cast<int64_t>(clip(first + std::floor(bin * side))),
                       static_cast<int64_t>(clip(first + std::ceil((bin + 1) * side))));
    };
    for (int64_t i = 0; i < size * size; ++i) {
      const auto [top, bottom] = range(1, i / size);
      const auto [left, right] = range(0, i % size);
      if (top >= bottom || left >= right) continue;
      pooled[r]
          .select(1, i / size)
          .select(1, i % size)
          .copy_(map.slice(1, top, bottom).slice(2, left, right).amax({1, 2}));
    }
  }
  return pooled;
}

TEST(FastRcnnHeadTest, RoiPoolTakesTheMaximumOfBins) {
  for (const int64_t size : {3, 7}) {
    const auto head =
        Make(absl::StrCat("pool { roi_pool {} size: ", size, " } fc { fc_channels: 5 }"));
    EXPECT_TRUE(Near(head->Pool({Map()}, Rois()), SlowRoiPool(Map(), Rois(), size), 1e-6));
  }
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
  const at::Tensor map = Map(), rois = ManyRois();
  const HeadOutput all = head->Forward(std::vector<at::Tensor>{map}, rois);
  FeatureMaps together;
  together.levels = {map};
  for (const BatchFeatures& maps : {BatchFeatures(together), MapsApart(map)}) {
    const TensorMemory memory;
    const HeadOutput output = head->Forward(maps, rois);
    // The features of all would take so much; those of parts are joined.
    EXPECT_LT(memory.peak_bytes(),
              static_cast<int64_t>(maps.parts.size()) * 1000 * kChannels * 7 * 7 * 4);
    EXPECT_TRUE(Near(output.logits, all.logits, 1e-5));
    EXPECT_TRUE(Near(output.deltas, all.deltas, 1e-5));
    if (!PanelProductAvailable()) continue;
    EXPECT_TRUE(output.logits.equal(all.logits));
    EXPECT_TRUE(output.deltas.equal(all.deltas));
  }
}

// On a map that is linear in x and y, RoIAlign gives the value at the middle of a bin:
// bilinear interpolation of a plane is the plane, and samples lie around the middle.
TEST(FastRcnnHeadTest, RoiAlignReadsTheMiddleOfBins) {
  const at::Tensor x = at::arange(20, at::kFloat).view({1, 20}).expand({20, 20});
  const at::Tensor y = at::arange(20, at::kFloat).view({20, 1}).expand({20, 20});
  const at::Tensor map = at::stack({x, y, x + 10 * y, x * 0 + 3}).unsqueeze(0);
  const at::Tensor roi = at::tensor({0.f, 40.f, 64.f, 200.f, 224.f}).view({1, 5});
  for (const auto& [options, shift] : {std::pair("", 0.5), std::pair("sampling_ratio: 2", 0.5),
                                       std::pair("half_pixel_centers: false", 0.0)}) {
    SCOPED_TRACE(options);
    const auto head =
        Make(absl::StrCat("pool { roi_align { ", options, " } size: 5 } fc { fc_channels: 5 }"));
    const at::Tensor pooled = head->Pool({map}, roi);
    for (int64_t i = 0; i < 5; ++i) {
      const double along_x = 40 / kStride + 160 / kStride * (i + 0.5) / 5 - shift;
      const double along_y = 64 / kStride + 160 / kStride * (i + 0.5) / 5 - shift;
      EXPECT_NEAR(pooled[0][0][2][i].item<double>(), along_x, 1e-4);
      EXPECT_NEAR(pooled[0][1][i][2].item<double>(), along_y, 1e-4);
      EXPECT_NEAR(pooled[0][2][i][i].item<double>(), along_x + 10 * along_y, 1e-3);
      EXPECT_NEAR(pooled[0][3][i][0].item<double>(), 3, 1e-5);
    }
  }
}

// What Pool gives for maps of bfloat16, and their gradients if it is differentiated by the same
// numbers in the type of the result.
struct PooledShort {
  at::Tensor pooled;
  std::vector<at::Tensor> gradients;
};

PooledShort PoolShort(const FastRcnnHead& head, const std::vector<at::Tensor>& maps,
                      const at::Tensor& rois, bool autocast) {
  const at::Device device = maps.front().device();
  const at::Tensor own_rois = rois.to(device);
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& map : maps) leaves.push_back(map.detach().requires_grad_());
  ops::testing::TakeWaits();
  PooledShort result;
  {
    std::optional<AutocastScope> scope;
    if (autocast) scope.emplace(device.type(), at::kBFloat16);
    result.pooled = head.Pool(leaves, own_rois);
  }
  EXPECT_THAT(ops::testing::TakeWaits(), ::testing::IsEmpty());
  const at::Tensor grad =
      at::randn(result.pooled.sizes(), Generator(5)).to(at::kBFloat16).to(device);
  result.pooled.backward(grad.to(result.pooled.scalar_type()));
  for (const at::Tensor& leaf : leaves) result.gradients.push_back(leaf.grad().cpu());
  result.pooled = result.pooled.detach().cpu();
  return result;
}

// Pools from one or two maps of bfloat16 by `pool`, on the CPU and on a device. The device gives
// the numbers and gradients of the CPU, rounded to `type` under autocast.
void ExpectNumbersOfTheCpu(const std::string& pool, size_t num_maps, at::ScalarType type) {
  SCOPED_TRACE(absl::StrCat(pool, " of ", num_maps));
  std::vector<FeatureLevel> levels = {{kChannels, 16}, {kChannels, 32}};
  std::vector<at::Tensor> maps = {Map(), at::randn({2, kChannels, 4, 5}, Generator(8))}, far;
  levels.resize(num_maps);
  maps.resize(num_maps);
  for (at::Tensor& map : maps) {
    map = map.to(at::kBFloat16);
    far.push_back(map.to(ops::testing::QueueDevice()));
  }
  const std::string config = absl::StrCat("pool { ", pool, " size: 3 } fc { fc_channels: 5 }");
  const auto head = Create(config, levels).value();
  const PooledShort on_cpu = PoolShort(*head, maps, Rois(), /*autocast=*/true);
  const PooledShort plain = PoolShort(*head, far, Rois(), /*autocast=*/false);
  const PooledShort rounded = PoolShort(*head, far, Rois(), /*autocast=*/true);
  EXPECT_EQ(on_cpu.pooled.scalar_type(), at::kFloat);
  EXPECT_TRUE(plain.pooled.equal(on_cpu.pooled));
  EXPECT_EQ(rounded.pooled.scalar_type(), type);
  EXPECT_TRUE(rounded.pooled.equal(on_cpu.pooled.to(type)));
  for (size_t i = 0; i < num_maps; ++i) {
    EXPECT_EQ(rounded.gradients[i].scalar_type(), at::kBFloat16);
    EXPECT_TRUE(rounded.gradients[i].equal(on_cpu.gradients[i]));
    EXPECT_TRUE(plain.gradients[i].equal(on_cpu.gradients[i]));
  }
}

// Under autocast; the CPU and a device without autocast compute from a copy in float32.
TEST(FastRcnnHeadTest, RoiAlignReadsShortMapsOfADevice) {
  for (const size_t num_maps : {1, 2}) {
    ExpectNumbersOfTheCpu("roi_align { sampling_ratio: 2 }", num_maps, at::kBFloat16);
  }
}

TEST(FastRcnnHeadTest, RoiPoolReadsACopyOfShortMapsInFloat32) {
  ExpectNumbersOfTheCpu("roi_pool {}", 1, at::kFloat);
}

// Lin et al., Eq. 1: a RoI of 224 px is read at stride 16, and half the side one finer.
TEST(FastRcnnHeadTest, APyramidIsReadAtTheLevelOfTheRoisSize) {
  std::vector<at::Tensor> maps;
  std::vector<FeatureLevel> levels;
  for (int64_t i = 0; i < 4; ++i) {
    levels.push_back({1, int64_t{4} << i});
    maps.push_back(at::full({1, 1, 256 >> i, 256 >> i}, static_cast<double>(i), at::kFloat));
  }
  maps.push_back(at::full({1, 1, 16, 16}, 99.f));  // of the RPN alone
  const auto head = Create("fc { fc_channels: 5 }", levels).value();
  const auto level = [&](float side) {
    const at::Tensor roi = at::tensor({0.f, 100.f, 100.f, 100.f + side, 100.f + side}).view({1, 5});
    const at::Tensor pooled = head->Pool(maps, roi);
    const double mean = pooled.mean().item<double>(), value = std::round(mean);
    EXPECT_TRUE(Near(pooled, at::full_like(pooled, value), 1e-6)) << side;
    return value;
  };
  EXPECT_EQ(level(20), 0);
  EXPECT_EQ(level(111), 0);
  EXPECT_EQ(level(113), 1);
  EXPECT_EQ(level(223), 1);
  EXPECT_EQ(level(225), 2);
  EXPECT_EQ(level(447), 2);
  EXPECT_EQ(level(449), 3);
  EXPECT_EQ(level(900), 3);
}

// The network of 2015 from map to outputs: RoIPool, fc layers halved at test time, and
// the two predictors.
HeadOutput SlowOutput(const torch::nn::Module& head, double keep) {
  const auto linear = [&](const std::string& name, const at::Tensor& x) {
    return SlowLinear(x, FindTensor(head, name + ".weight"), FindTensor(head, name + ".bias"));
  };
  at::Tensor x = SlowRoiPool(Map(), Rois(), 6).flatten(1);
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
    const HeadOutput found = head->Forward({Map()}, Rois());
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
  EXPECT_TRUE(Near(head->Forward({Map()}, Rois()).deltas, expected.view({5, -1}), 1e-5));
  head->train();
  EXPECT_TRUE(Near(head->Forward({Map()}, Rois()).deltas, plain.view({5, -1}), 1e-5));
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

// Of a row of logits.
double SlowScore(const at::Tensor& logits, int64_t label) {
  double sum = 0;
  for (int64_t k = 0; k < logits.size(0); ++k) sum += std::exp(logits[k].item<double>());
  return std::exp(logits[label].item<double>()) / sum;
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
    if (least >= 8) objects.push_back({label, SlowScore(output.logits[r], label), clipped});
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

// One image with two objects, and one with an object and a crowd.
GroundTruths Truths() {
  return {{at::tensor({10.f, 10.f, 49.f, 59.f, 60.f, 20.f, 119.f, 79.f}).view({2, 4}),
           at::tensor({2, 3}, at::kLong), at::Tensor()},
          {at::tensor({20.f, 20.f, 79.f, 79.f, 0.f, 90.f, 140.f, 128.f}).view({2, 4}),
           at::tensor({1, 1}, at::kLong), at::tensor({0, 1}, at::kLong).to(at::kBool)}};
}

std::vector<at::Tensor> Proposals() {
  std::vector<at::Tensor> proposals;
  for (const uint64_t seed : {21, 22}) {
    const at::Tensor corner = (at::rand({60, 2}, Generator(seed)) * 80).round();
    const at::Tensor side = (15 + at::rand({60, 2}, Generator(seed + 10)) * 50).round();
    proposals.push_back(at::cat({corner, corner + side}, 1));
  }
  return proposals;
}

struct SlowRoi {
  int64_t image;
  SlowBox box;
  int64_t label;
  SlowDeltas target;
};

// Box 1 of image 1, which is as wide as the image.
bool IsHiddenByTheCrowd(const SlowBox& box, int64_t image, double plus) {
  if (image != 1) return false;
  const SlowBox crowd = BoxAt(Truths()[1].boxes, 1);
  const double rows = std::min(box[3], crowd[3]) - std::max(box[1], crowd[1]) + plus;
  return rows / (box[3] - box[1] + plus) > 0.7;
}

// Adds the box of the image to RoIs that may be sampled: IoU >= 0.5 objects, [0.1, 0.4) background.
void AddRoi(const SlowBox& box, int64_t image, int64_t objects, double plus,
            std::vector<SlowRoi>& rois) {
  const GroundTruth truth = Truths()[static_cast<size_t>(image)];
  double best = 0;
  int64_t match = 0;
  for (int64_t g = 0; g < objects; ++g) {
    const double iou = SlowIou(box, BoxAt(truth.boxes, g), plus);
    if (iou > best) match = g;
    best = std::max(best, iou);
  }
  if (best >= 0.5) {
    rois.push_back({image, box, truth.labels[match].item<int64_t>(),
                    SlowEncode(box, BoxAt(truth.boxes, match), {10, 10, 5, 5}, plus)});
  } else if (best >= 0.1 && best < 0.4 && !IsHiddenByTheCrowd(box, image, plus)) {
    rois.push_back({image, box, 0, {0, 0, 0, 0}});
  }
}

// Every RoI that may be sampled.
std::vector<SlowRoi> AllRois(double plus, bool add_truth) {
  std::vector<SlowRoi> all;
  for (const int64_t image : {0, 1}) {
    const auto index = static_cast<size_t>(image);
    const at::Tensor proposals = Proposals()[index], truth = Truths()[index].boxes;
    const int64_t objects = image == 0 ? 2 : 1;  // then the crowd
    for (int64_t i = 0; i < proposals.size(0); ++i) {
      AddRoi(BoxAt(proposals, i), image, objects, plus, all);
    }
    for (int64_t g = 0; g < objects && add_truth; ++g) {
      AddRoi(BoxAt(truth, g), image, objects, plus, all);
    }
  }
  return all;
}

int64_t CountPositives(const std::vector<SlowRoi>& rois) {
  return std::count_if(rois.begin(), rois.end(), [](const SlowRoi& roi) { return roi.label > 0; });
}

std::vector<double> Row(const SlowRoi& roi) {
  const auto& [image, box, label, target] = roi;
  return {static_cast<double>(image), box[0], box[1], box[2], box[3], static_cast<double>(label)};
}

std::vector<std::vector<double>> Rows(const RoiSamples& samples) {
  std::vector<std::vector<double>> rows;
  for (int64_t i = 0; i < samples.rois.size(0); ++i) {
    const SlowBox box = BoxAt(samples.rois.slice(1, 1), i);
    rows.push_back({samples.rois[i][0].item<double>(), box[0], box[1], box[2], box[3],
                    samples.labels[i].item<double>()});
  }
  return rows;
}

std::string SampleConfig(const std::string& more) {
  return "fc { fc_channels: 5 } targets { background_max_iou: 0.4 background_min_iou: 0.1 " + more;
}

// In any order.
void ExpectRois(const RoiSamples& samples, const std::vector<SlowRoi>& expected) {
  std::vector<std::vector<double>> rows;
  for (const SlowRoi& roi : expected) rows.push_back(Row(roi));
  const std::vector<std::vector<double>> found = Rows(samples);
  EXPECT_THAT(found, UnorderedElementsAreArray(rows));
  for (const SlowRoi& roi : expected) {
    const auto at = std::find(found.begin(), found.end(), Row(roi));
    if (at == found.end()) continue;  // reported above
    const SlowDeltas target = BoxAt(samples.box_targets, at - found.begin());
    for (size_t j = 0; j < 4; ++j) EXPECT_NEAR(target[j], roi.target[j], 1e-4);
  }
}

TEST(FastRcnnHeadTest, SamplesRoisByItsRule) {
  for (const bool inclusive : {false, true}) {
    for (const bool add_truth : {false, true}) {
      SCOPED_TRACE(absl::StrCat("inclusive ", inclusive, " add ", add_truth));
      const auto head = Make(SampleConfig(absl::StrCat(
          "rois_per_image: 1000000 add_ground_truth: ", add_truth,
          " } box_coder { weight: [10, 10, 5, 5] inclusive_corners: ", inclusive, " }")));
      const RoiSamples samples = head->Sample(Proposals(), Truths(), Generator());
      const std::vector<SlowRoi> expected = AllRois(inclusive ? 1 : 0, add_truth);
      ExpectRois(samples, expected);
      EXPECT_EQ(samples.positives, CountPositives(expected));
      EXPECT_GE(samples.positives, add_truth ? 5 : 2);
      EXPECT_GT(expected.size(), 20u);
    }
  }
}

TEST(FastRcnnHeadTest, SamplesTheConfiguredNumberOfRois) {
  const auto head = Make(SampleConfig("rois_per_image: 8 positive_fraction: 0.25 }"));
  const RoiSamples samples = head->Sample(Proposals(), Truths(), Generator(1));
  EXPECT_EQ(samples.rois.size(0), 16);
  int64_t positives[] = {0, 0};  // at most a quarter of each image's eight
  for (const SlowRoi& roi : AllRois(0, true)) positives[roi.image] += roi.label > 0;
  EXPECT_GT(positives[0], 2);
  const int64_t expected = std::min<int64_t>(positives[0], 2) + std::min<int64_t>(positives[1], 2);
  EXPECT_EQ(samples.positives, expected);
  EXPECT_EQ((samples.labels > 0).sum().item<int64_t>(), expected);
  EXPECT_TRUE(samples.rois.equal(head->Sample(Proposals(), Truths(), Generator(1)).rois));
  EXPECT_FALSE(samples.rois.equal(head->Sample(Proposals(), Truths(), Generator(2)).rois));
}

TEST(FastRcnnHeadTest, AnImageHasTheSameRoisInAnyBatch) {
  const auto head = Make(SampleConfig("rois_per_image: 8 positive_fraction: 0.25 }"));
  GroundTruths truths = Truths();
  truths[0].image_id = 5;
  truths[1].image_id = 6;
  const RoiSamples both = head->Sample(Proposals(), truths, Generator(1));
  const auto sample_second = [&] {
    return head->Sample({Proposals()[1]}, {truths[1]}, Generator(1));
  };
  const RoiSamples alone = sample_second();
  ASSERT_EQ(alone.rois.size(0), 8);
  EXPECT_TRUE(alone.rois.slice(1, 1).equal(both.rois.slice(0, 8).slice(1, 1)));
  EXPECT_TRUE(alone.draw_rows.equal(both.draw_rows.slice(0, 8)));
  EXPECT_TRUE(alone.draw_rows.select(1, 0).eq(6).all().item<bool>());
  EXPECT_TRUE(alone.draw_rows.select(1, 1).equal(at::arange(8, at::kLong)));
  truths[1].image_id = 7;
  EXPECT_FALSE(sample_second().rois.equal(alone.rois));
}

TEST(FastRcnnHeadTest, ImageWithoutBoxesGivesNoRois) {
  const auto head = Make("fc { fc_channels: 5 }");
  const GroundTruths nothing = {{at::empty({0, 4}), at::empty({0}, at::kLong), at::Tensor()}};
  const RoiSamples samples = head->Sample({at::empty({0, 4})}, nothing, Generator());
  EXPECT_EQ(samples.rois.sizes().vec(), (std::vector<int64_t>{0, 5}));
  const HeadLosses losses = head->Losses(head->Forward({Map()}, samples.rois), samples);
  EXPECT_EQ(losses.classes.item<double>(), 0);
  EXPECT_EQ(losses.box.item<double>(), 0);
  // Without objects, all proposals are background.
  const RoiSamples background = head->Sample({Proposals()[0]}, nothing, Generator());
  EXPECT_EQ(background.rois.size(0), 60);
  EXPECT_EQ(background.positives, 0);
}

double SmoothL1(double x, double beta) {
  x = std::abs(x);
  return x < beta ? x * x / (2 * beta) : x - beta / 2;
}

// Cross entropy and smooth L1 with beta = 0.5, summed over the RoIs. `mean`, `std` [4, 4]: of each
// class's box targets.
std::pair<double, double> SlowLosses(const HeadOutput& output, const RoiSamples& samples,
                                     const at::Tensor& mean, const at::Tensor& std) {
  double classes = 0, box = 0;
  for (int64_t r = 0; r < samples.rois.size(0); ++r) {
    const int64_t label = samples.labels[r].item<int64_t>();
    classes -= std::log(SlowScore(output.logits[r], label));
    const at::Tensor target = (samples.box_targets[r].to(at::kDouble) - mean[label]) / std[label];
    for (int64_t i = 0; label > 0 && i < 4; ++i) {
      const double delta = output.deltas[r][4 * label + i].item<double>();
      box += SmoothL1(delta - target[i].item<double>(), 0.5);
    }
  }
  return {classes, box};
}

TEST(FastRcnnHeadTest, LossesEqualTheirFormulas) {
  const auto head = Make("fc { fc_channels: 5 } loss { smooth_l1_beta: 0.5 box_weight: 2 }");
  const RoiSamples samples = {Rois(), at::tensor({2, 0, 3, 0, 1}, at::kLong),
                              at::randn({5, 4}, Generator(8)), 3};
  const HeadOutput output = {at::randn({5, 4}, Generator(9)), at::randn({5, 16}, Generator(10))};
  at::Tensor mean = at::zeros({4, 4}), std = at::ones({4, 4});
  for (const bool normalised : {false, true}) {
    if (normalised) {
      mean = at::randn({4, 4}, Generator(5));
      std = at::rand({4, 4}, Generator(6)) + 0.5;
      head->SetBoxNormalization(mean, std);
    }
    const auto [classes, box] = SlowLosses(output, samples, mean, std);
    const HeadLosses losses = head->Losses(output, samples);
    EXPECT_NEAR(losses.classes.item<double>(), classes / 5, 1e-5);
    EXPECT_NEAR(losses.box.item<double>(), 2 * box / 5, 1e-5 * box);
    EXPECT_THAT((std::vector<int64_t>{losses.positives, losses.negatives}), ElementsAre(3, 2));
  }
}

TEST(FastRcnnHeadTest, InvalidBoxesAreNamed) {
  const auto head = Make("fc { fc_channels: 5 }");
  std::vector<at::Tensor> proposals = Proposals();
  proposals[1][7][3].fill_(NAN);
  EXPECT_THAT(ops::ErrorMessage([&] { head->Sample(proposals, Truths(), Generator()); }),
              StartsWith("proposals: row 7 is ("));
  GroundTruths truths = Truths();
  truths[0].boxes[1][2].fill_(-1);
  EXPECT_THAT(ops::ErrorMessage([&] { head->Sample(Proposals(), truths, Generator()); }),
              StartsWith("ground truth: row 1 is ("));
}

TEST(FastRcnnHeadTest, OutputsThatAreNotFiniteAreNamed) {
  const auto head = Make("fc { fc_channels: 5 }");
  const RoiSamples samples = head->Sample(Proposals(), Truths(), Generator());
  const int64_t rows = samples.labels.size(0);
  HeadOutput output = {at::zeros({rows, kClasses + 1}), at::zeros({rows, 4 * (kClasses + 1)})};
  EXPECT_FALSE(head->Losses(output, samples).finite.defined()) << "on the CPU";
  output.deltas[2][1].fill_(NAN);
  EXPECT_THAT(ops::ErrorMessage([&] { head->Losses(output, samples); }),
              StartsWith("deltas of RoIs: row 2 is ("));
  output.logits[3][1].fill_(INFINITY);
  EXPECT_THAT(ops::ErrorMessage([&] { head->Losses(output, samples); }),
              StartsWith("logits of RoIs: row 3 is ("));
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
  EXPECT_THROW(head->Pool(std::vector<at::Tensor>(), Rois()), c10::Error);
  EXPECT_THROW(head->Sample(Proposals(), {}, Generator()), c10::Error);
  EXPECT_THROW(head->SetBoxNormalization(at::zeros({4, 4}), at::zeros({4, 4})), c10::Error);
  EXPECT_THROW(head->SetBoxNormalization(at::zeros({3, 4}), at::ones({3, 4})), c10::Error);
}

}  // namespace
}  // namespace rcnn::detection
