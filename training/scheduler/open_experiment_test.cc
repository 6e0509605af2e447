#include "rcnn/training/scheduler/open_experiment.h"

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/stage_record.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/testing/tiny_run.h"

namespace rcnn::training {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

absl::Status OverrideError(const std::vector<std::string>& overrides) {
  return OpenExperiment(TinyExperiment(overrides), "nowhere").status();
}

TEST(OpenExperimentTest, OpensTheDataOfEachRole) {
  const auto run = OpenExperiment(TinyExperiment(), "");
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(run->datasets.at(configs::TRAIN)->size(), 8);
  EXPECT_EQ(run->datasets.at(configs::TEST)->size(), 3);
  EXPECT_EQ(run->datasets.at(configs::VALIDATION), run->datasets.at(configs::TEST));
}

TEST(OpenExperimentTest, ValidationMayHaveSeparateImages) {
  const auto run = OpenExperiment(
      TinyExperiment({"data.validation={ shapes { seed: 3 num_images: 5 num_classes: 2 } }"}), "");
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(run->datasets.at(configs::VALIDATION)->size(), 5);
}

TEST(OpenExperimentTest, NamesTheMismatchedField) {
  EXPECT_THAT(
      OverrideError({"data.train={ voc { split: 'trainval' } }"}),
      StatusIs(absl::StatusCode::kNotFound, AllOf(HasSubstr("data.train"), HasSubstr("nowhere"))));
  EXPECT_THAT(
      OverrideError({"data.test.shapes.num_classes=1"}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("data.test has the classes disc, but data.train has disc, square"),
                     HasSubstr("data.test.classes"))));
  EXPECT_THAT(
      OverrideError({"data.validation={ shapes { num_classes: 3 } }"}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("data.validation has the classes")));
  EXPECT_THAT(OverrideError({"data.train.shapes.num_images=1"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("stage rpn1")));
  EXPECT_THAT(OverrideError({"data.train.shapes.min_objects=0", "data.train.shapes.max_objects=0"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("none of the training images, 8 in all, has an object")));
}

TEST(OpenExperimentTest, CountsTheUsedImages) {
  EXPECT_THAT(
      OverrideError({"data.train.shapes.min_objects=0", "data.train.shapes.max_objects=1",
                     "stages.rpn1.train_rpn.leave_out_empty_images=true",
                     "stages.rpn1.train_rpn.training.batching.images_per_batch=8"}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("stage rpn1"), HasSubstr("only 1 training image with objects"))));
}

// No user can read a link to itself.
TEST(OpenExperimentTest, WeightsThatCannotBeReadNowAreNotMissing) {
  const std::string root = FreshDirectory();
  std::filesystem::create_symlink("loop", root + "/loop");
  const auto error = [&](const std::string& file) {
    return OpenExperiment(TinyExperiment({"pretrained.file=" + file,
                                          "stages.rpn1.init=[{ pretrained: true }]"}),
                          root)
        .status();
  };
  EXPECT_THAT(error("loop"),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr(root + "/loop: Too many levels of symbolic links"),
                             Not(HasSubstr("missing")))));
  EXPECT_THAT(error("absent"),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("missing pretrained weights: " + root + "/absent. ")));
}

TEST(PlanInputsTest, HoldFingerprintsAndADigestOfThePretrainedWeights) {
  const auto inputs = MakePlanInputs(OpenExperiment(TinyExperiment(), "").value());
  ASSERT_THAT(inputs, IsOk());
  EXPECT_THAT(inputs->fingerprints, SizeIs(2));
  EXPECT_NE(inputs->fingerprints.at(configs::TRAIN), inputs->fingerprints.at(configs::TEST));
  EXPECT_THAT(inputs->pretrained_digest, IsEmpty());
}

TEST(PlanInputsTest, DigestDependsOnContentsNotPath) {
  const std::string root = FreshDirectory();
  const auto digest = [&](const std::string& name, const std::string& contents) {
    EXPECT_THAT(WriteFileAtomically(root + "/" + name, contents), IsOk());
    const auto run = OpenExperiment(
        TinyExperiment({"pretrained.file=" + name, "stages.rpn1.init=[{ pretrained: true }]"}),
        root);
    EXPECT_THAT(run, IsOk());
    return MakePlanInputs(*run)->pretrained_digest;
  };
  const std::string first = digest("a.pth", "weights");
  EXPECT_THAT(first, Not(IsEmpty()));
  EXPECT_EQ(digest("b.pth", "weights"), first);
  EXPECT_NE(digest("a.pth", "weightz"), first);
}

TEST(PlanInputsTest, ADamagedResultOfAnotherRunIsNotUsed) {
  const std::string root = FreshDirectory();
  StageRecord record;
  record.files["detections.json"] = Digest("[]");
  record.files["model.safetensors"] = Digest("weights");
  ASSERT_THAT(CreateDirectories(root + "/other/stages/1_final"), IsOk());
  ASSERT_THAT(WriteFileAtomically(root + "/other/stages/1_final/DONE", StageRecordText(record)),
              IsOk());
  const std::string file = root + "/other/model.safetensors";
  ASSERT_THAT(WriteFileAtomically(file, "weights"), IsOk());
  const auto run = OpenExperiment(TinyExperiment({"pretrained.file=other/model.safetensors",
                                                  "stages.rpn1.init=[{ pretrained: true }]"}),
                                  root);
  ASSERT_THAT(run, IsOk());
  EXPECT_THAT(MakePlanInputs(*run), IsOk());
  ASSERT_THAT(WriteFileAtomically(file, "weightz"), IsOk());
  EXPECT_THAT(MakePlanInputs(*run),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("pretrained.file: "), HasSubstr(file + " is damaged"))));
}

}  // namespace
}  // namespace rcnn::training
