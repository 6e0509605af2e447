#include "rcnn/training/trainer/shared_norms.h"

#include <ATen/ATen.h>

#include <memory>
#include <mutex>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/training/testing/batch_norm_model.h"
#include "rcnn/training/testing/device_libraries.h"
#include "rcnn/training/testing/run_ranks.h"
#include "rcnn/training/trainer/shared_statistics.h"

namespace rcnn::training {
namespace {

using ::testing::Each;

constexpr int64_t kImages = 4;

std::shared_ptr<detection::FasterRcnn> Model() { return MakeBatchNormModel("shared_norms"); }

at::Tensor Pixels(int64_t batch) {
  return at::randn({kImages, 3, 64, 64}, MakeGenerator({7, "shared_norms", batch, "pixels"}));
}

// A loss that is a sum over images, with different factors.
void Backward(const detection::FasterRcnn& model, const at::Tensor& images, int64_t first) {
  const at::Tensor map = model.Features(images).levels.front();
  const at::Tensor factors = at::arange(first, first + images.size(0), at::kFloat) + 1;
  (map.square().mean({1, 2, 3}) * factors).sum().backward();
}

struct State {
  std::vector<at::Tensor> gradients, statistics;
};

State Read(const detection::FasterRcnn& model) {
  State state;
  for (const at::Tensor& parameter : model.backbone()->parameters()) {
    state.gradients.push_back(parameter.grad().clone());
  }
  for (const auto& item : model.backbone()->named_buffers()) {
    if (item.value().defined()) state.statistics.push_back(item.value().to(at::kFloat));
  }
  return state;
}

void ExpectNear(const std::vector<at::Tensor>& found, const std::vector<at::Tensor>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    const double scale = expected[i].abs().max().item<double>();
    EXPECT_LE((found[i] - expected[i]).abs().max().item<double>(), 1e-3 * scale + 1e-6) << i;
  }
}

// One batch and two, shared by two and four ranks: gradients add up to those of one process, and
// statistics are its. The three ranks exchange values as on GPUs (device_libraries.h).
TEST(SharedNormsTest, PartsGiveWhatTheBatchGives) {
  const ScopedDeviceLibrary library(CpuDeviceLibrary());
  for (const int64_t batches : {1, 2}) {
    const auto alone = Model();
    for (int64_t batch = 0; batch < batches; ++batch) Backward(*alone, Pixels(batch), 0);
    const State expected = Read(*alone);
    for (const int ranks : {2, 3, 4}) {
      if (ranks <= batches) continue;
      std::mutex mutex;
      State sum;
      const auto work = [&](const std::shared_ptr<RankGroup>& group) -> absl::Status {
        if (ranks == 3) {
          RCNN_RETURN_IF_ERROR(group->ConnectDevice(c10::Device(c10::DeviceType::CPU)));
        }
        const auto model = Model();
        const UpdateShare share = ShareOfUpdate(group->rank(), group->size(), batches);
        EXPECT_TRUE(ShareNorms(*model, group, share));
        SharedStatistics statistics(*model);
        const int64_t begin = share.part.Begin(kImages), end = share.part.End(kImages);
        Backward(*model, Pixels(share.iterations.begin).slice(0, begin, end), begin);
        const absl::Status merged = statistics.Merge(*group, share);
        const State state = Read(*model);
        ExpectNear(state.statistics, expected.statistics);
        const std::lock_guard<std::mutex> lock(mutex);
        if (sum.gradients.empty()) {
          sum = state;
        } else {
          for (size_t i = 0; i < sum.gradients.size(); ++i) sum.gradients[i] += state.gradients[i];
        }
        return merged;
      };
      EXPECT_THAT(RunRanks(ranks, work), Each(IsOk()));
      ExpectNear(sum.gradients, expected.gradients);
    }
  }
}

TEST(SharedNormsTest, NetworksWithoutTrainedNormsHaveNothingToExchange) {
  const auto config = configs::ParseTextOrDie<configs::ModelConfig>(
      "backbone { resnet { depth: RESNET_18 } } rpn {}");
  const auto model = detection::FasterRcnn::Create(config, 2).value();
  EXPECT_FALSE(ShareNorms(*model, nullptr, ShareOfUpdate(0, 2, 1)));
}

}  // namespace
}  // namespace rcnn::training
