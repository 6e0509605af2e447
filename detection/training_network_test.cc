#include "rcnn/detection/training_network.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/autocast_scope.h"
#include "rcnn/base/testing/fake_graphs.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/counted_truths.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/module_parts.h"

namespace rcnn::detection {
namespace {

at::Generator Seeded(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

constexpr char kTiny[] = "backbone { tiny { channels: 8 } } ";
constexpr char kRpn[] =
    "rpn { channels: 16 anchors { aspect_ratio: 1 size_px: [24, 48] }"
    "      train_proposals { before_nms: 100 after_nms: 20 } } ";
constexpr char kHead[] = "head { fc { fc_channels: [16] } targets { rois_per_image: 8 } } ";
// Frozen batch norms, and maps of which the coarsest is for the RPN alone.
constexpr char kPyramid[] =
    "backbone { resnet { depth: RESNET_18 } } fpn { channels: 8 } "
    "rpn { objectness: SOFTMAX anchors { aspect_ratio: 1 size_px: [12, 24, 48, 96, 192] }"
    "      train_proposals { before_nms: 100 after_nms: 20 } } ";

enum class Part { kJoint, kRpn, kHead };

struct Case {
  std::string model;
  Part part = Part::kJoint;
  int64_t frozen_stages = 0;
  bool in_bfloat16 = false;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.model << static_cast<int>(c.part) << " " << c.frozen_stages << c.in_bfloat16;
}

std::shared_ptr<FasterRcnn> Make(const Case& c) {
  const auto config = configs::ParseTextOrDie<configs::ModelConfig>(c.model);
  auto model = FasterRcnn::Create(config, 3).value();
  ResetParameters(*model, Seeded(7));
  model->train();
  model->backbone()->FreezeStages(c.frozen_stages);
  return model;
}

// With an object in each image, whose place depends on the seed.
struct Batch {
  BatchMap images;
  TrainingTargets targets;
  std::vector<at::Tensor> proposals;
};

Batch MakeBatch(const std::vector<ops::ImageSize>& sizes, uint64_t seed) {
  Batch batch;
  const auto count = static_cast<int64_t>(sizes.size());
  batch.images = CutImages(at::randn({count, 3, 96, 96}, Seeded(seed)), sizes);
  for (int64_t b = 0; b < count; ++b) {
    const ops::ImageSize& size = sizes[static_cast<size_t>(b)];
    batch.targets.sizes.push_back(
        {static_cast<float>(size.height), static_cast<float>(size.width), 1});
    const at::Tensor box =
        at::tensor({4.f, 6.f, 36.f, 40.f}).view({1, 4}) + static_cast<float>(b + seed % 8);
    batch.targets.truths.push_back({box, at::full({1}, 1 + b, at::kLong), {}, 10 + b});
    batch.proposals.push_back(at::cat({box + 3, box * 0.5}));
  }
  batch.targets.counted =
      CountTruths(batch.targets.truths, batch.targets.sizes, c10::Device(c10::DeviceType::CPU));
  return batch;
}

at::Tensor Loss(const FasterRcnn& model, NetworkOutput network, const Batch& batch, Part part) {
  switch (part) {
    case Part::kJoint:
      return model.ComputeLosses(std::move(network), batch.targets, Seeded(3)).Total();
    case Part::kRpn:
      return model.ComputeRpnLosses(network, batch.targets, Seeded(3)).Total();
    case Part::kHead:
      break;
  }
  return model.ComputeHeadLosses(network.maps, batch.proposals, batch.targets.truths, Seeded(3))
      .Total();
}

// The network with graphs, and one without.
class TrainingNetworkTest : public ::testing::TestWithParam<Case> {
 protected:
  static constexpr double kRate = 0.01;

  void SetUp() override {
    if (GetParam().in_bfloat16) RCNN_SKIP_WITHOUT_CPU_AUTOCAST();
  }

  at::Tensor LossOfFound(const Batch& batch) {
    const std::unique_ptr<AutocastScope> scope = BeginForward();
    return Loss(*found_, network_.Forward(batch.images), batch, GetParam().part);
  }

  at::Tensor ExpectedLoss(const Batch& batch) const {
    const std::unique_ptr<AutocastScope> scope = BeginForward();
    return Loss(*expected_, expected_->ComputeNetwork(batch.images), batch, GetParam().part);
  }

  void Train(const std::vector<ops::ImageSize>& sizes) {
    const Batch batch = MakeBatch(sizes, ++seed_);
    const at::Tensor found = LossOfFound(batch), expected = ExpectedLoss(batch);
    EXPECT_TRUE(found.equal(expected));
    found.backward();
    expected.backward();
    Step(*found_);
    Step(*expected_);
  }

  void ExpectSameWeights() const {
    const auto wanted = expected_->named_parameters();
    for (const auto& item : found_->named_parameters()) {
      EXPECT_TRUE(!item.value().defined() || item.value().equal(wanted[item.key()])) << item.key();
    }
  }

  static void Step(const FasterRcnn& model) {
    const at::NoGradGuard no_grad;
    for (at::Tensor parameter : model.parameters()) {
      if (!parameter.grad().defined()) continue;
      parameter.sub_(parameter.grad(), kRate);
      parameter.mutable_grad().reset();
    }
  }

  rcnn::testing::FakeGraphs graphs_;
  const std::shared_ptr<FasterRcnn> found_ = Make(GetParam()), expected_ = Make(GetParam());
  TrainingNetwork network_{found_, /*max_graphs=*/4};
  uint64_t seed_ = 0;

 private:
  static std::unique_ptr<AutocastScope> BeginForward() {
    if (!GetParam().in_bfloat16) return nullptr;
    return std::make_unique<AutocastScope>(c10::DeviceType::CPU, at::kBFloat16);
  }
};

TEST_P(TrainingNetworkTest, WeightsHaveTheBitsThatTheyHaveWithoutGraphs) {
  const std::vector<std::vector<ops::ImageSize>> batches = {
      {{64, 96}, {64, 96}}, {{96, 64}}, {{64, 96}, {96, 64}}};
  for (int round = 0; round < 3; ++round) {
    for (const auto& sizes : batches) Train(sizes);
    ExpectSameWeights();
  }
  EXPECT_EQ(graphs_.recorded(), 3);
  // Of each size in the second and the third round, forward and backward.
  EXPECT_EQ(graphs_.replayed(), 2 * 3 * 2);
  EXPECT_EQ(network_.num_graphs(), 3);
}

INSTANTIATE_TEST_SUITE_P(Networks, TrainingNetworkTest,
                         ::testing::Values(Case{std::string(kTiny) + kRpn + kHead},
                                           Case{std::string(kTiny) + kRpn, Part::kRpn},
                                           Case{std::string(kTiny) + kHead, Part::kHead},
                                           Case{std::string(kTiny) + kRpn + kHead, Part::kJoint, 1,
                                                true},
                                           Case{std::string(kPyramid) + kHead, Part::kJoint, 2},
                                           Case{std::string(kPyramid) + kHead, Part::kHead, 2}));

TEST(FrozenTrainingNetworkTest, HasNoGraphs) {
  const rcnn::testing::FakeGraphs graphs;
  const auto model = Make({std::string(kTiny) + kHead});
  Freeze(*model->backbone());
  TrainingNetwork network(model, /*max_graphs=*/4);
  for (uint64_t seed = 0; seed < 3; ++seed) {
    const Batch batch = MakeBatch({{64, 64}}, seed);
    const NetworkOutput output = network.Forward(batch.images);
    EXPECT_TRUE(output.rpn.empty());
    EXPECT_TRUE(output.maps.parts.front().levels.front().equal(
        model->Features(batch.images).parts.front().levels.front()));
  }
  EXPECT_EQ(graphs.recorded(), 0);
}

}  // namespace
}  // namespace rcnn::detection
