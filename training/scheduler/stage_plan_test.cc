#include "rcnn/training/scheduler/stage_plan.h"

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/peak_memory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/config/message_fields.h"
#include "rcnn/training/config/written_defaults.h"
#include "rcnn/training/testing/sample_experiment.h"

namespace rcnn::training {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

PlanInputs Inputs() {
  return {.fingerprints = {{configs::TRAIN, "aa"}, {configs::TEST, "bb"}},
          .pretrained_digest = "cc"};
}

std::vector<PlannedStage> Plan(const std::vector<std::string>& overrides,
                               const PlanInputs& inputs = Inputs()) {
  return PlanStages(SampleExperiment(overrides), inputs);
}

// Names of the stages whose keys differ, in order.
std::vector<std::string> Changed(const std::vector<PlannedStage>& before,
                                 const std::vector<PlannedStage>& after) {
  std::vector<std::string> names;
  for (size_t i = 0; i < before.size(); ++i) {
    if (before[i].key != after[i].key) names.push_back(before[i].name);
  }
  return names;
}

std::string ChangedBy(const std::vector<std::string>& overrides,
                      const std::vector<std::string>& first = {}) {
  std::vector<std::string> all = first;
  all.insert(all.end(), overrides.begin(), overrides.end());
  return absl::StrJoin(Changed(Plan(first), Plan(all)), " ");
}

constexpr char kAll[] = "rpn1 props1 fast1 rpn2 props2 fast2 final";
constexpr char kFromProposals1[] = "props1 fast1 rpn2 props2 fast2 final";

TEST(PlanStagesTest, NamesNumbersDirectoriesAndReads) {
  const std::vector<PlannedStage> plan = Plan({});
  ASSERT_EQ(plan.size(), 7);
  EXPECT_EQ(plan[3].number, 4);
  EXPECT_EQ(plan[3].name, "rpn2");
  EXPECT_EQ(plan[3].directory, "stages/4_rpn2");
  EXPECT_THAT(plan[0].reads, IsEmpty());
  EXPECT_THAT(plan[5].reads, ElementsAre("props2", "rpn2"));
  EXPECT_THAT(plan[6].reads, ElementsAre("rpn2", "fast2"));
  for (const PlannedStage& stage : plan) EXPECT_EQ(stage.key.size(), 32) << stage.name;
}

TEST(PlanStagesTest, IsTheSameEachTime) { EXPECT_EQ(ChangedBy({}), ""); }

TEST(PlanStagesTest, WrittenDefaultsChangeNothing) {
  EXPECT_EQ(ChangedBy({"seed=3", "model.head.fc={}", "model.rpn.channels=256",
                       "model.head.pool.size=7", "data.train.difficult=KEEP_MARK",
                       "stages.rpn1.train_rpn.training.batching.images_per_batch=1",
                       "stages.final.evaluate.dataset=TEST"}),
            "");
}

TEST(PlanStagesTest, EditRerunsAffectedStages) {
  EXPECT_EQ(ChangedBy({"stages.fast2.train_fast_rcnn.training.solver.learning_rate=0.1"}),
            "fast2 final");
  EXPECT_EQ(ChangedBy({"stages.rpn1.train_rpn.training.solver.learning_rate=0.1"}), kAll);
  EXPECT_EQ(ChangedBy({"stages.final.evaluate.max_proposals=5"}), "final");
  EXPECT_EQ(ChangedBy({"stages.rpn2.train_rpn.training.solver.iterations=5"}),
            "rpn2 props2 fast2 final");
  EXPECT_EQ(ChangedBy({"seed=4"}), kAll);
}

TEST(PlanStagesTest, OnlyUsedPartsOfTheModelCount) {
  EXPECT_EQ(ChangedBy({"model.backbone.tiny.channels=16"}), kAll);
  EXPECT_EQ(ChangedBy({"model.normalization.scale=0.5"}), kAll);
  EXPECT_EQ(ChangedBy({"model.rpn.channels=64"}), kAll);
  EXPECT_EQ(ChangedBy({"model.head.targets.rois_per_image=64"}), "fast1 rpn2 props2 fast2 final");
  EXPECT_EQ(ChangedBy({"model.head.detections.nms_iou=0.3"}), "final");
  EXPECT_EQ(ChangedBy({"model.rpn.test_proposals.after_nms=50"}), kFromProposals1);
  EXPECT_EQ(ChangedBy({"model.rpn.train_proposals.after_nms=50"}), "");
}

TEST(PlanStagesTest, OverriddenLimitsHideTheModels) {
  const std::vector<std::string> own = {
      "stages.props1.generate_proposals.proposals={ after_nms: 9 }",
      "stages.props2.generate_proposals.proposals={ after_nms: 9 }"};
  EXPECT_EQ(ChangedBy({"model.rpn.test_proposals.after_nms=50"}, own), "final");
  EXPECT_EQ(
      ChangedBy({"model.rpn.test_proposals.after_nms=50", "model.head.detections.nms_iou=0.1"},
                {own[0], own[1], "stages.final.evaluate.proposal_limits={}",
                 "stages.final.evaluate.detections={}"}),
      "");
}

TEST(PlanStagesTest, DataCountsByRole) {
  EXPECT_EQ(ChangedBy({"data.test.shapes.num_images=11"}), "final");
  EXPECT_EQ(ChangedBy({"data.train.shapes.num_images=21"}), kAll);
  PlanInputs other = Inputs();
  other.fingerprints[configs::TEST] = "dd";
  EXPECT_THAT(Changed(Plan({}), Plan({}, other)), ElementsAre("final"));
  other = Inputs();
  other.pretrained_digest = "dd";
  EXPECT_THAT(Changed(Plan({}), Plan({}, other)), IsEmpty());
}

TEST(PlanStagesTest, PretrainedWeightsAreHashedByContents) {
  const std::vector<std::string> pretrained = {"pretrained.file=a.pth",
                                               "stages.rpn1.init={ pretrained: true }"};
  EXPECT_EQ(ChangedBy({"pretrained.file=b.pth", "pretrained.hint=there"}, pretrained), "");
  PlanInputs other = Inputs();
  other.pretrained_digest = "dd";
  EXPECT_EQ(absl::StrJoin(Changed(Plan(pretrained), Plan(pretrained, other)), " "), kAll);
}

TEST(PlanStagesTest, TransformsCountOnlyWhereUsed) {
  EXPECT_EQ(ChangedBy({"data.transform.flip=NEVER"}), kAll);
  const std::vector<std::string> own = {"stages.rpn1.train_rpn.training.transform={}",
                                        "stages.fast1.train_fast_rcnn.training.transform={}",
                                        "stages.rpn2.train_rpn.training.transform={}",
                                        "stages.fast2.train_fast_rcnn.training.transform={}"};
  EXPECT_EQ(ChangedBy({"data.transform.flip=NEVER", "data.transform.flip_vertically=true",
                       "data.transform.jitter={ brightness: 0.5 }",
                       "data.transform.resize.shortest_side_px[0]=80"},
                      own),
            "");
  EXPECT_EQ(ChangedBy({"data.transform.resize.shortest_side_px[1]=80"}, own), kFromProposals1);
}

TEST(PlanStagesTest, IrrelevantFieldsDoNotCount) {
  EXPECT_EQ(ChangedBy({"resources.device=CUDA", "resources.device_index=1",
                       "resources.loader.workers=9", "name=other",
                       "data.train.paths.folder=elsewhere", "resources.checkpoint_iterations=3"}),
            "");
  EXPECT_EQ(ChangedBy({"data.train={ concat { parts { shapes {} paths { folder: 'b' } } } }"},
                      {"data.train={ concat { parts { shapes {} paths { folder: 'a' } } } }"}),
            "");
}

TEST(PlanStagesTest, ValidationCountsOnlyIfItSelectsWeights) {
  const std::string field = "stages.rpn2.train_rpn.training.validation=";
  EXPECT_EQ(ChangedBy({field + "{ every: 2 }"}), "");
  EXPECT_EQ(ChangedBy({field + "{ every: 2 keep_best: true }"}), "rpn2 props2 fast2 final");
  // It decides when training ends.
  EXPECT_EQ(ChangedBy({field + "{ every: 2 patience: 3 }"}), "rpn2 props2 fast2 final");
  const std::vector<std::string> best = {field + "{ keep_best: true }"};
  EXPECT_EQ(ChangedBy({"data.test.shapes.num_images=11"}, best), "rpn2 props2 fast2 final");
  EXPECT_EQ(ChangedBy({"data.validation.shapes.num_images=11"}, best), "rpn2 props2 fast2 final");
}

TEST(PlanStagesTest, PrecisionCountsUnlessItIsTheDefault) {
  const std::string field = "stages.rpn2.train_rpn.training.precision=";
  EXPECT_EQ(ChangedBy({field + "FLOAT32"}), "");
  for (const std::string precision : {"TF32", "BFLOAT16", "FLOAT16"}) {
    EXPECT_EQ(ChangedBy({field + precision}), "rpn2 props2 fast2 final");
  }
}

TEST(PlanStagesTest, DeterminismCountsUnlessItIsTheDefault) {
  const std::string field = "stages.rpn2.train_rpn.training.deterministic=";
  EXPECT_EQ(ChangedBy({field + "true"}), "");
  EXPECT_EQ(ChangedBy({field + "false"}), "rpn2 props2 fast2 final");
}

TEST(PlanStagesTest, TheNameOfATrainingStageIsOfItsRandomStreams) {
  const std::vector<PlannedStage> plan = Plan({"stages[6].name=last"});
  EXPECT_EQ(plan[6].key, Plan({})[6].key);
  EXPECT_NE(Plan({"stages[2].name=f"})[2].key, Plan({})[2].key);
}

// Every field of the schema that the sample sets, defaults included, is either
// known not to matter or part of a key.
TEST(PlanStagesTest, EveryFieldCountsSomewhere) {
  const std::vector<std::string> ignored = {
      "name",           "resources.",     "model.rpn.train_proposals.",
      "stages[6].name", "stages[1].name", "stages[4].name"};
  const configs::ExperimentConfig config = SampleExperiment();
  std::set<std::string> counted;
  for (const PlannedStage& stage : Plan({})) {
    const std::string prefix = absl::StrCat("stages[", stage.number - 1, "].");
    FieldMap all = stage.defaults;
    all.insert(stage.parts.begin(), stage.parts.end());
    for (const auto& [path, value] : all) {
      const bool of_experiment =
          absl::StartsWith(path, "model.") || absl::StartsWith(path, "data.") || path == "seed";
      counted.insert(of_experiment ? path : prefix + path);
    }
  }
  MessageFields fields;
  configs::ExperimentConfig written = config;
  WriteDefaults(&written);
  AddMessageFields(written, "", fields);
  EXPECT_GT(fields.set.size(), 150u);
  for (const auto& [path, value] : fields.set) {
    if (value == "{}") continue;  // what is in it counts
    const bool skipped = absl::c_any_of(
        ignored, [p = path](const std::string& prefix) { return absl::StartsWith(p, prefix); });
    EXPECT_NE(counted.count(path) > 0, skipped) << path;
  }
}

TEST(KeyTextTest, ReadsBack) {
  for (const PlannedStage& stage : Plan({})) {
    const auto recorded = ParseKeyText(KeyText(stage));
    ASSERT_THAT(recorded, IsOk());
    EXPECT_EQ(recorded->key, stage.key);
    EXPECT_EQ(recorded->parts, stage.parts);
  }
}

// As in the first version that wrote it: later fields of the schema must not appear in it.
TEST(KeyTextTest, ContainsOnlyNonDefaultValues) {
  const PlannedStage stage = Plan({})[0];
  EXPECT_EQ(KeyText(stage), absl::StrCat("key: ", stage.key, R"(
data.train.shapes: {}
data.train.shapes.num_images: 20
data.train.shapes.seed: 1
data.transform.flip: AT_RANDOM
data.transform.resize: {}
data.transform.resize.shortest_side_px: [96, 112]
fingerprint.train: aa
format: 7
model.backbone: {}
model.backbone.tiny: {}
model.backbone.tiny.channels: 8
model.rpn: {}
name: "rpn1"
seed: 3
train_rpn: {}
train_rpn.training.solver: {}
train_rpn.training.solver.adamw: {}
train_rpn.training.solver.iterations: 4
)"));
}

TEST(KeyTextTest, RejectsDamagedText) {
  const std::string text = KeyText(Plan({})[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    std::string damaged = text;
    damaged[i] ^= 1;
    EXPECT_THAT(ParseKeyText(damaged), ::testing::Not(IsOk())) << "byte " << i;
    if (i + 1 == text.size()) continue;  // only the last line break is missing
    EXPECT_THAT(ParseKeyText(text.substr(0, i)), ::testing::Not(IsOk())) << "byte " << i;
  }
}

TEST(KeyTextTest, MemoryIsBoundedByTheSizeOfTheFile) {
  if (!kMeasuresMemory) GTEST_SKIP() << "sanitizers need memory of their own";
  std::string text = "key: 0123456789abcdef0123456789abcdef\n";
  for (int i = 0; text.size() < 4'000'000; ++i) {
    for (int shift = 0; shift < 24; shift += 6) text += static_cast<char>('0' + (i >> shift & 63));
    text += '\n';
  }
  const int64_t peak = MeasurePeakBytes([&] { ParseKeyText(text).status().IgnoreError(); });
  EXPECT_GE(peak, 0);
  EXPECT_LE(peak, 10 * static_cast<int64_t>(text.size()) + (2 << 20));
}

StageStatus Recorded(const PlannedStage& stage) {
  StageStatus status;
  status.begun = true;
  status.recorded = {stage.key, stage.parts};
  return status;
}

TEST(DecideTest, RunsNewStages) {
  EXPECT_EQ(Decide(Plan({})[0], {}).action, StageDecision::kRun);
  EXPECT_EQ(Decide(Plan({})[0], {}).reason, "has not run yet");
}

TEST(DecideTest, SkipsFinishedStages) {
  StageStatus status = Recorded(Plan({})[0]);
  status.done = true;
  EXPECT_EQ(Decide(Plan({})[0], status).action, StageDecision::kSkip);
}

TEST(DecideTest, ResumesUnfinishedAndDamagedStages) {
  StageStatus status = Recorded(Plan({})[0]);
  EXPECT_EQ(Decide(Plan({})[0], status).action, StageDecision::kResume);
  status.checkpoint = 500;
  EXPECT_THAT(Decide(Plan({})[0], status).reason, HasSubstr("at iteration 500"));
  status.problem = "model.safetensors is missing";
  EXPECT_THAT(Decide(Plan({})[0], status).reason, HasSubstr("model.safetensors is missing"));
  EXPECT_EQ(Decide(Plan({})[0], status).action, StageDecision::kResume);
}

TEST(DecideTest, RunsADamagedStageWithoutACheckpointFromTheStart) {
  StageStatus status = Recorded(Plan({})[0]);
  status.problem = "model.safetensors is missing";
  EXPECT_EQ(Decide(Plan({})[0], status).action, StageDecision::kRun);
  EXPECT_EQ(Decide(Plan({})[0], status).reason, "model.safetensors is missing");
}

TEST(DecideTest, ReasonNamesTheChange) {
  const std::vector<PlannedStage> after =
      Plan({"stages.fast2.train_fast_rcnn.training.solver.learning_rate=0.0005"});
  StageDecision decision = Decide(after[5], Recorded(Plan({})[5]));
  EXPECT_EQ(decision.action, StageDecision::kRun);
  EXPECT_EQ(decision.reason,
            "changed: train_fast_rcnn.training.solver.learning_rate 0.001 -> 0.0005");
  decision = Decide(after[6], Recorded(Plan({})[6]));
  EXPECT_EQ(decision.reason, "changed: reads fast2, which has changed");
}

TEST(DecideTest, UsesCurrentDefaults) {
  const std::vector<PlannedStage> before = Plan({"model.rpn.channels=64"});
  EXPECT_EQ(Decide(Plan({})[0], Recorded(before[0])).reason,
            "changed: model.rpn.channels 64 -> 256");
  EXPECT_EQ(Decide(before[0], Recorded(Plan({})[0])).reason,
            "changed: model.rpn.channels 256 -> 64");
}

TEST(DecideTest, ReportsResultsOfAnotherVersion) {
  StageStatus status = Recorded(Plan({})[0]);
  status.recorded.parts["format"] = "1";
  status.recorded.key = "another";
  EXPECT_EQ(Decide(Plan({})[0], status).reason,
            "made by another version of rcnn, which may give different results");
}

TEST(DecideTest, ReportsAddedAndRemovedFields) {
  const auto decision =
      Decide(Plan({"stages.fast2.init=[{ stage: 'rpn1' }]"})[5], Recorded(Plan({})[5]));
  EXPECT_THAT(decision.reason, HasSubstr("init[0].part [\"backbone\"] -> (none)"));
  EXPECT_THAT(decision.reason, HasSubstr("init[0].stage \"rpn2\" -> \"rpn1\""));
  PlanInputs other = Inputs();
  other.fingerprints[configs::TEST] = "dd";
  EXPECT_EQ(Decide(Plan({}, other)[6], Recorded(Plan({})[6])).reason,
            "changed: the test data has changed");
}

TEST(DecideTest, CountsTheRest) {
  const auto decision = Decide(
      Plan({"model.backbone={ vgg16 {} }", "seed=9", "data.transform="})[0], Recorded(Plan({})[0]));
  EXPECT_THAT(decision.reason, HasSubstr(" more"));
}

}  // namespace
}  // namespace rcnn::training
