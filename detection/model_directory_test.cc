// Tests the files and the checks themselves. detector_test.cc tests the errors of loading.

#include "rcnn/detection/model_directory.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <google/protobuf/util/message_differencer.h>
#include <unistd.h>

#include <filesystem>
#include <limits>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/testing/slow_layers.h"

namespace rcnn::detection {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const char kConfig[] = R"(
  model {
    backbone { tiny { channels: 8 } }
    rpn { anchors { size_px: [16, 32] } channels: 8 }
    head { fc { fc_channels: 8 } }
  }
  class_name: ["red", "white"]
  input { shortest_side_px: 96 longest_side_px: 160 }
)";

configs::DetectorConfig Config(const std::string& text = kConfig) {
  return configs::ParseTextOrDie<configs::DetectorConfig>(text);
}

configs::DetectorConfig Changed(const std::string& from, const std::string& to) {
  const std::string text = absl::StrReplaceAll(kConfig, {{from, to}});
  EXPECT_NE(text, kConfig) << from;
  return Config(text);
}

std::shared_ptr<FasterRcnn> Model(const configs::DetectorConfig& config = Config()) {
  auto model = FasterRcnn::Create(config.model(), config.class_name_size()).value();
  FillAtRandom(*model, 0.3, 4);
  return model;
}

class ModelDirectoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = absl::StrCat(::testing::TempDir(), "/model_directory_test_", getpid());
    directory_ = absl::StrCat(root_, "/a/b");
    ASSERT_THAT(WriteModelDirectory(directory_, Config(), SavedState(*Model())), IsOk());
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::string root_, directory_;
};

TEST_F(ModelDirectoryTest, ReadsBackWhatItWrites) {
  const weights::StateDict saved = SavedState(*Model());
  for (const std::string& path : {directory_, absl::StrCat(directory_, "/", kModelWeightsFile)}) {
    const ModelDirectory files = ReadModelDirectory(path).value();
    EXPECT_TRUE(MessageDifferencer::Equals(files.config, Config()));
    ASSERT_EQ(files.weights.size(), saved.size());
    for (const auto& [name, tensor] : saved) {
      ASSERT_NE(files.weights.Find(name), nullptr) << name;
      EXPECT_TRUE(files.weights.Find(name)->equal(tensor)) << name;
    }
    EXPECT_EQ(files.weights.metadata().at("class_names"), "red\nwhite");
    const auto model = MakeTrainedModel(files.config, files.weights).value();
    const at::Tensor images = at::ones({1, 3, 64, 64});
    EXPECT_TRUE(model->Features(images).levels[0].equal(Model()->Features(images).levels[0]));
  }
}

TEST_F(ModelDirectoryTest, ConfigNamesItsMessage) {
  EXPECT_THAT(ReadFile(absl::StrCat(directory_, "/", kModelConfigFile)).value(),
              StartsWith("# proto-message: rcnn.configs.DetectorConfig\n"));
}

TEST_F(ModelDirectoryTest, TheModelDoesNotShareTheFilesMemory) {
  const ModelDirectory files = ReadModelDirectory(directory_).value();
  const auto model = MakeTrainedModel(files.config, files.weights).value();
  const at::Tensor before = files.weights.Find("rpn.conv.weight")->clone();
  {
    at::NoGradGuard no_grad;
    FindTensor(*model, "rpn.conv.weight").zero_();
  }
  EXPECT_TRUE(files.weights.Find("rpn.conv.weight")->equal(before));
}

TEST_F(ModelDirectoryTest, ABorrowingModelSharesTheWeightsOfItsLayersAlone) {
  const ModelDirectory files = ReadModelDirectory(directory_).value();
  const auto model =
      MakeTrainedModel(files.config, files.weights, WeightsMemory::kBorrowed).value();
  const auto shares = [&](const char* name) {
    return FindTensor(*model, name).is_alias_of(*files.weights.Find(name));
  };
  EXPECT_TRUE(shares("rpn.conv.weight"));
  EXPECT_TRUE(shares("head.fc6.weight"));
  EXPECT_FALSE(shares("head.fc6.bias"));
  const at::Tensor images = at::ones({1, 3, 64, 64});
  EXPECT_TRUE(model->Features(images).levels[0].equal(Model()->Features(images).levels[0]));
}

TEST_F(ModelDirectoryTest, SavedStateIsOfTheWholeModelWithNormalisationIn) {
  const auto model = Model();
  const at::Tensor plain = FindTensor(*model, "rpn.bbox_pred.bias").detach().clone();
  model->rpn()->SetBoxNormalization(at::full({4}, 0.5), at::full({4}, 2.));
  const weights::StateDict state = SavedState(*model);
  EXPECT_TRUE(state.Find("rpn.bbox_pred.bias")->equal(plain * 2 + 0.5));
  EXPECT_TRUE(FindTensor(*model, "rpn.bbox_pred.bias").equal(plain));
  for (const auto& item : model->named_parameters()) {
    if (!item.value().defined()) continue;
    EXPECT_NE(state.Find(item.key()), nullptr) << item.key();
  }
}

TEST_F(ModelDirectoryTest, UncreatableDirectoryErrorNamesIt) {
  const std::string file = absl::StrCat(root_, "/file");
  ASSERT_THAT(WriteFileAtomically(file, "x"), IsOk());
  const absl::Status status =
      WriteModelDirectory(absl::StrCat(file, "/model"), Config(), SavedState(*Model()));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, HasSubstr(file)));
}

TEST_F(ModelDirectoryTest, MissingDirectoryErrorNamesIt) {
  for (const std::string& path :
       {absl::StrCat(root_, "/none"), absl::StrCat(root_, "/none/", kModelWeightsFile)}) {
    const auto files = ReadModelDirectory(path);
    EXPECT_THAT(files, StatusIs(absl::StatusCode::kNotFound,
                                HasSubstr(absl::StrCat(root_, "/none/", kModelConfigFile))));
  }
}

TEST(CheckDetectorConfigTest, ErrorsNameTheField) {
  EXPECT_THAT(CheckDetectorConfig(Config()), IsOk());
  const auto error = [](const configs::DetectorConfig& config) {
    const absl::Status status = CheckDetectorConfig(config);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
    return std::string(status.message());
  };
  const std::string names = R"(class_name: ["red", "white"])";
  EXPECT_THAT(error(Changed(names, "")), HasSubstr("class_name is empty"));
  EXPECT_THAT(error(Changed("\"white\"", "\"red\"")), HasSubstr("class_name 'red'"));
  EXPECT_THAT(error(Changed("\"white\"", "\"\"")), HasSubstr("class_name ''"));
  EXPECT_THAT(error(Changed("\"white\"", "\"two\\nlines\"")), HasSubstr("several lines"));
  EXPECT_THAT(error(Changed("shortest_side_px: 96", "shortest_side_px: -1")),
              HasSubstr("input.shortest_side_px is -1"));
  // A model without a head has no classes.
  EXPECT_THAT(CheckDetectorConfig(Config("model { backbone { tiny {} } rpn {} }")), IsOk());
}

TEST(MakeTrainedModelTest, ErrorsDescribeTheMismatch) {
  const weights::StateDict state = SavedState(*Model());
  EXPECT_THAT(MakeTrainedModel(Config(), state), IsOk());
  EXPECT_THAT(
      MakeTrainedModel(Changed("\"white\"", "\"white\", \"cell\""), state),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               AllOf(HasSubstr("weights are for 2 classes"), HasSubstr("class_name is for 3"))));
  EXPECT_THAT(
      MakeTrainedModel(Changed("[16, 32]", "16"), state),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               HasSubstr("weights are for 6 anchors per cell, model.rpn.anchors is for 3")));
  EXPECT_THAT(MakeTrainedModel(Changed("rpn { anchors { size_px: [16, 32] } channels: 8 }",
                                       "rpn { anchors { size_px: [16, 32] } channels: 16 }"),
                               state),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("rpn.conv.weight")));
}

TEST(MakeTrainedModelTest, RejectsNonFiniteValues) {
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    const auto model = Model();
    {
      at::NoGradGuard no_grad;
      FindTensor(*model, "head.fc6.weight")[3][5] = bad;
    }
    EXPECT_THAT(MakeTrainedModel(Config(), SavedState(*model)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("head.fc6.weight: 1 of ")));
  }
}

TEST(MakeTrainedModelTest, RejectsMissingAndUnexpectedTensors) {
  weights::StateDict fewer, more = SavedState(*Model());
  for (const auto& [name, tensor] : SavedState(*Model())) {
    if (name != "rpn.conv.bias") fewer.Add(name, tensor);
  }
  EXPECT_THAT(MakeTrainedModel(Config(), fewer),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("rpn.conv.bias")));
  more.Add("head.fc9.weight", at::zeros({2}));
  EXPECT_THAT(MakeTrainedModel(Config(), more),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("head.fc9.weight")));
}

}  // namespace
}  // namespace rcnn::detection
