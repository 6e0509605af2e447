#include "rcnn/detection/testing/batch_padding.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "rcnn/base/device.h"
#include "rcnn/base/device_probe.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/module_device.h"
#include "rcnn/detection/testing/slow_layers.h"
#include "rcnn/detection/testing/test_batch.h"
#include "rcnn/detection/testing/test_networks.h"

namespace rcnn::detection {
namespace {

// The network, made once for all tests, without gradients.
FasterRcnn& Shared(const NetworkOnDevice& setting) {
  static auto& models = *new std::map<std::string, std::shared_ptr<FasterRcnn>>;
  std::shared_ptr<FasterRcnn>& model =
      models[absl::StrCat(setting.device.str(), " ", setting.network)];
  if (model == nullptr) {
    model = MakeTestNetwork(setting.network);
    MoveToDevice(*model, setting.device);
  }
  for (const at::Tensor& parameter : model->parameters()) {
    if (parameter.defined()) parameter.mutable_grad() = at::Tensor();
  }
  return *model;
}

at::Generator Generator() { return at::detail::createCPUGenerator(7); }

// Some of the three images, by their numbers.
using Chosen = std::vector<size_t>;

const std::vector<Chosen>& Batches() {
  static const auto& batches = *new std::vector<Chosen>{{0, 1}, {1, 0}, {0, 2}, {2, 1}, {0, 1, 2}};
  return batches;
}

// What `result` returns for each image, by its number.
template <typename Result>
auto ForEachImage(const Result& result) {
  std::vector<decltype(result(size_t{0}))> results;
  for (size_t i = 0; i < TestImageSizes().size(); ++i) results.push_back(result(i));
  return results;
}

TEST_P(BatchPaddingTest, FeaturesAreThoseOfTheImageAlone) {
  const at::NoGradGuard no_grad;
  const FasterRcnn& model = Shared(setting());
  const auto alone = ForEachImage(
      [&](size_t i) { return model.Features(TestPixels(i).unsqueeze(0).to(device())); });
  for (const Chosen& images : Batches()) {
    const BatchFeatures found = model.Features(TestBatch(images, device()).Images());
    ASSERT_EQ(found.parts.size(), images.size());
    for (size_t b = 0; b < images.size(); ++b) {
      const std::vector<at::Tensor>& expected = alone[images[b]].levels;
      ASSERT_EQ(found.parts[b].levels.size(), expected.size());
      for (size_t l = 0; l < expected.size(); ++l) {
        EXPECT_TRUE(Near(found.parts[b].levels[l], expected[l], tolerance()))
            << b << " level " << l;
      }
    }
  }
}

TEST_P(BatchPaddingTest, ProposalsAreThoseOfTheImageAlone) {
  const FasterRcnn& model = Shared(setting());
  const auto propose = [&](const TestBatch& batch) {
    return model.Propose(batch.Images(), batch.targets.sizes);
  };
  const auto alone = ForEachImage([&](size_t i) { return propose(TestBatch({i}, device())); });
  for (const Chosen& images : Batches()) {
    const ops::Proposals found = propose(TestBatch(images, device()));
    int64_t begin = 0;
    for (size_t b = 0; b < images.size(); ++b) {
      const ops::Proposals& expected = alone[images[b]];
      const int64_t count = expected.rois.size(0);
      ASSERT_GT(count, 0);
      ASSERT_EQ(found.counts[static_cast<int64_t>(b)].item<int64_t>(), count);
      const at::Tensor rois = found.rois.narrow(0, begin, count);
      EXPECT_TRUE(rois.select(1, 0).eq(static_cast<double>(b)).all().item<bool>());
      EXPECT_TRUE(Near(rois.slice(1, 1), expected.rois.slice(1, 1), tolerance())) << b;
      EXPECT_TRUE(Near(found.scores.narrow(0, begin, count), expected.scores, tolerance())) << b;
      begin += count;
    }
    EXPECT_EQ(begin, found.rois.size(0));
  }
}

// [N, M]: which detections differ by at most `tolerance` of the largest number of each kind.
at::Tensor AreEqual(const Detections& a, const Detections& b, double tolerance) {
  const auto near = [&](const at::Tensor& x, const at::Tensor& y) {
    const at::Tensor difference = (x.unsqueeze(1) - y.unsqueeze(0)).abs();
    return difference <= tolerance * y.abs().max();
  };
  return (a.labels.unsqueeze(1) == b.labels.unsqueeze(0))
      .logical_and(near(a.scores, b.scores))
      .logical_and(near(a.boxes, b.boxes).all(2));
}

// Equal up to the order of those whose scores differ by rounding alone.
TEST_P(BatchPaddingTest, DetectionsAreThoseOfTheImageAlone) {
  const FasterRcnn& model = Shared(setting());
  const auto detect = [&](const TestBatch& batch) {
    return model.Detect(batch.Images(), batch.targets.sizes, batch.sizes);
  };
  const auto alone =
      ForEachImage([&](size_t i) { return detect(TestBatch({i}, device())).front(); });
  for (const Chosen& images : Batches()) {
    const auto found = detect(TestBatch(images, device()));
    ASSERT_EQ(found.size(), images.size());
    for (size_t b = 0; b < images.size(); ++b) {
      const Detections& expected = alone[images[b]];
      ASSERT_GT(expected.boxes.size(0), 0);
      ASSERT_EQ(found[b].labels.sizes(), expected.labels.sizes());
      EXPECT_TRUE(Near(found[b].scores, expected.scores, tolerance())) << b;
      const at::Tensor equal = AreEqual(found[b], expected, tolerance());
      EXPECT_TRUE(equal.any(0).all().item<bool>()) << b;
      EXPECT_TRUE(equal.any(1).all().item<bool>()) << b;
    }
  }
}

// The sums of the losses over anchors and RoIs, which add up over images, and their gradients.
struct Sums {
  std::vector<double> parts;
  std::vector<at::Tensor> gradients;
};

// Adds those of a batch. By the RPN's losses at sampled cells, or by those of the whole maps
// together with the head's.
void Add(FasterRcnn& model, const TestBatch& batch, bool only_rpn, Sums& sums) {
  const Losses losses =
      only_rpn ? model.ComputeRpnLosses(model.Features(batch.Images()), batch.targets, Generator())
               : model.ComputeLosses(batch.Images(), batch.targets, Generator());
  at::Tensor total;
  for (size_t i = 0; i < losses.parts.size(); ++i) {
    const bool of_rpn = absl::StartsWith(losses.parts[i].first, "rpn_");
    const std::string unit = of_rpn ? "anchors" : "rois";
    const double count =
        static_cast<double>(losses.Count(unit + "_positive") + losses.Count(unit + "_negative"));
    const at::Tensor sum = losses.parts[i].second * count;
    total = total.defined() ? total + sum : sum;
    sums.parts.resize(losses.parts.size());
    sums.parts[i] += sum.item<double>();
  }
  total.backward();
}

Sums ComputeSums(const NetworkOnDevice& setting, const std::vector<Chosen>& batches,
                 bool only_rpn) {
  FasterRcnn& model = Shared(setting);
  Sums sums;
  for (const Chosen& images : batches)
    Add(model, TestBatch(images, setting.device), only_rpn, sums);
  sums.gradients = Gradients(model);
  return sums;
}

TEST_P(BatchPaddingTest, LossesAndGradientsAddUpFromThoseOfTheImagesAlone) {
  for (const bool only_rpn : {true, false}) {
    const Sums alone = ComputeSums(setting(), {{0}, {1}, {2}}, only_rpn);
    const Sums found = ComputeSums(setting(), {{0, 1, 2}}, only_rpn);
    ASSERT_EQ(found.parts.size(), only_rpn ? 2u : 4u);
    for (size_t i = 0; i < found.parts.size(); ++i) {
      EXPECT_GT(alone.parts[i], 0) << i;
      EXPECT_NEAR(found.parts[i], alone.parts[i], tolerance() * alone.parts[i]) << i;
    }
    ASSERT_EQ(found.gradients.size(), alone.gradients.size());
    for (size_t i = 0; i < found.gradients.size(); ++i) {
      EXPECT_TRUE(Near(found.gradients[i], alone.gradients[i], 10 * tolerance())) << i;
    }
  }
}

}  // namespace

void PrintTo(const NetworkOnDevice& setting, std::ostream* stream) {
  *stream << setting.network << " on " << setting.device;
}

std::vector<NetworkOnDevice> OnDevice(const std::vector<std::string>& networks,
                                      const c10::Device& device) {
  std::vector<NetworkOnDevice> settings;
  for (const std::string& network : networks) settings.push_back({network, device});
  return settings;
}

void BatchPaddingTest::SetUp() {
  if (!device().is_cuda()) return;
  ASSERT_THAT(CheckDevice(device(), ProbeDevices()), IsOk());
}

}  // namespace rcnn::detection
