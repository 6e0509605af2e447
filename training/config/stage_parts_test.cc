#include "rcnn/training/config/stage_parts.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/text_format.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/training/testing/sample_experiment.h"

namespace rcnn::training {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::TextFormat;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;
using ::testing::Pair;

constexpr char kDefaultsFile[] = "training/config/testdata/schema_defaults.txt";

// By the full names of fields, "rcnn.configs.SgdConfig.momentum", their defaults.
void CollectDefaults(const Descriptor& type, std::set<std::string>& seen, FieldMap& defaults) {
  const bool matters = type.full_name() != "rcnn.configs.ResourcesConfig";
  if (!matters || !seen.insert(type.full_name()).second) return;
  const std::unique_ptr<Message> empty(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(&type)->New());
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.message_type() != nullptr) CollectDefaults(*field.message_type(), seen, defaults);
    if (!field.has_default_value()) continue;
    TextFormat::PrintFieldValueToString(*empty, &field, -1, &defaults[field.full_name()]);
  }
}

FieldMap RecordedDefaults() {
  FieldMap defaults;
  for (const absl::string_view line :
       absl::StrSplit(ReadFile(kDefaultsFile).value(), '\n', absl::SkipEmpty())) {
    if (line[0] != '#') defaults.insert(absl::StrSplit(line, absl::MaxSplits(' ', 1)));
  }
  return defaults;
}

MessageFields PartsOfFirst(const configs::ExperimentConfig& config) {
  return StageParts(config, config.stages(0), {{configs::TRAIN, "aa"}}, "");
}

// A key does not contain default values, so only this test detects a changed
// default.
TEST(StagePartsTest, AnotherDefaultIsAnotherFormat) {
  std::set<std::string> seen;
  FieldMap now;
  CollectDefaults(*configs::ExperimentConfig::descriptor(), seen, now);
  now[std::string(kFormatPath)] = PartsOfFirst(SampleExperiment()).set.at("format");
  const FieldMap recorded = RecordedDefaults();
  for (const auto& [field, value] : now) {
    const auto found = recorded.find(field);
    if (found == recorded.end()) {
      ADD_FAILURE() << field << " is new: if its default is what was done before, add the line '"
                    << field << " " << value << "' to " << kDefaultsFile;
      continue;
    }
    EXPECT_EQ(found->second, value)
        << field << " has another default: raise both versions in stage_parts.cc, so that what "
        << "was made with the old one counts as changed, then update " << kDefaultsFile;
  }
  for (const auto& [field, value] : recorded) {
    EXPECT_EQ(now.count(field), 1u)
        << kDefaultsFile << " has the field " << field << ", which the schema does not have";
  }
}

// Only training draws samples, and its format has been raised more often.
TEST(StagePartsTest, TrainingHasItsOwnFormat) {
  const configs::ExperimentConfig config = SampleExperiment();
  std::map<bool, std::set<std::string>> formats;  // by whether the stage trains
  for (const configs::StageConfig& stage : config.stages()) {
    const bool trains = stage.has_train_rpn() || stage.has_train_fast_rcnn();
    formats[trains].insert(StageParts(config, stage, {}, "").set.at(std::string(kFormatPath)));
  }
  EXPECT_THAT(formats[true], ElementsAre("7"));
  EXPECT_THAT(formats[false], ElementsAre("5"));
}

TEST(StagePartsTest, SeparateDefaultsFromOtherValues) {
  const MessageFields parts = PartsOfFirst(
      SampleExperiment({"seed=0", "stages.rpn1.train_rpn.training.solver.learning_rate=0.5"}));
  const std::string rate = "train_rpn.training.solver.learning_rate";
  EXPECT_THAT(parts.set, Contains(Pair(rate, "0.5")));
  EXPECT_THAT(WithoutDefaults(parts), Contains(Pair(rate, "0.5")));
  EXPECT_THAT(WithoutDefaults(parts), Contains(Pair("train_rpn.training.solver.iterations", "4")));
  EXPECT_THAT(parts.set, Contains(Pair("model.rpn.channels", "256")));
  EXPECT_THAT(WithoutDefaults(parts), Not(Contains(Pair("model.rpn.channels", "256"))));
}

}  // namespace
}  // namespace rcnn::training
