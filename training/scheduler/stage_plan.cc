#include "rcnn/training/scheduler/stage_plan.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "rcnn/data/core/fingerprint.h"
#include "rcnn/training/config/stage_parts.h"

namespace rcnn::training {
namespace {

using configs::ExperimentConfig;

// Far more lines than any experiment makes, and of a damaged file so many that they take no more
// than 10 times its size in memory: a line of two bytes takes 112.
constexpr int64_t kFewLines = 10'000;
constexpr int64_t kBytesPerLine = 16;

// Number of differences that a reason names; further ones are counted.
constexpr size_t kNamedDifferences = 3;

std::string ComputeHash(const FieldMap& parts) {
  data::Fingerprint fingerprint;
  for (const auto& [path, value] : parts) fingerprint.Add(path).Add(value);
  return fingerprint.Hex();
}

// The value of a part; for an absent one its default, or "(none)".
std::string FieldValue(const FieldMap& parts, const FieldMap& defaults, const std::string& path) {
  const auto found = parts.find(path);
  if (found != parts.end()) return found->second;
  const auto meant = defaults.find(path);
  return meant == defaults.end() ? "(none)" : meant->second;
}

std::string Difference(const std::string& path, const FieldMap& before, const PlannedStage& after) {
  absl::string_view name = path;
  if (absl::ConsumePrefix(&name, kReadsPrefix)) {
    if (before.count(path) == 0) return absl::StrCat("now reads ", name);
    if (after.parts.count(path) == 0) return absl::StrCat("no longer reads ", name);
    return absl::StrCat("reads ", name, ", which has changed");
  }
  if (absl::ConsumePrefix(&name, kFingerprintPrefix)) {
    return absl::StrCat("the ", name, " data has changed");
  }
  return absl::StrCat(path, " ", FieldValue(before, after.defaults, path), " -> ",
                      FieldValue(after.parts, after.defaults, path));
}

// The differences, settings first, because users edit those.
std::vector<std::string> Differences(const FieldMap& before, const PlannedStage& after) {
  FieldMap all = before;
  all.insert(after.parts.begin(), after.parts.end());
  std::vector<std::string> settings, reads;
  for (const auto& [path, unused] : all) {
    if (FieldValue(before, after.defaults, path) == FieldValue(after.parts, after.defaults, path)) {
      continue;
    }
    (absl::StartsWith(path, kReadsPrefix) ? reads : settings)
        .push_back(Difference(path, before, after));
  }
  settings.insert(settings.end(), reads.begin(), reads.end());
  return settings;
}

std::string ChangeReason(const FieldMap& before, const PlannedStage& after) {
  // Only DONE has the key (stage_files.h).
  if (before.empty()) return "its key has changed";
  const std::string path(kFormatPath);
  if (FieldValue(before, {}, path) != FieldValue(after.parts, {}, path)) {
    return "made by another version of rcnn, which may give different results";
  }
  std::vector<std::string> differences = Differences(before, after);
  if (differences.empty()) return "its key has changed";
  const size_t more = differences.size() - std::min(differences.size(), kNamedDifferences);
  differences.resize(differences.size() - more);
  return absl::StrCat("changed: ", absl::StrJoin(differences, "; "),
                      more == 0 ? "" : absl::StrCat("; and ", more, " more"));
}

}  // namespace

std::vector<PlannedStage> PlanStages(const ExperimentConfig& config, const PlanInputs& inputs) {
  std::vector<PlannedStage> plan;
  std::map<std::string, std::string> keys;
  for (int i = 0; i < config.stages_size(); ++i) {
    const configs::StageConfig& stage = config.stages(i);
    PlannedStage planned;
    planned.number = i + 1;
    planned.name = stage.name();
    planned.directory = absl::StrCat("stages/", planned.number, "_", planned.name);
    planned.reads = StagesRead(stage);
    MessageFields parts = StageParts(config, stage, inputs.fingerprints, inputs.pretrained_digest);
    planned.parts = WithoutDefaults(parts);
    planned.defaults = std::move(parts.defaults);
    for (const std::string& read : planned.reads) {
      planned.parts[absl::StrCat(kReadsPrefix, read)] = keys[read];
    }
    planned.key = ComputeHash(planned.parts);
    keys[planned.name] = planned.key;
    plan.push_back(std::move(planned));
  }
  return plan;
}

std::string KeyText(const PlannedStage& stage) {
  std::string text = absl::StrCat("key: ", stage.key, "\n");
  for (const auto& [path, value] : stage.parts) absl::StrAppend(&text, path, ": ", value, "\n");
  return text;
}

absl::StatusOr<RecordedKey> ParseKeyText(absl::string_view text) {
  const absl::Status damaged = absl::DataLossError("the record of a stage's settings is damaged");
  const auto bytes = static_cast<int64_t>(text.size());
  if (std::count(text.begin(), text.end(), '\n') > kFewLines + bytes / kBytesPerLine) {
    return damaged;
  }
  RecordedKey recorded;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> part =
        absl::StrSplit(line, absl::MaxSplits(": ", 1));
    if (part.first == "key" && recorded.key.empty()) {
      recorded.key = std::string(part.second);
    } else {
      recorded.parts[std::string(part.first)] = std::string(part.second);
    }
  }
  if (recorded.key.empty() || recorded.key != ComputeHash(recorded.parts)) {
    return damaged;
  }
  return recorded;
}

StageDecision Decide(const PlannedStage& stage, const StageStatus& status) {
  if (!status.begun) {
    return {StageDecision::kRun, status.problem.empty() ? "has not run yet" : status.problem};
  }
  if (status.recorded.key != stage.key) {
    return {StageDecision::kRun, ChangeReason(status.recorded.parts, stage)};
  }
  if (status.done) return {StageDecision::kSkip, "up to date"};
  if (!status.problem.empty()) {
    // Its checkpoints were deleted when it was finished, unless it was killed before that.
    return {status.checkpoint.has_value() ? StageDecision::kResume : StageDecision::kRun,
            status.problem};
  }
  return {StageDecision::kResume,
          status.checkpoint.has_value()
              ? absl::StrCat("unfinished: resumes at iteration ", *status.checkpoint)
              : "unfinished, without a checkpoint"};
}

}  // namespace rcnn::training
