#include "rcnn/training/trainer/shared_statistics.h"

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/detection/module_parts.h"
#include "rcnn/ops/testing/queue_device.h"
#include "rcnn/training/testing/batch_norm_model.h"
#include "rcnn/training/testing/run_ranks.h"
#include "rcnn/training/trainer/update_share.h"

namespace rcnn::training {
namespace {

using ops::testing::QueueDevice;
using ops::testing::TakeWaits;
using ::testing::Each;
using ::testing::IsEmpty;

constexpr int64_t kBatches = 5;

std::shared_ptr<detection::FasterRcnn> Model() { return MakeBatchNormModel("shared_statistics"); }

void Forward(const detection::FasterRcnn& model, int64_t batch) {
  model.Features(
      at::randn({2, 3, 64, 64}, MakeGenerator({7, "shared_statistics", batch, "pixels"})));
}

std::vector<at::Tensor> Statistics(const detection::FasterRcnn& model) {
  std::vector<at::Tensor> statistics;
  for (const auto& item : model.named_buffers()) {
    if (item.value().defined()) statistics.push_back(item.value().to(at::kDouble));
  }
  return statistics;
}

// Two updates, as the second begins with the merged statistics of the first.
TEST(SharedStatisticsTest, RanksGetThoseOfOneProcess) {
  const auto alone = Model();
  for (int64_t batch = 0; batch < 2 * kBatches; ++batch) Forward(*alone, batch);
  const std::vector<at::Tensor> expected = Statistics(*alone);
  for (const int ranks : {2, 3}) {
    const auto work = [&](const std::shared_ptr<RankGroup>& group) -> absl::Status {
      const auto model = Model();
      const UpdateShare share = ShareOfUpdate(group->rank(), group->size(), kBatches);
      const data::IterationShare& own = share.iterations;
      SharedStatistics statistics(*model);
      for (int64_t update = 0; update < 2; ++update) {
        statistics.Keep();
        for (int64_t b = own.begin; b < own.end; ++b) Forward(*model, update * kBatches + b);
        const absl::Status merged = statistics.Merge(*group, share);
        if (!merged.ok()) return merged;
      }
      const std::vector<at::Tensor> found = Statistics(*model);
      EXPECT_EQ(found.size(), expected.size());
      for (size_t i = 0; i < found.size(); ++i) {
        EXPECT_TRUE(at::allclose(found[i], expected[i], 1e-4, 1e-6)) << i;
      }
      return absl::OkStatus();
    };
    EXPECT_THAT(RunRanks(ranks, work), Each(IsOk()));
  }
}

TEST(SharedStatisticsTest, RestoreUndoesAnUpdate) {
  const auto model = Model();
  Forward(*model, 0);
  const std::vector<at::Tensor> before = Statistics(*model);
  SharedStatistics statistics(*model);
  Forward(*model, 1);
  statistics.Restore();
  const std::vector<at::Tensor> after = Statistics(*model);
  for (size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(at::equal(after[i], before[i])) << i;
}

// Numbers of batches too stay on the device.
TEST(SharedStatisticsTest, KeepingAndRestoringWaitForNoDevice) {
  const auto model = Model();
  Forward(*model, 0);
  model->to(QueueDevice());
  const std::vector<at::Tensor> before = Statistics(*model);
  TakeWaits();
  SharedStatistics statistics(*model);
  int64_t changed = 0;
  for (const auto& item : model->named_buffers()) {
    if (item.key().find(".running_") == std::string::npos &&
        item.key().find(".num_batches_tracked") == std::string::npos) {
      continue;
    }
    item.value().add_(1);
    ++changed;
  }
  EXPECT_GE(changed, 3);
  statistics.Restore();
  statistics.Keep();
  EXPECT_THAT(TakeWaits(), IsEmpty());
  const std::vector<at::Tensor> after = Statistics(*model);
  for (size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(at::equal(after[i], before[i])) << i;
}

// Nothing is exchanged for norms that are not trained.
TEST(SharedStatisticsTest, FrozenNormsStay) {
  const auto work = [](const std::shared_ptr<RankGroup>& group) -> absl::Status {
    const auto model = Model();
    detection::Freeze(*model->backbone());
    const std::vector<at::Tensor> before = Statistics(*model);
    SharedStatistics statistics(*model);
    Forward(*model, group->rank());
    const absl::Status merged = statistics.Merge(*group, ShareOfUpdate(group->rank(), 2, 2));
    const std::vector<at::Tensor> after = Statistics(*model);
    for (size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(at::equal(after[i], before[i])) << i;
    return merged;
  };
  EXPECT_THAT(RunRanks(2, work), Each(IsOk()));
}

}  // namespace
}  // namespace rcnn::training
