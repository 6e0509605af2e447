#include "rcnn/detection/graphed_network.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/testing/fake_graphs.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/layers.h"

namespace rcnn::detection {
namespace {

constexpr char kHead[] = " head { fc { fc_channels: [16] } detections { min_score: 0.1 } }";
constexpr char kTiny[] =
    "backbone { tiny { channels: 8 } }"
    "rpn { channels: 16 anchors { aspect_ratio: 1 size_px: [24, 48] }"
    "      test_proposals { before_nms: 100 after_nms: 20 } }";
constexpr char kPyramid[] =
    "backbone { resnet { depth: RESNET_18 } } fpn { channels: 16 }"
    "rpn { channels: 16 anchors { aspect_ratio: 1 size_px: [12, 24, 48, 96, 192] }"
    "      test_proposals { before_nms: 100 after_nms: 20 } }";

// Prepared for inference. All classes have about the same score, above min_score.
std::shared_ptr<FasterRcnn> Make(const std::string& text) {
  const auto config = configs::ParseTextOrDie<configs::ModelConfig>(text);
  auto model = FasterRcnn::Create(config, 3).value();
  ResetParameters(*model, at::detail::createCPUGenerator(7));
  model->eval();
  PrepareForInference(*model);
  return model;
}

// Images of these sizes, other ones for each seed.
struct Batch {
  BatchMap images;
  InputSizes inputs;
  std::vector<ops::ImageSize> originals;
};

Batch MakeBatch(const std::vector<ops::ImageSize>& sizes, uint64_t seed) {
  Batch batch;
  const auto count = static_cast<int64_t>(sizes.size());
  const at::Tensor padded = at::randn({count, 3, 128, 128}, at::detail::createCPUGenerator(seed))
                                .contiguous(at::MemoryFormat::ChannelsLast);
  batch.images = CutImages(padded, sizes);
  for (const ops::ImageSize& size : sizes) {
    batch.inputs.push_back({static_cast<float>(size.height), static_cast<float>(size.width), 1});
    batch.originals.push_back({2 * size.height, 2 * size.width});
  }
  return batch;
}

void ExpectEqual(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(a[i].equal(b[i])) << i;
}

void ExpectEqual(const NetworkOutput& found, const FasterRcnn& model, const Batch& batch) {
  const at::NoGradGuard no_grad;
  const BatchFeatures maps = model.Features(batch.images);
  const std::vector<RpnOutput> rpn = model.rpn()->ForwardParts(maps);
  ASSERT_EQ(found.maps.parts.size(), maps.parts.size());
  ASSERT_EQ(found.rpn.size(), rpn.size());
  for (size_t p = 0; p < rpn.size(); ++p) {
    EXPECT_EQ(found.maps.parts[p].height, maps.parts[p].height);
    EXPECT_EQ(found.maps.parts[p].width, maps.parts[p].width);
    ExpectEqual(found.maps.parts[p].levels, maps.parts[p].levels);
    ASSERT_EQ(found.rpn[p].size(), rpn[p].size());
    for (size_t l = 0; l < rpn[p].size(); ++l) {
      ExpectEqual({found.rpn[p][l].logits, found.rpn[p][l].deltas, found.rpn[p][l].anchors},
                  {rpn[p][l].logits, rpn[p][l].deltas, rpn[p][l].anchors});
    }
  }
}

// Of one size; of two sizes, one of them twice.
const std::vector<std::vector<ops::ImageSize>>& Batches() {
  static const auto& batches = *new std::vector<std::vector<ops::ImageSize>>{
      {{96, 128}, {96, 128}}, {{96, 64}, {64, 96}, {96, 64}}};
  return batches;
}

class GraphedNetworkTest : public ::testing::TestWithParam<std::string> {
 protected:
  const rcnn::testing::FakeGraphs graphs_;
};

TEST_P(GraphedNetworkTest, OutputsAreThoseOfTheModel) {
  const auto model = Make(GetParam() + kHead);
  GraphedNetwork network(*model, 8);
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    for (const auto& sizes : Batches()) {
      const Batch batch = MakeBatch(sizes, seed);
      ExpectEqual(network.Forward(batch.images), *model, batch);
    }
  }
  // Two images of 96 x 128 have a graph, and so does one of each of the other sizes.
  EXPECT_EQ(graphs_.recorded(), 3);
  EXPECT_EQ(network.num_graphs(), 3);
  EXPECT_EQ(graphs_.replayed(), 2 + 2 + 5);
}

TEST_P(GraphedNetworkTest, DetectionsAreThoseOfTheModel) {
  const auto model = Make(GetParam() + kHead);
  GraphedNetwork network(*model, 8);
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    const Batch batch = MakeBatch({{96, 64}, {64, 96}}, seed);
    const auto expected = model->Detect(batch.images, batch.inputs, batch.originals);
    const auto found = network.Detect(batch.images, batch.inputs, batch.originals);
    ASSERT_EQ(found.size(), expected.size());
    for (size_t b = 0; b < found.size(); ++b) {
      EXPECT_GT(expected[b].boxes.size(0), 0);
      ExpectEqual({found[b].boxes, found[b].scores, found[b].labels},
                  {expected[b].boxes, expected[b].scores, expected[b].labels});
    }
  }
  EXPECT_EQ(graphs_.replayed(), 4);
}

TEST_P(GraphedNetworkTest, ANetworkWithoutAnRpnHasMapsAlone) {
  const std::string text = GetParam();
  const auto model = Make(text.substr(0, text.find("rpn {")) + kHead);
  GraphedNetwork network(*model, 8);
  const at::NoGradGuard no_grad;
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    const Batch batch = MakeBatch({{96, 64}}, seed);
    const NetworkOutput output = network.Forward(batch.images);
    EXPECT_TRUE(output.rpn.empty());
    ExpectEqual(output.maps.parts.front().levels,
                model->Features(batch.images).parts.front().levels);
  }
  EXPECT_EQ(graphs_.replayed(), 1);
  const Batch batch = MakeBatch({{96, 64}}, 1);
  EXPECT_THROW(network.Detect(batch.images, batch.inputs, batch.originals), c10::Error);
}

INSTANTIATE_TEST_SUITE_P(Networks, GraphedNetworkTest,
                         ::testing::Values(std::string(kTiny), std::string(kPyramid)));

}  // namespace
}  // namespace rcnn::detection
