#include "rcnn/training/config/check_experiment.h"

#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/testing/sample_experiment.h"

namespace rcnn::training {
namespace {

using ::testing::HasSubstr;

absl::Status Checked(const std::vector<std::string>& overrides) {
  return CheckExperiment(SampleExperiment(overrides));
}

std::string ErrorMessage(const std::vector<std::string>& overrides) {
  const absl::Status status = Checked(overrides);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  return std::string(status.message());
}

TEST(CheckExperimentTest, AcceptsTheFourSteps) { EXPECT_THAT(Checked({}), IsOk()); }

TEST(CheckExperimentTest, AcceptsJointTrainingAndStoredProposals) {
  const std::string training = "{ solver { sgd {} iterations: 2 } }";
  const absl::Status joint = Checked({"stages=[{ name: 'j' train_joint { training " + training +
                                      " } }, { name: 'e' evaluate { rpn: 'j' detector: 'j' } }]"});
  EXPECT_THAT(joint, IsOk());
  const absl::Status stored =
      Checked({"model.rpn=",
               "stages=[{ name: 's' selective_search {} }, { name: 't' selective_search { dataset: "
               "TEST } },"
               "{ name: 'f' train_fast_rcnn { proposals: 's' training " +
                   training + " } }, { name: 'e' evaluate { proposals: 't' detector: 'f' } }]"});
  EXPECT_THAT(stored, IsOk());
}

// Overrides, one per line, and the expected error.
struct Case {
  const char* overrides;
  const char* message;
};

void ExpectErrors(absl::Span<const Case> cases) {
  for (const Case& one : cases) {
    EXPECT_THAT(ErrorMessage(absl::StrSplit(one.overrides, '\n')), HasSubstr(one.message))
        << one.overrides;
  }
}

TEST(CheckExperimentTest, RejectsInvalidExperiments) {
  ExpectErrors({
      {"name=", "name: is missing"},
      {"name=../x", "name: \"../x\""},
      {"name=.hidden", "name: "},
      {"data.train=", "data.train: is missing"},
      {"data.train={ }", "data.train: has no source"},
      {"data.test={ concat {} }", "data.test.concat: has no parts"},
      {"data.test={ concat { parts {} } }", "data.test.concat.parts[0]: has no source"},
      {"data.transform.resize={}", "data.transform: resize.shortest_side_px"},
      {"model.backbone=", "model.backbone: has no network"},
      {"model.fpn={}", "model.fpn: needs a resnet"},
      {"pretrained.names=darknet", "pretrained.names: \"darknet\""},
      {"resources.device_index=-1", "resources.device_index is -1, not in [0, 127]"},
      {"resources.device_index=128", "resources.device_index is 128"},
      {"resources.checkpoints_kept=0", "resources.checkpoints_kept: is 0"},
      {"resources.checkpoint_seconds=nan", "resources.checkpoint_seconds"},
      {"resources.log_every=0", "resources.log_every"},
      {"resources.inference_graphs=-1", "resources.inference_graphs"},
      {"resources.training_graphs=-1", "resources.training_graphs"},
      {"resources.inference_batch=0", "resources.inference_batch is 0, not in [1, 256]"},
      {"resources.inference_batch=257", "resources.inference_batch is 257"},
      {"resources.loader.workers=-1", "resources.loader: workers is -1"},
      {"stages=", "stages: is empty"},
  });
}

TEST(CheckExperimentTest, RejectsInvalidStages) {
  ExpectErrors({
      {"stages[1].name=", "stages[1]: name: is missing"},
      {"stages[1].name=a.b", "stages[1]: name: \"a.b\""},
      {"stages[1].name=rpn1", "stages[1]: name: \"rpn1\" is the name of an earlier stage"},
      {"stages[1]={ name: 'x' }", "stage \"x\""},
      {"stages.props1.generate_proposals.rpn=", "stage \"props1\": rpn: is missing"},
      {"stages.props1.generate_proposals.rpn=rpn2", "stage \"props1\": rpn: \"rpn2\" comes later"},
      {"stages.props1.generate_proposals.rpn=props1", "is this stage itself"},
      {"stages.props2.generate_proposals.rpn=fast1", "\"fast1\" is not a stage that trains an RPN"},
      {"stages.props1.generate_proposals.rpn=rpn3", "\"rpn3\" does not exist"},
      {"stages.props1.generate_proposals.proposals.after_nms=0", "proposals.after_nms is 0"},
      {"stages.props1.generate_proposals.proposals.nms_iou=nan", "proposals.nms_iou"},
      {"stages.props1.freeze=backbone",
       "stage \"props1\": freeze: applies to training stages only"},
      {"stages.props1.init={ pretrained: true }", "init: applies to training stages only"},
      {"stages.props1.generate_proposals.dataset=TEST",
       "stage \"fast1\": proposals: \"props1\" is for the TEST images"},
      {"stages.props1.generate_proposals.dataset=TEST"
       "\nstages.props1.generate_proposals.on_mirrored_images=true",
       "on_mirrored_images"},
      {"data.transform.flip_vertically=true"
       "\nstages.props1.generate_proposals.on_mirrored_images=true",
       "stage \"fast1\": transform.flip_vertically: \"props1\" has proposals for"},
      {"data.test=", "stage \"final\": dataset: is TEST, but the experiment has no such"},
      {"stages.props1={ name: 'props1' selective_search { search { max_boxes: -1 } } }",
       "search: max_boxes is -1"},
      {"stages.final.evaluate.rpn=", "stage \"final\": rpn: set exactly one"},
      {"stages.final.evaluate.proposals=props1", "exactly one"},
      {"stages.final.evaluate.rpn="
       "\nstages.final.evaluate.proposals=props1",
       "\"props1\" is for the TRAIN images, and this evaluates the TEST images"},
      {"stages.final.evaluate.detector=rpn2",
       "detector: \"rpn2\" is not a stage that trains a head"},
      {"stages.final.evaluate.rpn=rpn1", "\"rpn1\" and \"fast2\" do not share a backbone"},
      {"stages.fast2.freeze=", "do not share a backbone"},
      {"stages.final.evaluate.detections.max_per_image=0", "detections.max_per_image"},
      {"stages.final.evaluate.detections.voting_iou=1.5", "detections.voting_iou"},
  });
}

TEST(CheckExperimentTest, RejectsInvalidTraining) {
  ExpectErrors({
      {"model.rpn=", "stage \"rpn1\": model.rpn: is missing"},
      {"model.head=", "stage \"fast1\": model.head: is missing"},
      {"stages.rpn1.train_rpn.training.solver=", "stage \"rpn1\": training.solver: is missing"},
      {"stages.rpn1.train_rpn.training=", "stage \"rpn1\": training.solver: is missing"},
      {"stages.rpn1.train_rpn.training.solver.learning_rate=-1",
       "stage \"rpn1\": training: solver: learning_rate is -1"},
      {"stages.rpn1.train_rpn.training.batching.images_per_batch=0",
       "stage \"rpn1\": training.batching.images_per_batch: is 0"},
      {"stages.rpn1.train_rpn.training.average_decay=1", "training.average_decay: is 1"},
      {"stages.rpn1.train_rpn.training.average_decay=nan", "training.average_decay"},
      {"stages.rpn1.train_rpn.training.transform={ pad_to_multiple_px: 0 }",
       "stage \"rpn1\": training.transform: pad_to_multiple_px"},
      {"stages.fast1.train_fast_rcnn.proposals=", "stage \"fast1\": proposals: is missing"},
      {"stages.fast1.train_fast_rcnn.proposals=rpn1", "makes proposals"},
      {"stages.fast1.train_fast_rcnn.proposals=props2", "comes later"},
      {"stages.fast1.train_fast_rcnn.max_proposals=-1", "max_proposals: is -1"},
      {"stages.rpn1.init={}", "init[0]: has no source"},
      {"stages.rpn1.init={ pretrained: false }", "init[0]: has no source"},
      {"stages.rpn1.init={ pretrained: true }", "init[0].pretrained: the experiment has no"},
      {"stages.rpn1.init={ stage: 'fast1' }", "init[0].stage: \"fast1\" comes later"},
      {"stages.fast2.init[0].stage=props2", "\"props2\" is not a training stage"},
      {"stages.fast2.init[0].part[0]=backbon", "init[0].part: \"backbon\" is not a part of "},
      {"stages.fast2.init[0].part[0]=head", "\"head\" is not a part of what \"rpn2\" trains"},
      {"stages.fast2.init[0].part[0]=rpn", "\"rpn\" is not a part of this stage's network"},
      {"stages.fast2.init[0].part[0]=\"\"", "init[0].part: \"\" is not a part"},
      {"stages.rpn1.freeze=head", "freeze: \"head\" is not a part"},
      {"stages.rpn1.freeze=[\"backbone\", \"rpn\"]", "so there is nothing to train"},
  });
}

TEST(CheckExperimentTest, RejectsInvalidValidation) {
  ExpectErrors({
      {"stages.rpn1.train_rpn.training.validation={ every: 0 }",
       "stage \"rpn1\": training.validation.every: is 0"},
      {"stages.rpn1.train_rpn.training.validation={ max_images: -1 }", "max_images: is -1"},
      {"stages.rpn1.train_rpn.training.validation={ metric: AP }", "AP measures detections"},
      {"stages.fast2.train_fast_rcnn.training.validation={ proposals: \"props2\" }"
       "\nstages.fast2.train_fast_rcnn.training.validation.metric=AR_100",
       "AR_100 measures proposals"},
      {"stages.rpn1.train_rpn.training.validation={ proposals: 'x' }",
       "validation.proposals: this stage has an RPN"},
      {"stages.fast2.train_fast_rcnn.training.validation={}",
       "stage \"fast2\": training.validation.proposals: is missing"},
      {"stages.fast2.train_fast_rcnn.training.validation={ proposals: \"props2\" }",
       "\"props2\" is for the TRAIN images"},
      {"stages[6]="
       "\nstages.rpn1.train_rpn.training.validation={}"
       "\ndata.test=",
       "no data to measure on"},
  });
}

TEST(CheckExperimentTest, JointTrainingHasNoProposalsToMeasure) {
  EXPECT_THAT(
      ErrorMessage({"model.head.targets.box_normalization=PER_CLASS",
                    "stages=[{ name: 'j' train_joint { training { solver { sgd {} iterations: 2 "
                    "} } } }]"}),
      HasSubstr("stage \"j\": model.head.targets.box_normalization: PER_CLASS"));
  EXPECT_THAT(Checked({"model.head.targets.box_normalization=PER_CLASS"}), IsOk());
}

TEST(CheckExperimentTest, ValidationUsesTestImagesByDefault) {
  const std::vector<std::string> stages = {
      "stages.props2.generate_proposals.dataset=VALIDATION",
      "stages.fast2.train_fast_rcnn.proposals=props1",
      "stages.fast2.train_fast_rcnn.training.validation={ proposals: \"props2\" }"};
  EXPECT_THAT(Checked(stages), IsOk());
  std::vector<std::string> limited = stages;
  limited.push_back("stages.fast2.train_fast_rcnn.training.validation.max_images=3");
  EXPECT_THAT(ErrorMessage(limited), HasSubstr("max_images: stored proposals cover all images"));
}

}  // namespace
}  // namespace rcnn::training
