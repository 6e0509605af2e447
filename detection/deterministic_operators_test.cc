// No network of the repository calls an operator that LibTorch refuses on a GPU where results must
// be the same each time (base/determinism_scope.h). Recorded on a fake device, which calls what a
// GPU calls.

#include <ATen/ATen.h>
#include <ATen/record_function.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/module_device.h"
#include "rcnn/detection/testing/test_batch.h"
#include "rcnn/detection/testing/test_networks.h"
#include "rcnn/ops/testing/queue_device.h"

namespace rcnn::detection {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Names = std::set<std::string>;

// Those of which LibTorch's kernel for CUDA calls alertNotDeterministic, in 2.11
// (torch.use_deterministic_algorithms lists them).
const Names& RefusedOperators() {
  static const auto& names = *new Names{"aten::_adaptive_avg_pool2d_backward",
                                        "aten::_adaptive_avg_pool3d_backward",
                                        "aten::_ctc_loss_backward",
                                        "aten::_embedding_bag_dense_backward",
                                        "aten::_upsample_bicubic2d_aa_backward",
                                        "aten::_upsample_bilinear2d_aa_backward",
                                        "aten::adaptive_max_pool2d_backward",
                                        "aten::avg_pool3d_backward",
                                        "aten::bincount",
                                        "aten::cumsum",
                                        "aten::fractional_max_pool2d_backward",
                                        "aten::fractional_max_pool3d_backward",
                                        "aten::grid_sampler_2d_backward",
                                        "aten::grid_sampler_3d_backward",
                                        "aten::histc",
                                        "aten::kthvalue",
                                        "aten::max_pool3d_with_indices_backward",
                                        "aten::max_unpool2d",
                                        "aten::max_unpool3d",
                                        "aten::median",
                                        "aten::nll_loss2d_forward",
                                        "aten::put_",
                                        "aten::reflection_pad1d_backward",
                                        "aten::reflection_pad2d_backward",
                                        "aten::reflection_pad3d_backward",
                                        "aten::replication_pad1d_backward",
                                        "aten::replication_pad2d_backward",
                                        "aten::replication_pad3d_backward",
                                        "aten::scatter_reduce",
                                        "aten::upsample_bicubic2d_backward",
                                        "aten::upsample_bilinear2d_backward",
                                        "aten::upsample_linear1d_backward",
                                        "aten::upsample_trilinear3d_backward"};
  return names;
}

std::mutex& Mutex() {
  static auto* const mutex = new std::mutex();
  return *mutex;
}

Names& Noted() {
  static auto* const names = new Names();
  return *names;
}

std::unique_ptr<at::ObserverContext> Note(const at::RecordFunction& function) {
  const std::lock_guard<std::mutex> lock(Mutex());
  Noted().insert(function.name());
  return nullptr;
}

// What `run` calls, in any thread: gradients of a device have a thread of their own.
Names ListOperators(const std::function<void()>& run) {
  {
    const std::lock_guard<std::mutex> lock(Mutex());
    Noted().clear();
  }
  const at::CallbackHandle handle =
      at::addGlobalCallback(at::RecordFunctionCallback(&Note).scopes({at::RecordScope::FUNCTION}));
  run();
  at::removeCallback(handle);
  const std::lock_guard<std::mutex> lock(Mutex());
  return Noted();
}

std::vector<std::string> Refused(const Names& names) {
  std::vector<std::string> both;
  std::set_intersection(names.begin(), names.end(), RefusedOperators().begin(),
                        RefusedOperators().end(), std::back_inserter(both));
  return both;
}

TEST(DeterministicOperatorsTest, NetworksCallNoneThatLibTorchRefuses) {
  for (const std::string& network : TestNetworks()) {
    SCOPED_TRACE(network);
    const auto model = MakeTestNetwork(network);
    model->train();
    MoveToDevice(*model, ops::testing::QueueDevice());
    const TestBatch batch({0, 1, 2}, ops::testing::QueueDevice());
    const Names names = ListOperators([&] {
      model->ComputeLosses(batch.Images(), batch.targets, at::detail::createCPUGenerator(7))
          .Total()
          .backward();
    });
    EXPECT_THAT(names, Contains("aten::convolution_backward"));
    EXPECT_THAT(Refused(names), IsEmpty());
  }
}

TEST(DeterministicOperatorsTest, OneThatLibTorchRefusesIsNoted) {
  const at::Tensor x = at::ones({1, 1, 4, 4, 4}).requires_grad_();
  const Names names = ListOperators([&] { at::avg_pool3d(x, 2).sum().backward(); });
  EXPECT_THAT(Refused(names), ElementsAre("aten::avg_pool3d_backward"));
}

}  // namespace
}  // namespace rcnn::detection
