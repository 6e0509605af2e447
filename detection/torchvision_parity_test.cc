// The detectors against torchvision's, on weights that it exports: two of its own, and
// one on VGG16 and a ResNet-50 C4 detector made of its layers.
//
// testing/export_torchvision.py runs torchvision and writes weights, images and
// what it computes; testing/torchvision_models.py says how the random weights are
// scaled so that detections spread.
//
// In float64 both networks must agree on everything. In float32, as used in
// practice, some differences are unavoidable:
//   * two scores, or an IoU and a threshold, may be closer than rounding errors; and a
//     proposal of a hundredth of a pixel, cut off by the image's edge, is scaled up
//     to 62.5 times, with its error. So an image of which torchvision's own float32
//     and float64 detections differ beyond the tolerance is not held to float32; there
//     may be one in ten.
//   * a gradient of fifty layers depends on which way the last bit tips a ReLU, by up
//     to some percent. So in float32 it is held to how far torchvision's own is from
//     its float64.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <sys/wait.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/input_batch.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/weights/import.h"
#include "rcnn/detection/weights/known_name_maps.h"
#include "rcnn/detection/weights/module_state.h"
#include "rcnn/detection/weights/weights_file.h"

namespace rcnn::detection {
namespace {

constexpr int kClasses = 90;
// How much further a float32 gradient may be from float64 than torchvision's own
// worst, because different last bits flip different ReLUs.
constexpr double kFloat32Margin = 2;

// Of different sizes. RCNN_PARITY_IMAGES, a multiple of ten, asks for more, as
// tools/peers/check_against_torchvision.sh does.
int NumImages() {
  const char* asked = std::getenv("RCNN_PARITY_IMAGES");
  return asked != nullptr ? std::atoi(asked) : 10;
}

// How many of them may be undecided in float32; see above.
int MaxUntold() { return NumImages() / 10; }

struct Model {
  std::string name;
  std::string map;     // of the weights' names; see Map()
  std::string config;  // ModelConfig, without what follows
  int shortest_px = 160, longest_px = 256;
  // Of an image in inference and in training: fewer than the usual thousands, as the
  // head is most of the time.
  int proposals = 100, train_proposals = 100;
};

const char kRpnOfPyramid[] = R"(
    anchors { rounding: CORNERS stride: INPUT_OVER_MAP }
    targets { anchors_per_image: 10000000 }
    train_proposals { before_nms: 2000 }
    test_proposals { before_nms: 1000 })";

const char kHead[] = R"(
    pool { roi_align { sampling_ratio: 2 half_pixel_centers: false } }
    targets { rois_per_image: 10000000 }
    box_coder { weight: [10, 10, 5, 5] })";

const char kPixels[] = R"(
    normalization {
      scale: 0.00392156862745098
      mean: [0.485, 0.456, 0.406]
      std: [0.229, 0.224, 0.225]
    })";

Model ResNet50Fpn() {
  return {"resnet50_fpn", "torchvision_fasterrcnn_fpn",
          absl::StrCat("backbone { resnet { depth: RESNET_50 } } fpn {} rpn {", kRpnOfPyramid,
                       "} head {", kHead, "}", kPixels)};
}

Model ResNet50FpnV2() {
  return {"resnet50_fpn_v2",
          "torchvision_fasterrcnn_fpn_v2",
          absl::StrCat("backbone { resnet { depth: RESNET_50 norm { batch_norm {} } } }"
                       "fpn { norm { batch_norm {} } } rpn { num_convs: 2",
                       kRpnOfPyramid,
                       "} head { fc { conv_channels: [256, 256, 256, 256] fc_channels: 1024"
                       "              conv_norm { batch_norm {} } }",
                       kHead, "}", kPixels),
          /*shortest_px=*/128,
          /*longest_px=*/208,
          /*proposals=*/50,
          /*train_proposals=*/40};
}

Model Vgg16() {
  return {
      "vgg16", "torchvision_fasterrcnn_vgg16",
      absl::StrCat("backbone { vgg16 { ceil_mode_pools: false } } rpn { channels: 512",
                   kRpnOfPyramid, "} head { fc { fc_channels: [256, 256] }", kHead, "}", kPixels)};
}

Model ResNet50C4() {
  return {
      "resnet50_c4",
      "torchvision_fasterrcnn_fpn",
      absl::StrCat("backbone { resnet { depth: RESNET_50 } } rpn { channels: 1024", kRpnOfPyramid,
                   "} head { layer4 { stride: 2 }"
                   "  pool { roi_align { sampling_ratio: 2 half_pixel_centers: false } size: 14 }"
                   "  targets { rois_per_image: 10000000 } box_coder { weight: [10, 10, 5, 5] } }",
                   kPixels),
      /*shortest_px=*/128,
      /*longest_px=*/208,
      /*proposals=*/16,
      /*train_proposals=*/10};
}

// max |a - b| / max |b|.
double RelativeError(const at::Tensor& a, const at::Tensor& b) {
  const double scale = b.abs().max().item<double>();
  return (a - b).abs().max().item<double>() / std::max(scale, 1e-30);
}

// The same in Euclidean norms, in which a single flipped ReLU counts little.
double RelativeDistance(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).norm().item<double>() / std::max(b.norm().item<double>(), 1e-30);
}

// For each row of a [N, C], the distance to the nearest row of b [M, C], in the
// maximum norm; the largest.
double WorstDistance(const at::Tensor& a, const at::Tensor& b) {
  if (a.size(0) == 0) return 0;
  return at::cdist(a.to(at::kDouble), b.to(at::kDouble), INFINITY).amin(1).max().item<double>();
}

// A detector's output for one image.
struct Found {
  at::Tensor proposals;
  Detections detections;
};

// A row per detection: box, score and label, scaled so that 1 is the tolerance of
// each. Rows are compared as a set, as equal scores may change places.
at::Tensor Rows(const Detections& found) {
  return at::cat({found.boxes / 1e-2, found.scores.unsqueeze(1) / 1e-4,
                  found.labels.to(at::kFloat).unsqueeze(1) * 1e6},
                 1);
}

// How much the proposals and detections of an image differ, in tolerances; infinite
// for another number of them.
double Difference(const Found& ours, const Found& theirs) {
  const auto differ = [](const at::Tensor& a, const at::Tensor& b) {
    if (a.size(0) != b.size(0)) return double{INFINITY};
    return std::max(WorstDistance(a, b), WorstDistance(b, a));
  };
  return std::max(differ(ours.proposals / 1e-2, theirs.proposals / 1e-2),
                  differ(Rows(ours.detections), Rows(theirs.detections)));
}

class TorchvisionParityTest : public ::testing::TestWithParam<Model (*)()> {
 protected:
  void SetUp() override {
    // As in the export; the shards run side by side.
    at::set_num_threads(1);
    spec_ = GetParam()();
    // An earlier export can be reused: RCNN_TORCHVISION_EXPORT holds a folder per model.
    const char* exported = std::getenv("RCNN_TORCHVISION_EXPORT");
    directory_ =
        absl::StrCat(exported != nullptr ? exported : ::testing::TempDir(), "/", spec_.name);
    if (exported == nullptr) Export();
    if (!IsSkipped() && !HasFatalFailure()) MakeModel();
  }

  // One test of a model exports for all of them: they run in one process.
  void Export() const {
    if (std::filesystem::exists(absl::StrCat(directory_, "/gradients.safetensors"))) return;
    std::filesystem::create_directories(directory_);
    const int status = std::system(absl::StrCat("/usr/bin/env -u PYTHONPATH /usr/bin/python3 -B "
                                                "detection/testing/export_torchvision.py ",
                                                spec_.name, " ", directory_, " ", spec_.shortest_px,
                                                " ", spec_.longest_px, " ", spec_.proposals, " ",
                                                spec_.train_proposals, " ", NumImages())
                                       .c_str());
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127)) {
      GTEST_SKIP() << "python3-torchvision is not installed; cannot compare";
    }
    ASSERT_EQ(status, 0) << "export_torchvision.py failed";
  }

  weights::StateDict Read(const std::string& file) const {
    return weights::LoadStateDict(absl::StrCat(directory_, "/", file, ".safetensors")).value();
  }

  // torchvision has no C4 detector: the script defines its own head.
  weights::NameMap Map() const {
    weights::NameMap map = **weights::FindNameMap(spec_.map);
    map.rules.push_back({"roi_heads.box_head.layer4.*", "head.layer4.*"});
    return map;
  }

  void MakeModel() {
    configs::ParseTextOrDie(spec_.config, &config_);
    config_.mutable_rpn()->mutable_test_proposals()->set_after_nms(spec_.proposals);
    config_.mutable_rpn()->mutable_train_proposals()->set_after_nms(spec_.train_proposals);
    input_.set_shortest_side_px(spec_.shortest_px);
    input_.set_longest_side_px(spec_.longest_px);
    input_.set_size_rounding(configs::DetectorInputConfig::DOWN);
    input_.set_pad_to_multiple_px(32);
    model_ = FasterRcnn::Create(config_, kClasses).value();
    weights::ImportOptions options;
    options.exact = true;
    const auto report =
        weights::ImportStateDict(Read("weights"), Map(), options, weights::ModuleState(*model_));
    ASSERT_THAT(report, IsOk());
    model_->eval();
  }

  InputBatch Input(const std::vector<at::Tensor>& images) const {
    return MakeInputBatch(images, input_, config_.normalization()).value();
  }

  Found Run(const InputBatch& batch) const {
    at::NoGradGuard no_grad;
    const FeatureMaps maps = model_->Features(batch.images);
    const RpnOutput output = model_->rpn()->Forward(maps.levels, maps.height, maps.width);
    const at::Tensor rois = model_->rpn()->Propose(output, batch.sizes).rois;
    return {rois.slice(1, 1),
            model_->Detect(maps, rois, batch.sizes, batch.original_sizes).front()};
  }

  void ExpectSameImages(const weights::StateDict& cases, int images) const;
  void ExpectSameGradients(const weights::StateDict& file, at::ScalarType type);

  Model spec_;
  std::string directory_;
  configs::ModelConfig config_;
  configs::DetectorInputConfig input_;
  std::shared_ptr<FasterRcnn> model_;
};

const at::Tensor& Get(const weights::StateDict& file, const std::string& name) {
  const at::Tensor* found = file.Find(name);
  TORCH_CHECK(found != nullptr, "the export has no ", name);
  return *found;
}

// torchvision's results for image i; `prefix` "exact." in float64.
Found Theirs(const weights::StateDict& cases, const std::string& prefix, int i) {
  const auto get = [&](const char* key) {
    const at::Tensor& found = Get(cases, absl::StrCat(prefix, key, ".", i));
    return found.is_floating_point() ? found.to(at::kFloat) : found;
  };
  return {get("proposals"), {get("boxes"), get("scores"), get("labels")}};
}

void TorchvisionParityTest::ExpectSameImages(const weights::StateDict& cases, int images) const {
  int64_t total = 0;
  int untold = 0;
  double worst = 0;
  for (int i = 0; i < images; ++i) {
    const Found ours = Run(Input({Get(cases, absl::StrCat("image.", i))}));
    total += ours.detections.boxes.size(0);
    const Found theirs = Theirs(cases, "", i), exact = Theirs(cases, "exact.", i);
    const double difference = std::min(Difference(ours, theirs), Difference(ours, exact));
    if (difference <= 1) {
      worst = std::max(worst, difference);
      continue;
    }
    ++untold;
    EXPECT_GT(Difference(theirs, exact), 1) << "image " << i << " differs by " << difference;
  }
  EXPECT_GT(total, 10 * images) << "too few detections to say anything";
  EXPECT_LE(untold, MaxUntold());
  std::printf("float32: %lld detections in %d images differ by up to %.2g tolerances; %d untold\n",
              static_cast<long long>(total), images, worst, untold);
}

TEST_P(TorchvisionParityTest, GivesTheSameProposalsAndDetections) {
  const weights::StateDict cases = Read("cases");
  ExpectSameImages(cases, 5);
  PrepareForInference(*model_);
  ExpectSameImages(cases, NumImages());
}

// The network in float64; boxes are float32. Half of the images, and all those of
// which float32 cannot tell.
TEST_P(TorchvisionParityTest, GivesTheSameProposalsAndDetectionsInFloat64) {
  const weights::StateDict cases = Read("cases");
  model_->to(at::kDouble);
  double worst = 0;
  int compared = 0;
  for (int i = 0; i < NumImages(); ++i) {
    const Found exact = Theirs(cases, "exact.", i);
    if (i % 2 != 0 && Difference(Theirs(cases, "", i), exact) <= 1) continue;
    InputBatch batch = Input({Get(cases, absl::StrCat("image.", i))});
    const at::Tensor& images = Get(cases, absl::StrCat("exact.images.", i));
    EXPECT_TRUE(at::allclose(batch.images.to(at::kDouble), images, 1e-5, 1e-5)) << i;
    batch.images = images;
    const double difference = Difference(Run(batch), exact);
    EXPECT_LE(difference, 1) << "image " << i;
    worst = std::max(worst, difference);
    ++compared;
  }
  std::printf("float64: %d images differ by up to %.2g tolerances\n", compared, worst);
}

TEST_P(TorchvisionParityTest, GivesTheSameLosses) {
  const weights::StateDict training = Read("training");
  model_->train();
  const InputBatch batch = Input({Get(training, "image.0"), Get(training, "image.1")});
  GroundTruths truths;
  for (const char* i : {"0", "1"}) {
    truths.push_back({Get(training, absl::StrCat("gt_boxes.", i)),
                      Get(training, absl::StrCat("gt_labels.", i)), at::Tensor()});
  }
  at::NoGradGuard no_grad;
  const Losses losses =
      model_->ComputeLosses(batch.images, {batch.sizes, truths}, at::detail::createCPUGenerator(1));
  const std::pair<const char*, const char*> names[] = {{"loss_objectness", "rpn_objectness"},
                                                       {"loss_rpn_box_reg", "rpn_box"},
                                                       {"loss_classifier", "head_classes"},
                                                       {"loss_box_reg", "head_box"}};
  for (const auto& [theirs, ours] : names) {
    EXPECT_LE(RelativeError(losses.Part(ours), Get(training, theirs)), 1e-4) << theirs;
  }
  EXPECT_GT(losses.Count("anchors_positive"), 0);
  EXPECT_GT(losses.Count("rois_positive"), 0);
}

// The gradient of the sum of losses on torchvision's samples.
void TorchvisionParityTest::ExpectSameGradients(const weights::StateDict& file,
                                                at::ScalarType type) {
  const bool exact = type == at::kDouble;
  const auto get = [&](const char* name) { return Get(file, name).to(type); };
  model_->to(type);
  model_->zero_grad();
  const at::Tensor images = get("images");
  const std::vector<at::Tensor> maps = model_->Features(images).levels;
  const RpnOutput output = model_->rpn()->Forward(maps, images.size(2), images.size(3));
  const RpnLosses rpn = model_->rpn()->Losses(
      output, {Get(file, "rpn.positive"), Get(file, "rpn.negative"), get("rpn.box_targets")});
  RoiSamples samples = {get("head.rois"), Get(file, "head.labels"), get("head.box_targets")};
  samples.positives = (samples.labels > 0).sum().item<int64_t>();
  const HeadLosses head =
      model_->head()->Losses(model_->head()->Forward(maps, samples.rois), samples);
  const at::Tensor total = rpn.objectness + rpn.box + head.classes + head.box;
  total.backward();
  at::Tensor theirs = get("loss_objectness") + get("loss_rpn_box_reg") + get("loss_classifier") +
                      get("loss_box_reg");
  EXPECT_LE(RelativeError(total.detach(), theirs), exact ? 1e-7 : 1e-4);
  size_t compared = 0;
  const double own = Get(file, "float32_error").item<double>();
  double worst = 0;
  std::string where;
  const auto parameters = model_->named_parameters();
  for (const auto& [name, gradient] : file) {
    if (!absl::StartsWith(name, "grad.")) continue;
    const auto ours = weights::OurName(Map(), name.substr(5));
    const at::Tensor* parameter = parameters.find(ours.value_or(""));
    ASSERT_TRUE(parameter != nullptr && parameter->grad().defined()) << name;
    const at::Tensor grad = parameter->grad().to(at::kDouble);
    const double error = exact ? RelativeError(grad, gradient) : RelativeDistance(grad, gradient);
    if (error > worst) where = *ours;
    worst = std::max(worst, error);
    ++compared;
  }
  EXPECT_EQ(compared, parameters.size());
  EXPECT_LE(worst, exact ? 1e-7 : std::max(1e-4, kFloat32Margin * own)) << where;
  std::printf("%s: worst relative error of a gradient %.2g (%s); torchvision's own float32 %.2g\n",
              exact ? "float64" : "float32", worst, where.c_str(), own);
}

TEST_P(TorchvisionParityTest, GivesTheSameGradients) {
  const weights::StateDict file = Read("gradients");
  model_->train();
  {
    SCOPED_TRACE("float64");
    ExpectSameGradients(file, at::kDouble);
  }
  SCOPED_TRACE("float32");
  ExpectSameGradients(file, at::kFloat);
}

INSTANTIATE_TEST_SUITE_P(Models, TorchvisionParityTest,
                         ::testing::Values(ResNet50Fpn, ResNet50FpnV2, Vgg16, ResNet50C4),
                         [](const auto& info) { return info.param().name; });

}  // namespace
}  // namespace rcnn::detection
