// One call of RunExperiment, step by step. An error ends it, and the next call starts again at 1.
//
//   1 check      config, data, weights; changes nothing
//   2 open       takes the lock and writes experiment.textproto (RunDirectory::Open); Arrange then
//                moves directories to where the plan wants them. A dry run skips this step.
//   3 decide     for each stage, from its key and its directory (scheduled_stages.h):
//
//        directory (run_directory.cc)    action
//        done, same key                  skip
//        begun, same key                 resume, from the newest checkpoint if there is one
//        damaged, same key               the same with a checkpoint, else run
//        another key                     run; the reason names the fields that differ
//        no readable key                 run
//
//                Refuses to replace results of other data, and graphs and precisions of training
//                where a stage trains on a device without them; repairs files that have an intact
//                copy.
//                A dry run prints the table and ends here.
//   4 rehearse   opens every image, then runs a few iterations of every stage on a few images,
//                unless done for these keys or switched off (rehearse_once.h)
//   5 run        for each stage that is not skipped: Begin, RunStage, Finish
//   6 publish    results of the last evaluation to the top of the run directory
//
// Of several ranks, rank 0 does all this, and the others take part in the stages (rank_steps.h).
//
// Invariants:
//   - Stages run in the order of the plan, and a key contains the keys of the stages that are
//     read, so the inputs of an up-to-date stage are up to date.
//   - A stage is done only if all its files match their checksums or can be repaired, and the
//     inputs of a stage are checked again right before it runs. Time stamps decide nothing.
//   - The lock is checked before each file is written, replaced or deleted
//     (ExperimentRun::may_write), because the directory may be moved or replaced, and another
//     scheduler started in the new one.
//   - A shutdown request ends a stage with a checkpoint and kCancelled; the stage is then "begun".

#include "rcnn/training/scheduler/scheduler.h"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "glog/logging.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/progress.h"
#include "rcnn/base/shell_command.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/terminal.h"
#include "rcnn/training/config/check_experiment.h"
#include "rcnn/training/scheduler/data_notices.h"
#include "rcnn/training/scheduler/data_root_record.h"
#include "rcnn/training/scheduler/data_summary.h"
#include "rcnn/training/scheduler/memory_notices.h"
#include "rcnn/training/scheduler/open_experiment.h"
#include "rcnn/training/scheduler/plan_progress.h"
#include "rcnn/training/scheduler/published_results.h"
#include "rcnn/training/scheduler/rank_steps.h"
#include "rcnn/training/scheduler/rehearsal.h"
#include "rcnn/training/scheduler/rehearse_once.h"
#include "rcnn/training/scheduler/run_directory.h"
#include "rcnn/training/scheduler/run_tables.h"
#include "rcnn/training/scheduler/scheduled_stages.h"
#include "rcnn/training/scheduler/stage_plan.h"
#include "rcnn/training/stages/experiment_run.h"
#include "rcnn/training/stages/stage_runner.h"

namespace rcnn::training {
namespace {

class Scheduler {
 public:
  Scheduler(const SchedulerOptions& options, ExperimentRun run, std::vector<PlannedStage> plan)
      : options_(options), run_(std::move(run)), plan_(std::move(plan)) {
    for (const PlannedStage& planned : plan_) stages_.push_back({planned});
  }

  // Prints what the datasets hold, and the notices about memory and data (memory_notices.h,
  // data_notices.h).
  absl::Status PrintData() const;
  absl::Status DryRun(const std::string& path);
  absl::Status Run(const std::string& path);

 private:
  // Step 3, apart from the repairs.
  absl::Status DecideAndCheck(const RunDirectory& directory, const std::string& path);
  void BeginProgress(const SecondsPerUnit& seconds);
  absl::Status RunStageAt(RunDirectory& directory, size_t index);
  absl::Status WriteSpeed(const PlannedStage& stage, StageResult& result) const;
  absl::Status Publish(const RunDirectory& directory) const;
  std::vector<StageRow> Rows() const;
  void PrintSummary(const std::string& path) const;
  const configs::StageConfig& Config(size_t index) const {
    return run_.config.stages(static_cast<int>(index));
  }
  void Warn(const std::string& stage, const std::string& text) const;
  StageNotice Warning() const {
    return [this](const std::string& stage, const std::string& text) { Warn(stage, text); };
  }
  void Print(const std::string& text) const {
    if (!options_.quiet) std::printf("%s", text.c_str());
    std::fflush(stdout);
  }

  const SchedulerOptions& options_;
  ExperimentRun run_;
  const std::vector<PlannedStage> plan_;
  std::vector<ScheduledStage> stages_;
  std::unique_ptr<PlanProgress> progress_;
  std::string last_note_;  // of the stage that runs
  const TextStyle style_{stdout};
};

absl::Status Scheduler::PrintData() const {
  Print(DataSummary(run_));
  RCNN_ASSIGN_OR_RETURN(std::vector<std::string> surprises, MemoryNotices(run_));
  for (std::string& notice : DataNotices(run_)) surprises.push_back(std::move(notice));
  for (const std::string& notice : surprises) {
    LOG(WARNING) << Printable(notice);
    Print(absl::StrCat(Printable(notice), "\n"));
  }
  return absl::OkStatus();
}

void Scheduler::Warn(const std::string& stage, const std::string& text) const {
  const std::string line = Printable(absl::StrCat(stage, ": ", text));
  LOG(WARNING) << line;
  Print(absl::StrCat(line, "\n"));
}

absl::Status Scheduler::DecideAndCheck(const RunDirectory& directory, const std::string& path) {
  RCNN_RETURN_IF_ERROR(DecideStages(directory, Warning(), stages_, run_));
  RCNN_RETURN_IF_ERROR(CheckTrainingStages(stages_, run_));
  return CheckDataRoot(run_, path, StageOfOtherData(stages_));
}

std::vector<StageRow> Scheduler::Rows() const {
  std::vector<StageRow> rows;
  for (size_t i = 0; i < stages_.size(); ++i) {
    const ScheduledStage& stage = stages_[i];
    rows.push_back({stage.planned.name, stage.decision, StageUnits(run_, Config(i)),
                    StageUnit(Config(i)), stage.time, stage.seconds_per_unit, stage.result});
  }
  return rows;
}

absl::Status Scheduler::DryRun(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const RunDirectory directory,
                        RunDirectory::OpenReadOnly(path, run_.config, plan_));
  for (const std::string& notice : directory.notices()) Warn("run directory", notice);
  RCNN_RETURN_IF_ERROR(DecideAndCheck(directory, path));
  Print(absl::StrCat("dry run of ", run_.config.name(), " in ", Printable(path), "\n"));
  Print(PlanTable(Rows(), style_));
  return absl::OkStatus();
}

void Scheduler::BeginProgress(const SecondsPerUnit& seconds) {
  std::vector<StageEffort> efforts;
  for (size_t i = 0; i < stages_.size(); ++i) {
    const std::string& name = stages_[i].planned.name;
    const bool skipped = stages_[i].decision.action == StageDecision::kSkip;
    const auto found = seconds.find(name);
    efforts.push_back({name, skipped ? 0 : StageUnits(run_, Config(i)),
                       found == seconds.end() ? 0 : found->second, StageUnit(Config(i))});
  }
  ProgressOptions printed;
  printed.quiet = options_.quiet;
  progress_ = std::make_unique<PlanProgress>(std::move(efforts), printed);
  run_.started = [this](int64_t done) { progress_->Start(done); };
  run_.progress = [this](int64_t done, const std::string& note) {
    progress_->Update(done, note);
    last_note_ = note;
  };
  run_.notice = [this](const std::string& text) { progress_->Notice(text); };
}

// Writes the time per iteration or image, for comparisons.
absl::Status Scheduler::WriteSpeed(const PlannedStage& stage, StageResult& result) const {
  constexpr char kSpeedFile[] = "speed.json";
  result.outputs.push_back(kSpeedFile);
  const nlohmann::json speed = {{"seconds_per_unit", progress_->SecondsPerUnit()}};
  RCNN_RETURN_IF_ERROR(CheckMayWrite(run_));
  return WriteFileAtomically(absl::StrCat(run_.directories.at(stage.name), "/", kSpeedFile),
                             speed.dump() + "\n")
      .status();
}

absl::Status Scheduler::RunStageAt(RunDirectory& directory, size_t index) {
  ScheduledStage& stage = stages_[index];
  const std::string& name = stage.planned.name;
  const absl::Time start = MonotonicNow();
  LOG(INFO) << "stage " << name << ": " << ActionName(stage.decision.action) << ", "
            << Printable(stage.decision.reason);
  RCNN_RETURN_IF_ERROR(CheckStageInputs(directory, stages_, stage.planned));
  RCNN_RETURN_IF_ERROR(directory.Begin(stage.planned));
  last_note_.clear();
  if (run_.ranks != nullptr) RCNN_RETURN_IF_ERROR(StartStage(*run_.ranks, index));
  progress_->Begin(index);
  absl::StatusOr<StageResult> result = RunStage(run_, Config(index));
  progress_->End();
  // The cause of other errors, if the directory was moved while a file was written.
  if (!result.ok()) RCNN_RETURN_IF_ERROR(CheckMayWrite(run_));
  RCNN_RETURN_IF_ERROR(result.status());
  RCNN_RETURN_IF_ERROR(WriteSpeed(stage.planned, *result));
  const int processes = run_.ranks == nullptr ? 1 : run_.ranks->size();
  RCNN_RETURN_IF_ERROR(directory.Finish(stage.planned, result->outputs, processes));
  stage.time = MonotonicNow() - start;
  stage.seconds_per_unit = progress_->SecondsPerUnit();
  stage.result = result->summary.empty() ? last_note_ : result->summary;
  if (!result->report.empty()) {
    const std::string report = PrintableLines(result->report);
    LOG(INFO) << name << ":\n" << report;
    Print(absl::StrCat(report, result->report.back() == '\n' ? "" : "\n"));
  }
  return absl::OkStatus();
}

absl::Status Scheduler::Publish(const RunDirectory& directory) const {
  const size_t published = FindPublishedStage(run_.config);
  if (published == plan_.size()) return absl::OkStatus();
  const PlannedStage& planned = plan_[published];
  RCNN_ASSIGN_OR_RETURN(const std::string stage, directory.StagePath(planned));
  RCNN_RETURN_IF_ERROR(CheckMayWrite(run_));
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> replaced,
                        PublishResults(stage, directory.path()));
  if (AnythingToDo(stages_)) return absl::OkStatus();
  for (const std::string& file : replaced) {
    Warn(planned.name,
         absl::StrCat(file, " did not match this stage's result; it has been restored"));
  }
  return absl::OkStatus();
}

void Scheduler::PrintSummary(const std::string& path) const {
  std::error_code ignored;  // of a file that cannot be examined now: the run is done
  if (!AnythingToDo(stages_)) Print("everything is up to date\n");
  Print(absl::StrCat("\n", SummaryTable(Rows(), style_), "\n"));
  for (const char* file : {"metrics.json", "report.html", "contact_sheet.jpg", "detections.json",
                           "model.safetensors"}) {
    const std::string full = absl::StrCat(path, "/", file);
    if (!std::filesystem::exists(full, ignored)) continue;
    Print(absl::StrCat("  ", style_.Bold(Printable(full)), "\n"));
  }
  if (!std::filesystem::exists(absl::StrCat(path, "/detector.textproto"), ignored)) return;
  const std::string command = BazelCommand(
      "//tools:detect", {absl::StrCat("--model=", path), "--input=IMAGES", "--output=FOLDER"});
  Print(absl::StrCat("\nto detect objects in images:\n  ", Printable(command), "\n"));
}

absl::Status Scheduler::Run(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(RunDirectory directory, RunDirectory::Open(path, run_.config, plan_));
  run_.may_write = [&directory] { return directory.CheckLock(); };
  const auto forget = absl::MakeCleanup([this] { run_.may_write = nullptr; });
  for (const std::string& notice : directory.notices()) Warn("run directory", notice);
  RCNN_RETURN_IF_ERROR(directory.Arrange(plan_));
  run_.events_directory = directory.path();
  RCNN_RETURN_IF_ERROR(DecideAndCheck(directory, path));
  RCNN_RETURN_IF_ERROR(RepairStages(run_.config, stages_, Warning(), directory));
  RCNN_RETURN_IF_ERROR(RecordDataRoot(run_, path));
  if (run_.ranks != nullptr) RCNN_RETURN_IF_ERROR(LeadRanks(*run_.ranks, directory.path()));
  Print(absl::StrCat(style_.Bold(run_.config.name()), " in ", Printable(directory.path()), "\n"));
  Print(PlanTable(Rows(), style_));
  RCNN_ASSIGN_OR_RETURN(const SecondsPerUnit seconds,
                        RehearseOnce(run_, directory.path(), plan_,
                                     {.wanted = options_.rehearse && AnythingToDo(stages_),
                                      .quiet = options_.quiet}));
  BeginProgress(seconds);
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (stages_[i].decision.action == StageDecision::kSkip) continue;
    RCNN_RETURN_IF_ERROR(RunStageAt(directory, i), absl::StrCat("stage ", plan_[i].name));
  }
  RCNN_RETURN_IF_ERROR(Publish(directory));
  if (run_.ranks != nullptr) RCNN_RETURN_IF_ERROR(DismissRanks(*run_.ranks));
  PrintSummary(directory.path());
  return absl::OkStatus();
}

absl::Status Run(const SchedulerOptions& options) {
  RCNN_RETURN_IF_ERROR(CheckExperiment(options.config));
  RCNN_ASSIGN_OR_RETURN(ExperimentRun run, OpenExperiment(options.config, options.data_root));
  RCNN_ASSIGN_OR_RETURN(const PlanInputs inputs, MakePlanInputs(run));
  run.pretrained_digest = inputs.pretrained_digest;
  const std::vector<PlannedStage> plan = PlanStages(options.config, inputs);
  run.ranks = options.ranks;
  run.forbid_waits = options.forbid_waits;
  if (run.ranks != nullptr) {
    RCNN_RETURN_IF_ERROR(CheckSameRun(*run.ranks, plan));
    RCNN_RETURN_IF_ERROR(ConnectDevices(run));
    if (run.ranks->rank() > 0 && options.dry_run) return absl::OkStatus();
    if (run.ranks->rank() > 0) return FollowRankZero(std::move(run), plan);
  }
  Scheduler scheduler(options, std::move(run), plan);
  const std::string path = options.run_directory.empty()
                               ? absl::StrCat("runs/", options.config.name())
                               : options.run_directory;
  RCNN_RETURN_IF_ERROR(scheduler.PrintData());
  return options.dry_run ? scheduler.DryRun(path) : scheduler.Run(path);
}

}  // namespace

absl::Status RunExperiment(const SchedulerOptions& options) {
  const absl::Status status = CatchExceptions([&] { return Run(options); });
  if (!status.ok() && options.ranks != nullptr) options.ranks->ReportFailure(status);
  return status;
}

}  // namespace rcnn::training
