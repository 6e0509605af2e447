// An image in a batch is what it is alone, in every network of the repository (testing/
// batch_padding.h), and so are batches that several processes share.
//
// $RCNN_TEST_DEVICE names another device than the CPU, such as cuda: tools/gpu/check.sh runs the
// tests of the networks there.

#include "rcnn/detection/testing/batch_padding.h"

#include <ATen/ATen.h>
#include <c10/core/Device.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "rcnn/base/device.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/rpn.h"
#include "rcnn/detection/targets.h"
#include "rcnn/detection/testing/slow_layers.h"
#include "rcnn/detection/testing/test_batch.h"
#include "rcnn/detection/testing/test_networks.h"

namespace rcnn::detection {
namespace {

at::Generator Generator() { return at::detail::createCPUGenerator(7); }

c10::Device ChosenDevice() {
  const char* name = std::getenv("RCNN_TEST_DEVICE");
  return ParseDevice(name == nullptr ? "cpu" : name).value();
}

INSTANTIATE_TEST_SUITE_P(Networks, BatchPaddingTest,
                         ::testing::ValuesIn(OnDevice(TestNetworks(), ChosenDevice())));

// One needs a LibTorch without CUDA (ops/testing/queue_device.h), and this program runs on a GPU.
TEST(BatchPaddingProgramTest, HasNoFakeDevice) {
  EXPECT_FALSE(c10::impl::hasDeviceGuardImpl(c10::DeviceType::XPU));
}

// Of images of one size, in float64 and with batch norms in training: parts give what one tensor
// gives, gradients and running statistics included.
TEST(BatchPaddingOfPartsTest, PartsAreComputedAsOneTensorIs) {
  const auto results = [](bool in_parts) {
    const auto model = MakeTestNetwork(TestPyramid());
    model->to(at::kDouble);
    model->train();
    const at::Tensor images = at::randn({2, 3, 64, 96}, Generator(), at::kDouble);
    BatchMap batch = images;
    if (in_parts) batch.parts = {images.narrow(0, 0, 1), images.narrow(0, 1, 1)};
    const BatchFeatures maps = model->Features(batch);
    EXPECT_EQ(maps.parts.size(), in_parts ? 2u : 1u);
    std::vector<at::Tensor> found;
    at::Tensor loss = at::zeros({}, at::kDouble);
    for (size_t l = 0; l < maps.parts[0].levels.size(); ++l) {
      std::vector<at::Tensor> of_parts;
      for (const FeatureMaps& part : maps.parts) of_parts.push_back(part.levels[l]);
      found.push_back(at::cat(of_parts));
      loss =
          loss + (found.back() * at::randn(found.back().sizes(), Generator(), at::kDouble)).sum();
    }
    loss.backward();
    for (at::Tensor& map : found) map = map.detach();
    for (const at::Tensor& gradient : Gradients(*model)) found.push_back(gradient);
    for (const at::Tensor& buffer : model->backbone()->buffers()) {
      found.push_back(buffer.to(at::kDouble));
    }
    return found;
  };
  const auto expected = results(false), found = results(true);
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_TRUE(Near(found[i], expected[i], 1e-9)) << i;
}

// Eight anchors an image, so that they lie in few of the cells.
std::shared_ptr<FasterRcnn> MakeOfFewAnchors(const std::string& normalizer) {
  return MakeTestNetwork(
      absl::StrReplaceAll(TestPyramid(), {{"4096", "8"}, {"SAMPLED_ANCHORS", normalizer}}));
}

TEST(BatchPaddingOfSamplesTest, LossesAtSamplesAreThoseOfWholeMaps) {
  const auto model = MakeOfFewAnchors("SAMPLED_ANCHORS");
  const TestBatch batch({0, 1, 2});
  const BatchFeatures maps = model->Features(batch.Images());
  const RpnLosses some = model->rpn()->LossesAtSamples(maps, batch.targets, Generator());
  const RpnLosses whole =
      model->rpn()->Losses(model->rpn()->ForwardParts(maps), batch.targets, Generator());
  EXPECT_EQ(some.positives, whole.positives);
  EXPECT_EQ(some.positives + some.negatives, 3 * 8);
  EXPECT_GT(some.positives, 0);
  EXPECT_TRUE(Near(some.objectness, whole.objectness, 1e-5));
  EXPECT_TRUE(Near(some.box, whole.box, 1e-5));
}

// Each of two processes has some of the images, and the sizes of the others' maps.
TEST(BatchPaddingOfProcessesTest, PartsOfABatchAddUpToIt) {
  for (const char* normalizer : {"SAMPLED_ANCHORS", "WANTED_ANCHORS", "MAP_CELLS"}) {
    SCOPED_TRACE(normalizer);
    const auto model = MakeOfFewAnchors(normalizer);
    TestBatch batch({0, 1, 2});
    const BatchFeatures maps = model->Features(batch.Images());
    for (const FeatureMaps& part : maps.parts) {
      MapExtents extents = {{}, {part.height, part.width}};
      for (const at::Tensor& map : part.levels) {
        extents.levels.push_back({map.size(2), map.size(3)});
      }
      batch.targets.extents.push_back(extents);
    }
    const Losses whole = model->ComputeRpnLosses(maps, batch.targets, Generator());
    for (const bool at_samples : {false, true}) {
      const auto losses = [&](const std::vector<size_t>& chosen, const ImageRange& own) {
        const TestBatch part(chosen);
        return at_samples
                   ? model->ComputeRpnLosses(model->Features(part.Images()), batch.targets,
                                             Generator(), own)
                   : model->ComputeJointRpn(part.Images(), batch.targets, Generator(), own).losses;
      };
      const Losses first = losses({0}, {0, 1}), second = losses({1, 2}, {1, 3});
      for (const auto& [name, expected] : whole.parts) {
        EXPECT_TRUE(Near(first.Part(name) + second.Part(name), expected, 1e-5)) << name;
      }
      for (const auto& [name, count] : whole.counts) {
        EXPECT_EQ(first.Count(name) + second.Count(name), count) << name;
      }
    }
  }
}

}  // namespace
}  // namespace rcnn::detection
