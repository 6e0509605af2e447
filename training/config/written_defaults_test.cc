#include "rcnn/training/config/written_defaults.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/message_differencer.h>

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/testing/sample_experiment.h"

namespace rcnn::training {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::util::MessageDifferencer;
using ::testing::IsEmpty;

// Message fields whose absence has its own meaning.
const std::set<std::string>& MeaningfulAbsences() {
  static const auto* names = new std::set<std::string>{
      "rcnn.configs.DatasetConfig.paths",                // --data_root
      "rcnn.configs.DetectorConfig.model",               // required
      "rcnn.configs.EvaluateConfig.detections",          // the model's
      "rcnn.configs.EvaluateConfig.proposal_limits",     // the model's
      "rcnn.configs.ExperimentConfig.data",              // required
      "rcnn.configs.ExperimentConfig.model",             // required
      "rcnn.configs.ExperimentConfig.pretrained",        // none
      "rcnn.configs.ExperimentData.test",                // none
      "rcnn.configs.ExperimentData.train",               // required
      "rcnn.configs.ExperimentData.validation",          // test
      "rcnn.configs.FcHeadConfig.conv_norm",             // none
      "rcnn.configs.FpnConfig.norm",                     // none
      "rcnn.configs.GenerateProposalsConfig.proposals",  // the model's
      "rcnn.configs.ModelConfig.backbone",               // required
      "rcnn.configs.ModelConfig.fpn",                    // none
      "rcnn.configs.ModelConfig.head",                   // none
      "rcnn.configs.ModelConfig.rpn",                    // none
      "rcnn.configs.ResNetConfig.norm",                  // a oneof without fields of its own
      "rcnn.configs.SolverConfig.warm_up",               // none
      "rcnn.configs.TrainingConfig.solver",              // required
      "rcnn.configs.TrainingConfig.transform",           // the experiment's
      "rcnn.configs.TrainingConfig.validation",          // none
      "rcnn.configs.TransformConfig.jitter",             // none
      "rcnn.configs.TransformConfig.resize",             // none
  };
  return *names;
}

void CollectMessageFields(const Descriptor& type, std::set<std::string>& seen,
                          std::set<const FieldDescriptor*>& fields) {
  if (!seen.insert(type.full_name()).second) return;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* field = type.field(i);
    if (field->message_type() == nullptr) continue;
    fields.insert(field);
    CollectMessageFields(*field->message_type(), seen, fields);
  }
}

TEST(WrittenDefaultsTest, EveryMessageOfTheSchemaIsHandled) {
  std::set<std::string> seen, decided;
  std::set<const FieldDescriptor*> fields;
  CollectMessageFields(*configs::ExperimentConfig::descriptor(), seen, fields);
  CollectMessageFields(*configs::DetectorConfig::descriptor(), seen, fields);
  int written = 0;
  for (const FieldDescriptor* field : fields) {
    const bool meaningful = MeaningfulAbsences().count(field->full_name()) == 1;
    if (meaningful) decided.insert(field->full_name());
    written += AbsentMeansDefaults(*field) ? 1 : 0;
    if (field->is_repeated() || field->containing_oneof() != nullptr) continue;
    EXPECT_NE(meaningful, AbsentMeansDefaults(*field))
        << field->full_name() << " is in none of the two lists, or in both";
  }
  // The lists have no fields that the schema lacks (any more).
  EXPECT_EQ(decided, MeaningfulAbsences());
  EXPECT_EQ(written, 23);
}

TEST(WrittenDefaultsTest, ChangesNoMeaning) {
  const configs::ExperimentConfig config = SampleExperiment({"model.head.fc={}"});
  configs::ExperimentConfig written = config;
  WriteDefaults(&written);
  // roi_align is a member of a oneof, which is all that differs.
  written.mutable_model()->mutable_head()->mutable_pool()->clear_roi_align();
  MessageDifferencer differencer;
  std::string differences;
  differencer.ReportDifferencesToString(&differences);
  differencer.set_message_field_comparison(MessageDifferencer::EQUIVALENT);
  EXPECT_TRUE(differencer.Compare(config, written)) << differences;
}

TEST(WrittenDefaultsTest, WritesScalarsMessagesAndMembersOfOneofs) {
  configs::ExperimentConfig config = SampleExperiment();
  WriteDefaults(&config);
  EXPECT_TRUE(config.has_seed());
  EXPECT_TRUE(config.resources().loader().has_workers());
  EXPECT_TRUE(config.model().rpn().targets().has_foreground_iou());
  EXPECT_TRUE(config.model().head().fc().has_dropout());
  EXPECT_TRUE(config.model().head().pool().roi_align().has_sampling_ratio());
  EXPECT_TRUE(config.stages(0).train_rpn().training().solver().adamw().has_beta2());
  EXPECT_TRUE(config.stages(2).train_fast_rcnn().training().batching().has_tail());
}

TEST(WrittenDefaultsTest, KeepsMeaningfulAbsence) {
  configs::ExperimentConfig config = SampleExperiment({"model.head.layer4={}"});
  WriteDefaults(&config);
  EXPECT_FALSE(config.has_pretrained());
  EXPECT_FALSE(config.model().has_fpn());
  EXPECT_TRUE(config.model().head().has_layer4());
  EXPECT_FALSE(config.model().rpn().targets().has_max_overhang_px());
  EXPECT_FALSE(config.data().transform().has_jitter());
  EXPECT_FALSE(config.data().has_validation());
  const configs::TrainingConfig& training = config.stages(0).train_rpn().training();
  EXPECT_FALSE(training.has_validation());
  EXPECT_FALSE(training.has_transform());
  EXPECT_FALSE(training.solver().has_warm_up());
  EXPECT_EQ(training.solver().schedule_case(), configs::SolverConfig::SCHEDULE_NOT_SET);
}

TEST(WrittenDefaultsTest, ChangesNothingTheSecondTime) {
  configs::ExperimentConfig once = SampleExperiment();
  WriteDefaults(&once);
  configs::ExperimentConfig twice = once;
  WriteDefaults(&twice);
  EXPECT_TRUE(MessageDifferencer::Equals(once, twice));
}

}  // namespace
}  // namespace rcnn::training
