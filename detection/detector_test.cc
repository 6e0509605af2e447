#include "rcnn/detection/detector.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <google/protobuf/text_format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fake_graphs.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/convolution/precision.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/input_batch.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/model_directory.h"
#include "rcnn/detection/testing/same_detections.h"
#include "rcnn/ops/testing/queue_device.h"

namespace rcnn::detection {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const char kConfig[] = R"(
  model {
    backbone { resnet { depth: RESNET_18 layer3_stride: 1 } }
    rpn { anchors { size_px: [16, 32] } channels: 32 test_proposals { after_nms: 50 } }
    head { fc { fc_channels: [32, 32] } detections { min_score: 0.2 max_per_image: 12 } }
    normalization { scale: 0.00392156862745098 mean: [0.5, 0.4, 0.3] std: [0.2, 0.3, 0.25] }
  }
  class_name: ["red", "white", "platelet"]
  input { shortest_side_px: 96 longest_side_px: 160 }
)";

at::Generator Generator(uint64_t seed = 5) { return at::detail::createCPUGenerator(seed); }

configs::DetectorConfig Config(const std::string& text = kConfig) {
  return configs::ParseTextOrDie<configs::DetectorConfig>(text);
}

// kConfig with a part of its text replaced.
configs::DetectorConfig Changed(const std::string& from, const std::string& to) {
  const std::string text = absl::StrReplaceAll(kConfig, {{from, to}});
  EXPECT_NE(text, kConfig) << from;
  return Config(text);
}

std::shared_ptr<FasterRcnn> Model(const configs::DetectorConfig& config = Config()) {
  auto model = FasterRcnn::Create(config.model(), config.class_name_size()).value();
  ResetParameters(*model, Generator());
  at::NoGradGuard no_grad;
  // Makes scores differ enough for some to pass the threshold.
  for (auto& item : model->named_parameters()) {
    if (absl::EndsWith(item.key(), "cls_score.weight")) item.value().mul_(100);
  }
  model->eval();
  return model;
}

at::Tensor Image(int64_t height, int64_t width, uint64_t seed = 1) {
  const at::Tensor coarse = at::rand({1, 3, 6, 8}, Generator(seed));
  return at::upsample_bilinear2d(coarse, {height, width}, false)[0]
      .mul(255)
      .permute({1, 2, 0})
      .to(at::kByte)
      .contiguous();
}

void ExpectSame(const Detections& a, const Detections& b) {
  ASSERT_EQ(a.boxes.size(0), b.boxes.size(0));
  EXPECT_TRUE(a.labels.equal(b.labels));
  EXPECT_TRUE(at::allclose(a.boxes, b.boxes, 1e-4, 1e-3));
  EXPECT_TRUE(at::allclose(a.scores, b.scores, 1e-4, 1e-5));
}

// Whether a file whose path ends so is mapped into this process.
bool IsMapped(const std::string& end_of_path) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (absl::EndsWith(line, end_of_path)) return true;
  }
  return false;
}

class DetectorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = absl::StrCat(::testing::TempDir(), "/detector_test_", getpid(), "/model");
    ASSERT_THAT(WriteModelDirectory(directory_, Config(), SavedState(*Model())), IsOk());
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string File(const char* name) const { return absl::StrCat(directory_, "/", name); }

  void Write(const char* name, const std::string& bytes) const {
    ASSERT_THAT(WriteFileAtomically(File(name), bytes), IsOk());
  }
  void WriteConfig(const configs::DetectorConfig& config) const {
    std::string text;
    google::protobuf::TextFormat::PrintToString(config, &text);
    Write(kModelConfigFile, text);
  }

  absl::Status LoadError() const {
    const auto detector = Detector::Load(directory_);
    EXPECT_THAT(detector, ::testing::Not(IsOk()));
    return detector.status();
  }
  std::string LoadMessage() const { return std::string(LoadError().message()); }

  std::string directory_;
};

TEST_F(DetectorTest, EqualsTheModel) {
  const auto detector = Detector::Load(directory_).value();
  EXPECT_EQ(detector->class_names(), (std::vector<std::string>{"red", "white", "platelet"}));
  const auto model = Model();
  for (const auto& [height, width] : {std::pair(120, 150), std::pair(96, 96), std::pair(61, 200)}) {
    SCOPED_TRACE(absl::StrCat(height, "x", width));
    const at::Tensor image = Image(height, width);
    const InputBatch batch =
        MakeInputBatch({image}, Config().input(), Config().model().normalization()).value();
    const Detections expected =
        model->Detect(batch.images, batch.sizes, batch.original_sizes).front();
    EXPECT_GT(expected.boxes.size(0), 3);
    ExpectSame(detector->Detect(image).value(), expected);
  }
}

// Loading packs from the mapped file, or copies what stays unpacked.
TEST_F(DetectorTest, TheFileOfTheWeightsIsNotMappedAfterLoading) {
  const std::string path = absl::StrCat("/detector_test_", getpid(), "/model/", kModelWeightsFile);
  {
    const ModelDirectory files = ReadModelDirectory(directory_).value();
    ASSERT_TRUE(IsMapped(path));
  }
  {
    const auto detector = Detector::Load(directory_);
    ASSERT_THAT(detector, IsOk());
    EXPECT_FALSE(IsMapped(path)) << "norms are folded";
  }
  const configs::DetectorConfig tiny =
      Changed("resnet { depth: RESNET_18 layer3_stride: 1 }", "tiny {}");
  ASSERT_THAT(WriteModelDirectory(directory_, tiny, SavedState(*Model(tiny))), IsOk());
  for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
    for (const bool cached : {false, true}) {
      SCOPED_TRACE(absl::StrCat(PrecisionName(precision), cached ? " with a cache" : ""));
      DetectorOptions options;
      options.precision = precision;
      if (cached) options.cache.folder = absl::StrCat(directory_, "/cache");
      options.cache.min_age_ns = 0;
      const auto detector = Detector::Load(directory_, options);
      ASSERT_THAT(detector, IsOk());
      EXPECT_FALSE(IsMapped(path));
      EXPECT_THAT((*detector)->Detect(Image(80, 90)), IsOk());
    }
  }
}

TEST_F(DetectorTest, GraphsDoNotChangeDetections) {
  const rcnn::testing::FakeGraphs graphs;
  DetectorOptions options;
  options.max_graphs = 2;
  const auto plain = Detector::Load(directory_).value();
  const auto graphed = Detector::Load(directory_, options).value();
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    const at::Tensor image = Image(80, 90, seed);
    const Detections expected = plain->Detect(image).value();
    const Detections found = graphed->Detect(image).value();
    ExpectSameBits(found, expected);
  }
  EXPECT_EQ(graphs.recorded(), 1);
  EXPECT_EQ(graphs.replayed(), 2);
}

TEST_F(DetectorTest, GraphsGiveTheirMemoryBackWhereItRunsOut) {
  rcnn::testing::FakeGraphs graphs;
  DetectorOptions options;
  options.max_graphs = 2;
  const auto detector = Detector::Load(directory_, options).value();
  const at::Tensor image = Image(80, 90);
  const Detections expected = detector->Detect(image).value();
  ASSERT_THAT(detector->Detect(image), IsOk());
  ASSERT_EQ(graphs.replayed(), 1);
  graphs.Exhaust();
  for (int i = 0; i < 3; ++i) {
    const auto found = detector->Detect(image);
    ASSERT_THAT(found, IsOk());
    ExpectSame(*found, expected);
  }
  EXPECT_EQ(graphs.recorded(), 1);
}

TEST_F(DetectorTest, LoadsFromTheWeightsFile) {
  const auto detector = Detector::Load(File(kModelWeightsFile)).value();
  ExpectSame(detector->Detect(Image(80, 90)).value(),
             Detector::Load(directory_).value()->Detect(Image(80, 90)).value());
}

TEST_F(DetectorTest, BoxesAreInPixelsAsStored) {
  // The network sees the same pixels for an image and for the doubled image scaled
  // down by two.
  const auto small =
      Detector::Create(Changed("shortest_side_px: 96 longest_side_px: 160", "shortest_side_px: 0"),
                       SavedState(*Model()))
          .value();
  const auto large = Detector::Create(Config(), SavedState(*Model())).value();
  const at::Tensor image = Image(96, 128);
  const at::Tensor doubled = image.repeat_interleave(2, 0).repeat_interleave(2, 1);
  Detections expected = small->Detect(image).value();
  expected.boxes = expected.boxes * 2;
  const Detections found = large->Detect(doubled).value();
  EXPECT_GT(found.boxes.max().item<double>(), 140);
  ExpectSame(found, expected);
}

TEST_F(DetectorTest, ABatchOfDifferentSizesGivesWhatEachImageGives) {
  const auto detector = Detector::Load(directory_).value();
  const std::vector<at::Tensor> images = {Image(120, 200, 1), Image(60, 100, 2),
                                          Image(240, 400, 3)};
  const auto found = detector->DetectBatch(images).value();
  ASSERT_EQ(found.size(), 3u);
  for (int i = 0; i < 3; ++i) ExpectSame(found[i], detector->Detect(images[i]).value());
  const std::vector<at::Tensor> mixed = {Image(120, 120, 4), Image(200, 90, 5), images[0]};
  const auto of_mixed = detector->DetectBatch(mixed).value();
  ASSERT_EQ(of_mixed.size(), mixed.size());
  for (size_t i = 0; i < mixed.size(); ++i) {
    ExpectSame(of_mixed[i], detector->Detect(mixed[i]).value());
  }
}

// The device's layers are LibTorch's, which round differently.
TEST_F(DetectorTest, AnotherDeviceDetectsWhatTheCpuDetects) {
  const std::vector<at::Tensor> images = {Image(120, 200, 1), Image(200, 90, 2)};
  const auto expected = Detector::Load(directory_).value()->DetectBatch(images).value();
  DetectorOptions options;
  options.device = ops::testing::QueueDevice();
  const auto found = Detector::Load(directory_, options).value()->DetectBatch(images);
  ASSERT_THAT(found, IsOk());
  ASSERT_EQ(found->size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    ASSERT_EQ((*found)[i].boxes.size(0), expected[i].boxes.size(0)) << i;
    EXPECT_TRUE(at::allclose((*found)[i].boxes, expected[i].boxes, 1e-3, 0.1)) << i;
    EXPECT_TRUE(at::allclose((*found)[i].scores, expected[i].scores, 1e-3, 1e-3)) << i;
  }
}

TEST_F(DetectorTest, IsThreadSafe) {
  const auto detector = Detector::Load(directory_).value();
  std::vector<at::Tensor> images;
  std::vector<Detections> expected;
  for (int i = 0; i < 4; ++i) {
    images.push_back(Image(100 + 10 * i, 140, 10 + i));
    expected.push_back(detector->Detect(images[i]).value());
  }
  std::vector<std::vector<Detections>> found(4);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 4; ++i) found[t].push_back(detector->Detect(images[i]).value());
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int t = 0; t < 4; ++t) {
    for (int i = 0; i < 4; ++i) ExpectSame(found[t][i], expected[i]);
  }
}

TEST_F(DetectorTest, ReplacesAnExistingModel) {
  const configs::DetectorConfig other = Changed("platelet", "cell");
  ASSERT_THAT(WriteModelDirectory(directory_, other, SavedState(*Model(other))), IsOk());
  EXPECT_EQ(Detector::Load(directory_).value()->class_names()[2], "cell");
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) files += entry.exists();
  EXPECT_EQ(files, 2u);  // nothing temporary is left
}

TEST_F(DetectorTest, RejectsTensorsThatAreNotImages) {
  const auto detector = Detector::Load(directory_).value();
  for (const at::Tensor& bad : {at::Tensor(), at::zeros({8, 8}, at::kByte), at::zeros({8, 8, 3}),
                                at::zeros({8, 8, 4}, at::kByte), at::zeros({0, 8, 3}, at::kByte)}) {
    EXPECT_THAT(detector->Detect(bad), StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_THAT(detector->DetectBatch({Image(9, 9), at::Tensor()}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("image 1")));
  EXPECT_THAT(detector->DetectBatch({}), ::testing::Not(IsOk()));
  EXPECT_THAT(detector->Detect(Image(1, 1)), IsOk());
}

TEST_F(DetectorTest, ImagesTooSmallForTheNetworkAreErrorsWithTheirSize) {
  configs::DetectorConfig config =
      Changed("resnet { depth: RESNET_18 layer3_stride: 1 }", "vgg_cnn_m_1024 {}");
  config.mutable_input()->set_shortest_side_px(0);
  const auto detector = Detector::Create(config, SavedState(*Model(config))).value();
  for (const auto& [height, width] : {std::pair(100, 6), std::pair(6, 40), std::pair(24, 24)}) {
    const absl::Status status = detector->Detect(Image(height, width)).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                 AllOf(HasSubstr(absl::StrCat(height, " x ", width)),
                                       HasSubstr("at least 25"))));
  }
  EXPECT_THAT(detector->Detect(Image(25, 25)), IsOk());
}

TEST_F(DetectorTest, ExhaustedMemoryIsAnError) {
  EXPECT_THAT(Detector::Create(Changed("fc_channels: [32, 32]", "fc_channels: [1000000, 1000000]"),
                               SavedState(*Model())),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("fc6: 1000000 outputs")));
  // A line of pixels, a million times as high.
  const auto detector = Detector::Create(Changed("shortest_side_px: 96 longest_side_px: 160",
                                                 "shortest_side_px: 1000000 longest_side_px: 0"),
                                         SavedState(*Model()))
                            .value();
  EXPECT_THAT(detector->Detect(at::zeros({1, 100, 3}, at::kByte)),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(DetectorTest, ValuesThatAreNotFiniteAreAnError) {
  weights::StateDict state = SavedState(*Model());
  const float huge = std::numeric_limits<float>::max();
  state.Find("rpn.conv.bias")->fill_(huge);
  EXPECT_THAT(Detector::Create(Config(), state).value()->Detect(Image(90, 90)),
              StatusIs(absl::StatusCode::kInternal));
  state.Find("rpn.conv.bias")->fill_(std::numeric_limits<float>::quiet_NaN());
  EXPECT_THAT(Detector::Create(Config(), state),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("rpn.conv.bias: "),
                             HasSubstr(" NaN or infinite; use other weights"))));
}

TEST_F(DetectorTest, ReportsAWrongNumberOfClasses) {
  WriteConfig(Changed(", \"platelet\"", ""));
  EXPECT_THAT(LoadMessage(), AllOf(HasSubstr(directory_), HasSubstr("weights are for 3 classes"),
                                   HasSubstr("class_name is for 2")));
}

TEST_F(DetectorTest, ReportsAnotherOrderOfClasses) {
  WriteConfig(Changed("\"red\", \"white\"", "\"white\", \"red\""));
  EXPECT_THAT(LoadMessage(), HasSubstr("class 1 is 'white', which was class 2"));
  WriteConfig(Changed("\"red\"", "\"erythrocyte\""));
  EXPECT_THAT(Detector::Load(directory_), IsOk());
}

TEST_F(DetectorTest, ReportsAnotherBackbone) {
  const std::string resnet = "resnet { depth: RESNET_18 layer3_stride: 1 }";
  WriteConfig(Changed(resnet, "tiny {}"));
  EXPECT_THAT(LoadMessage(), AllOf(HasSubstr(kModelWeightsFile), HasSubstr("backbone.conv1")));
  WriteConfig(Changed("RESNET_18", "RESNET_34"));
  EXPECT_THAT(LoadMessage(), AllOf(HasSubstr("are missing"), HasSubstr("another model")));
  WriteConfig(Changed("depth: RESNET_18", "depth: RESNET_18 norm { none {} }"));
  EXPECT_THAT(LoadMessage(), HasSubstr("conv1.bias"));
}

TEST_F(DetectorTest, ReportsOtherAnchors) {
  WriteConfig(Changed("size_px: [16, 32]", "size_px: [16, 32, 64]"));
  EXPECT_THAT(LoadMessage(), HasSubstr("anchors"));
  WriteConfig(Changed("size_px: [16, 32]", "size_px: [16, 64]"));
  EXPECT_THAT(LoadMessage(),
              AllOf(HasSubstr("trained with anchors"), HasSubstr("size_px: [16, 32]")));
  WriteConfig(Changed("size_px: [16, 32]", "size_px: [16, 32] aspect_ratio: [0.5, 1, 2]"));
  EXPECT_THAT(Detector::Load(directory_), IsOk()) << "the default, written out";
  // Weights without metadata about their anchors.
  EXPECT_THAT(
      Detector::Create(Changed("size_px: [16, 32]", "size_px: 16"), SavedState(*Model())),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               HasSubstr("weights are for 6 anchors per cell, model.rpn.anchors is for 3")));
}

TEST_F(DetectorTest, ReportsAnotherNormalisation) {
  WriteConfig(Changed("scale: 0.00392156862745098", "scale: 1"));
  EXPECT_THAT(LoadMessage(), HasSubstr("model.normalization is RGB in 0..255"));
  WriteConfig(Changed("normalization {", "normalization { channel_order: BGR"));
  EXPECT_THAT(LoadMessage(), HasSubstr("BGR"));
}

TEST_F(DetectorTest, NamesTheMissingFile) {
  std::filesystem::remove(File(kModelWeightsFile));
  EXPECT_THAT(LoadError(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(LoadMessage(), HasSubstr(File(kModelWeightsFile)));
  std::filesystem::remove(File(kModelConfigFile));
  EXPECT_THAT(LoadMessage(), HasSubstr(File(kModelConfigFile)));
}

TEST_F(DetectorTest, NamesLineAndColumnOfASyntaxError) {
  Write(kModelConfigFile, "model {\n  backbone { resnett {} }\n}\n");
  EXPECT_THAT(LoadMessage(), AllOf(HasSubstr(absl::StrCat(File(kModelConfigFile), ":2:14:")),
                                   HasSubstr("resnett")));
  Write(kModelConfigFile, "class_name: \"a\" class_name: \"a\"");
  EXPECT_THAT(LoadMessage(), AllOf(HasSubstr(File(kModelConfigFile)), HasSubstr("'a'")));
}

TEST_F(DetectorTest, NeedsAnRpnAndAHead) {
  configs::DetectorConfig config = Config();
  config.mutable_model()->clear_rpn();
  WriteConfig(config);
  EXPECT_THAT(LoadMessage(), HasSubstr("model.rpn"));
}

TEST_F(DetectorTest, TruncatedWeightsErrorNamesTheFile) {
  const std::string whole = ReadFile(File(kModelWeightsFile)).value();
  for (const size_t size : {size_t{0}, size_t{5}, whole.size() / 2, whole.size() - 1}) {
    Write(kModelWeightsFile, whole.substr(0, size));
    EXPECT_THAT(LoadMessage(), HasSubstr(File(kModelWeightsFile))) << size;
  }
}

TEST_F(DetectorTest, RejectsAnUnreadableConfig) {
  configs::DetectorConfig config = Config();
  config.set_class_name(0, "two\nlines");
  EXPECT_THAT(WriteModelDirectory(directory_, config, SavedState(*Model())),
              ::testing::Not(IsOk()));
  config.clear_class_name();
  EXPECT_THAT(WriteModelDirectory(directory_, config, SavedState(*Model())),
              ::testing::Not(IsOk()));
  EXPECT_THAT(Detector::Load(directory_), IsOk()) << "what was there is unchanged";
}

// By the size that the network sees: nothing for one that is resized to be small.
TEST_F(DetectorTest, EstimatesTheMemoryOfLargeImages) {
  const configs::DetectorConfig resized = Config();
  const auto small = Detector::Create(resized, SavedState(*Model(resized)));
  ASSERT_THAT(small, IsOk());
  EXPECT_THAT((*small)->EstimateBytes(10000, 10000), IsOkAndHolds(0));
  const configs::DetectorConfig stored =
      Changed("shortest_side_px: 96 longest_side_px: 160", "shortest_side_px: 0");
  const auto detector = Detector::Create(stored, SavedState(*Model(stored)));
  ASSERT_THAT(detector, IsOk());
  EXPECT_THAT((*detector)->EstimateBytes(600, 800), IsOkAndHolds(0));
  const int64_t one = (*detector)->EstimateBytes(4000, 5000).value();
  const int64_t two = (*detector)->EstimateBytes(4000, 10000).value();
  EXPECT_GT(one, int64_t{4000} * 5000 * 12) << "the input alone";
  EXPECT_NEAR(static_cast<double>(two) / static_cast<double>(one), 2, 0.1);
}

}  // namespace
}  // namespace rcnn::detection
