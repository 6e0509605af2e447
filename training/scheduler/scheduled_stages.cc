#include "rcnn/training/scheduler/scheduled_stages.h"

#include <algorithm>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "glog/logging.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/training/config/message_fields.h"
#include "rcnn/training/config/stage_parts.h"
#include "rcnn/training/scheduler/unrecorded_results.h"
#include "rcnn/training/stages/stage_device.h"

namespace rcnn::training {
namespace {

bool HasOtherData(const FieldMap& before, const FieldMap& after) {
  return std::any_of(before.begin(), before.end(), [&](const auto& part) {
    const auto now = after.find(part.first);
    return absl::StartsWith(part.first, kFingerprintPrefix) && now != after.end() &&
           now->second != part.second;
  });
}

absl::Status DecideStage(const RunDirectory& directory, const StageNotice& warn,
                         ScheduledStage& stage) {
  RCNN_ASSIGN_OR_RETURN(const StageStatus status, directory.ReadStatus(stage.planned));
  stage.decision = Decide(stage.planned, status);
  stage.is_of_other_data = status.done && HasOtherData(status.recorded.parts, stage.planned.parts);
  stage.needs_repair = status.needs_repair;
  for (const std::string& notice : status.notices) warn(stage.planned.name, notice);
  if (!status.problem.empty() && status.notices.empty()) warn(stage.planned.name, status.problem);
  return absl::OkStatus();
}

bool IsSkipped(const ScheduledStage& stage) {
  return stage.decision.action == StageDecision::kSkip;
}

}  // namespace

absl::Status DecideStages(const RunDirectory& directory, const StageNotice& warn,
                          std::vector<ScheduledStage>& stages, ExperimentRun& run) {
  for (ScheduledStage& stage : stages) {
    const PlannedStage& planned = stage.planned;
    RCNN_RETURN_IF_ERROR(DecideStage(directory, warn, stage));
    RCNN_ASSIGN_OR_RETURN(run.directories[planned.name], directory.StagePath(planned));
    run.keys[planned.name] = planned.key;
  }
  return absl::OkStatus();
}

bool AnythingToDo(const std::vector<ScheduledStage>& stages) {
  return !std::all_of(stages.begin(), stages.end(), IsSkipped);
}

std::string StageOfOtherData(const std::vector<ScheduledStage>& stages) {
  for (const ScheduledStage& stage : stages) {
    if (stage.is_of_other_data) return stage.planned.name;
  }
  return "";
}

absl::Status CheckTrainingStages(const std::vector<ScheduledStage>& stages, ExperimentRun& run) {
  bool trains = false;
  for (size_t i = 0; i < stages.size(); ++i) {
    const configs::StageConfig& config = run.config.stages(static_cast<int>(i));
    if (IsSkipped(stages[i]) || FindTraining(config) == nullptr) continue;
    RCNN_RETURN_IF_ERROR(CheckTrainingPrecision(config, run.device));
    trains = true;
  }
  if (trains) return CheckTrainingGraphs(run.config.resources(), run.device);
  run.config.mutable_resources()->set_training_graphs(0);
  return absl::OkStatus();
}

size_t FindPublishedStage(const configs::ExperimentConfig& config) {
  int published = config.stages_size();
  for (int i = 0; i < config.stages_size(); ++i) {
    if (config.stages(i).has_evaluate()) published = i;
  }
  return static_cast<size_t>(published);
}

absl::Status RepairStages(const configs::ExperimentConfig& config,
                          const std::vector<ScheduledStage>& stages, const StageNotice& warn,
                          RunDirectory& directory) {
  const size_t published = FindPublishedStage(config);
  for (size_t i = 0; i < stages.size(); ++i) {
    const PlannedStage& planned = stages[i].planned;
    if (!IsSkipped(stages[i]) || !stages[i].needs_repair) continue;
    if (i == published) {
      RCNN_ASSIGN_OR_RETURN(const std::string path, directory.StagePath(planned));
      RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> notices,
                            SettleUnrecordedResults(path, directory.path()));
      for (const std::string& notice : notices) warn(planned.name, notice);
    }
    RCNN_RETURN_IF_ERROR(directory.Repair(planned), absl::StrCat("stage ", planned.name));
    LOG(INFO) << planned.name << ": repaired or recorded";
  }
  return absl::OkStatus();
}

absl::Status CheckStageInputs(const RunDirectory& directory,
                              const std::vector<ScheduledStage>& stages,
                              const PlannedStage& reader) {
  for (const ScheduledStage& input : stages) {
    const std::string& name = input.planned.name;
    if (std::find(reader.reads.begin(), reader.reads.end(), name) == reader.reads.end()) continue;
    RCNN_ASSIGN_OR_RETURN(const StageStatus status, directory.ReadStatus(input.planned), name);
    if (status.done && status.notices.empty()) continue;
    const std::string why =
        status.notices.empty() ? status.problem : absl::StrJoin(status.notices, "; ");
    return absl::DataLossError(
        absl::StrCat(name, ", which this stage reads, has since been damaged: ", why,
                     "; the same command repairs or recomputes it"));
  }
  return absl::OkStatus();
}

}  // namespace rcnn::training
