// An image's features, proposals, losses, gradients and detections in a batch are those that it has
// alone, whatever the sizes of its neighbours. The padding of the batches here is NaN, so that
// whatever reads it fails.
//
// $RCNN_TEST_DEVICE names another device than the CPU, such as cuda: tools/gpu/check.sh runs the
// tests of the networks there.

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/Device.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/cuda_float32_scope.h"
#include "rcnn/base/determinism_scope.h"
#include "rcnn/base/device.h"
#include "rcnn/base/device_probe.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/counted_truths.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/module_device.h"
#include "rcnn/detection/rpn.h"
#include "rcnn/detection/targets.h"
#include "rcnn/detection/testing/slow_layers.h"
#include "rcnn/ops/boxes.h"
#include "rcnn/ops/testing/queue_device.h"

namespace rcnn::detection {
namespace {

at::Generator Generator(uint64_t seed = 7) { return at::detail::createCPUGenerator(seed); }

// All anchors and RoIs are sampled, so that nothing depends on the order of random draws: an image
// has some thousand anchors, and 20 proposals. On a device samples take as much memory as there may
// be of them.
constexpr char kRpn[] =
    " rpn { channels: 16 targets { anchors_per_image: 4096 }"
    "  loss { box_normalizer: SAMPLED_ANCHORS }"
    "  train_proposals { before_nms: 100 after_nms: 20 }"
    "  test_proposals { before_nms: 100 after_nms: 20 }";
constexpr char kFcHead[] =
    " head { fc { fc_channels: [16] } targets { rois_per_image: 128 }"
    "  detections { min_score: 0.1 } }";

constexpr char kPyramid[] =
    "backbone { resnet { depth: RESNET_18 norm { batch_norm {} } } } fpn { channels: 16 }";

std::string Network(const std::string& backbone, const std::string& sizes = "24, 48",
                    const std::string& head = kFcHead) {
  return absl::StrCat(backbone, kRpn, " anchors { aspect_ratio: 1 size_px: [", sizes, "] } }",
                      head);
}

std::string Pyramid() { return Network(kPyramid, "12, 24, 48, 96, 192"); }

// Their norms have fixed statistics in evaluation.
std::vector<std::string> Networks() {
  return {
      Network("backbone { tiny { channels: 8 } }"),
      Network("backbone { resnet { depth: RESNET_18 } }", "24, 48",
              " head { layer4 {} targets { rois_per_image: 128 }"
              "  detections { min_score: 0.02 } }"),
      Pyramid(),
      Network("backbone { vgg16 {} }", "24, 48",
              " head { fc { fc_channels: [16] } pool { roi_pool {} size: 6 }"
              "  targets { rois_per_image: 128 } detections { min_score: 0.1 } }"),
      Network("backbone { vgg16 { ceil_mode_pools: false } }"),
      Network("backbone { vgg_cnn_m_1024 {} }"),
      Network("backbone { zf {} }"),
  };
}

// A network, and where it runs.
struct Setting {
  std::string network;
  c10::Device device = c10::Device(c10::DeviceType::CPU);
};

void PrintTo(const Setting& setting, std::ostream* stream) {
  *stream << setting.network << " on " << setting.device;
}

std::vector<Setting> Settings(const std::vector<std::string>& networks, const c10::Device& device) {
  std::vector<Setting> settings;
  for (const std::string& network : networks) settings.push_back({network, device});
  return settings;
}

c10::Device ChosenDevice() {
  const char* name = std::getenv("RCNN_TEST_DEVICE");
  return ParseDevice(name == nullptr ? "cpu" : name).value();
}

// With biases and statistics that fill padding with values, and scores that are far from equal.
std::shared_ptr<FasterRcnn> Make(const std::string& network) {
  configs::ModelConfig config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(network, &config)) << network;
  auto model = FasterRcnn::Create(config, 3).value();
  at::Generator generator = Generator();
  ResetParameters(*model, generator);
  const at::NoGradGuard no_grad;
  for (auto& item : model->named_parameters()) {
    if (absl::EndsWith(item.key(), ".bias")) item.value().uniform_(-0.2, 0.2, generator);
    if (absl::EndsWith(item.key(), "cls_score.weight")) item.value().mul_(20);
  }
  for (auto& item : model->named_buffers()) {
    if (absl::EndsWith(item.key(), ".running_mean")) item.value().uniform_(-0.2, 0.2, generator);
    if (absl::EndsWith(item.key(), ".running_var")) item.value().uniform_(0.8, 1.2, generator);
  }
  model->eval();
  return model;
}

// The network, made once for all tests, without gradients.
FasterRcnn& Shared(const Setting& setting) {
  static auto& models = *new std::map<std::string, std::shared_ptr<FasterRcnn>>;
  std::shared_ptr<FasterRcnn>& model =
      models[absl::StrCat(setting.device.str(), " ", setting.network)];
  if (model == nullptr) {
    model = Make(setting.network);
    MoveToDevice(*model, setting.device);
  }
  for (const at::Tensor& parameter : model->parameters()) {
    if (parameter.defined()) parameter.mutable_grad() = at::Tensor();
  }
  return *model;
}

// Sizes as the network sees them: wide, tall and larger than both.
const std::vector<ops::ImageSize>& AllSizes() {
  static const auto& sizes = *new std::vector<ops::ImageSize>{{48, 112}, {104, 56}, {117, 124}};
  return sizes;
}

// Some of the three images, by their numbers.
using Chosen = std::vector<size_t>;

const std::vector<Chosen>& Batches() {
  static const auto& batches = *new std::vector<Chosen>{{0, 1}, {1, 0}, {0, 2}, {2, 1}, {0, 1, 2}};
  return batches;
}

at::Tensor Pixels(size_t image) {
  const auto [height, width] = AllSizes()[image];
  return at::randn({3, height, width}, Generator(10 + image));
}

struct Batch {
  explicit Batch(const Chosen& images, const c10::Device& device = at::kCPU) {
    int64_t height = 0, width = 0;
    for (const size_t i : images) {
      height = std::max(height, AllSizes()[i].height);
      width = std::max(width, AllSizes()[i].width);
    }
    padded = at::full({static_cast<int64_t>(images.size()), 3, height, width},
                      std::numeric_limits<float>::quiet_NaN());
    for (size_t b = 0; b < images.size(); ++b) Add(images[b], padded[static_cast<int64_t>(b)]);
    if (device.is_cpu()) return;
    padded = padded.to(device);
    // As training does it there.
    targets.counted = CountTruths(targets.truths, targets.sizes, device);
  }

  BatchMap Images() const { return CutImages(padded, sizes); }

  at::Tensor padded;
  std::vector<ops::ImageSize> sizes;
  TrainingTargets targets;

 private:
  void Add(size_t image, const at::Tensor& slot) {
    const ops::ImageSize size = AllSizes()[image];
    slot.narrow(1, 0, size.height).narrow(2, 0, size.width).copy_(Pixels(image));
    sizes.push_back(size);
    targets.sizes.push_back({static_cast<float>(size.height), static_cast<float>(size.width), 1});
    const auto offset = 8.f * static_cast<float>(image);
    targets.truths.push_back(
        {at::tensor({4.f, 6.f, 30.f, 34.f, 14.f, 8.f, 44.f, 42.f}).view({2, 4}) + offset,
         at::tensor({1, 3}, at::kLong), at::Tensor(), static_cast<int64_t>(image)});
  }
};

// What `result` returns for each image, by its number.
template <typename Result>
auto ForEachImage(const Result& result) {
  std::vector<decltype(result(size_t{0}))> results;
  for (size_t i = 0; i < AllSizes().size(); ++i) results.push_back(result(i));
  return results;
}

class BatchPaddingTest : public ::testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    if (!device().is_cuda()) return;
    ASSERT_THAT(CheckDevice(device(), ProbeDevices()), IsOk());
  }

  static const Setting& setting() { return GetParam(); }
  static const c10::Device& device() { return setting().device; }
  static bool is_cuda() { return device().is_cuda(); }
  // cuDNN may choose another algorithm for the same product.
  static double tolerance() { return is_cuda() ? 1e-4 : 1e-5; }

 private:
  const CudaFloat32Scope float32_{/*allow_tf32=*/false};
  const DeterminismScope deterministic_{is_cuda() ? c10::DeviceType::CUDA : c10::DeviceType::CPU,
                                        /*deterministic=*/true};
};

INSTANTIATE_TEST_SUITE_P(Networks, BatchPaddingTest,
                         ::testing::ValuesIn(Settings(Networks(), ChosenDevice())));
// What the tests do on a device.
INSTANTIATE_TEST_SUITE_P(FakeDevice, BatchPaddingTest,
                         ::testing::ValuesIn(Settings({Networks().front()},
                                                      ops::testing::QueueDevice())));

TEST_P(BatchPaddingTest, FeaturesAreThoseOfTheImageAlone) {
  const at::NoGradGuard no_grad;
  const FasterRcnn& model = Shared(setting());
  const auto alone =
      ForEachImage([&](size_t i) { return model.Features(Pixels(i).unsqueeze(0).to(device())); });
  for (const Chosen& images : Batches()) {
    const BatchFeatures found = model.Features(Batch(images, device()).Images());
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
  const auto propose = [&](const Batch& batch) {
    return model.Propose(batch.Images(), batch.targets.sizes);
  };
  const auto alone = ForEachImage([&](size_t i) { return propose(Batch({i}, device())); });
  for (const Chosen& images : Batches()) {
    const ops::Proposals found = propose(Batch(images, device()));
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
  const auto detect = [&](const Batch& batch) {
    return model.Detect(batch.Images(), batch.targets.sizes, batch.sizes);
  };
  const auto alone = ForEachImage([&](size_t i) { return detect(Batch({i}, device())).front(); });
  for (const Chosen& images : Batches()) {
    const auto found = detect(Batch(images, device()));
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

// Of the parameters that have one.
std::vector<at::Tensor> Gradients(const torch::nn::Module& module) {
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& parameter : module.parameters()) {
    if (parameter.defined() && parameter.grad().defined()) gradients.push_back(parameter.grad());
  }
  return gradients;
}

// The sums of the losses over anchors and RoIs, which add up over images, and their gradients.
struct Sums {
  std::vector<double> parts;
  std::vector<at::Tensor> gradients;
};

// Adds those of a batch. By the RPN's losses at sampled cells, or by those of the whole maps
// together with the head's.
void Add(FasterRcnn& model, const Batch& batch, bool only_rpn, Sums& sums) {
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

Sums ComputeSums(const Setting& setting, const std::vector<Chosen>& batches, bool only_rpn) {
  FasterRcnn& model = Shared(setting);
  Sums sums;
  for (const Chosen& images : batches) Add(model, Batch(images, setting.device), only_rpn, sums);
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

// Of images of one size, in float64 and with batch norms in training: parts give what one tensor
// gives, gradients and running statistics included.
TEST(BatchPaddingOfPartsTest, PartsAreComputedAsOneTensorIs) {
  const auto results = [](bool in_parts) {
    const auto model = Make(Pyramid());
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
  return Make(absl::StrReplaceAll(Pyramid(), {{"4096", "8"}, {"SAMPLED_ANCHORS", normalizer}}));
}

TEST(BatchPaddingOfSamplesTest, LossesAtSamplesAreThoseOfWholeMaps) {
  const auto model = MakeOfFewAnchors("SAMPLED_ANCHORS");
  const Batch batch({0, 1, 2});
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
    Batch batch({0, 1, 2});
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
      const auto losses = [&](const Chosen& chosen, const ImageRange& own) {
        const Batch part(chosen);
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
