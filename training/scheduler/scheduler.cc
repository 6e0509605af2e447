// One call of RunExperiment, step by step. An error ends it, and the next call starts again at 1.
//
//   1 check      config, data, weights; changes nothing
//   2 open       takes the lock and writes experiment.textproto (RunDirectory::Open); Arrange then
//                moves directories to where the plan wants them. A dry run skips this step.
//   3 Decide     for each stage, from its key and its directory (stage_plan.h):
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
//                unless done for these keys or switched off
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

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "glog/logging.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/progress.h"
#include "rcnn/base/shell_command.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/base/terminal.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/training/config/check_experiment.h"
#include "rcnn/training/config/stage_parts.h"
#include "rcnn/training/scheduler/check_images.h"
#include "rcnn/training/scheduler/data_notices.h"
#include "rcnn/training/scheduler/memory_notices.h"
#include "rcnn/training/scheduler/open_experiment.h"
#include "rcnn/training/scheduler/plan_progress.h"
#include "rcnn/training/scheduler/published_results.h"
#include "rcnn/training/scheduler/rank_steps.h"
#include "rcnn/training/scheduler/rehearsal.h"
#include "rcnn/training/scheduler/rehearsal_record.h"
#include "rcnn/training/scheduler/run_directory.h"
#include "rcnn/training/scheduler/run_tables.h"
#include "rcnn/training/scheduler/stage_plan.h"
#include "rcnn/training/scheduler/unrecorded_results.h"
#include "rcnn/training/stages/stage_device.h"
#include "rcnn/training/stages/stage_runner.h"

namespace rcnn::training {
namespace {

constexpr char kRehearsedFile[] = "rehearsed.txt";
constexpr char kDataRootFile[] = "data_root.txt";
constexpr int64_t kMaxRecordBytes = int64_t{1} << 20;

// A stage of the plan with its progress.
struct Step {
  PlannedStage planned;
  StageDecision decision;
  absl::Duration time;
  // A finished result from other images or annotations exists.
  bool is_of_other_data = false;
  bool needs_repair = false;
  double seconds_per_unit = 0;
  std::string result = {};  // in a few words
};

class Scheduler {
 public:
  Scheduler(const SchedulerOptions& options, ExperimentRun run, std::vector<PlannedStage> plan)
      : options_(options), run_(std::move(run)) {
    for (PlannedStage& planned : plan) steps_.push_back({std::move(planned), {}, {}});
  }

  // Prints images, classes and annotation defects of each dataset, and the notices about memory
  // and data (memory_notices.h, data_notices.h).
  absl::Status PrintData() const;
  absl::Status DryRun(const std::string& path);
  absl::Status Run(const std::string& path);

 private:
  // `notices`: pairs (dataset, notice).
  void PrintNotices(const std::vector<std::pair<std::string, std::string>>& notices) const;
  absl::Status Decide(const RunDirectory& directory);
  absl::Status DecideStep(const RunDirectory& directory, Step& step) const;
  // Refuses a precision that the device lacks in a stage that is to train, and graphs of training
  // that it lacks. If no stage is to train, leaves the graphs out, because the rehearsal trains in
  // stages that are done, too.
  absl::Status CheckTraining();
  // Repairs files that have an intact copy, and records missing checksums, of results only after
  // they are compared with those at the top.
  absl::Status Repair(RunDirectory& directory);
  // Refuses to replace results of the same experiment on another data folder.
  absl::Status ProtectResultsOfOtherData(const std::string& path) const;
  std::string DataRoot() const;
  absl::Status RecordDataRoot(const std::string& path) const;
  // Checks that the inputs of the stage are unchanged: hours may have passed.
  absl::Status CheckInputs(const RunDirectory& directory, const Step& step) const;
  // Rehearses all stages, with their progress.
  absl::StatusOr<SecondsPerUnit> RehearseAll(const RunDirectory& directory) const;
  // The measurements of the rehearsal of these stages, from now or from an earlier
  // run.
  absl::StatusOr<SecondsPerUnit> RehearseIfNew(const RunDirectory& directory);
  void BeginProgress(const SecondsPerUnit& seconds);
  absl::Status RunStep(RunDirectory& directory, size_t index);
  absl::Status WriteSpeed(const PlannedStage& stage, StageResult& result) const;
  absl::Status Publish(const RunDirectory& directory) const;
  // The last evaluation, whose results are published; the number of steps if there is none.
  size_t PublishedStep() const;
  std::vector<StageRow> Rows() const;
  void PrintSummary(const std::string& path) const;
  std::string AllKeys() const;
  std::vector<PlannedStage> Plan() const;
  bool AnythingToDo() const;
  const configs::StageConfig& Config(size_t index) const {
    return run_.config.stages(static_cast<int>(index));
  }
  void Warn(const std::string& stage, const std::string& text) const;
  void Print(const std::string& text) const {
    if (!options_.quiet) std::printf("%s", text.c_str());
    std::fflush(stdout);
  }

  const SchedulerOptions& options_;
  ExperimentRun run_;
  std::vector<Step> steps_;
  std::unique_ptr<PlanProgress> progress_;
  std::string last_note_;  // of the stage that runs
  const TextStyle style_{stdout};
};

// "256 images, 3 classes (Platelets, RBC, WBC)".
std::string Contents(const data::Dataset& dataset) {
  constexpr size_t kMaxNames = 10;
  const std::vector<std::string>& names = dataset.classes().names;
  return absl::StrCat(Counted(dataset.size(), "image"), ", ",
                      Counted(names.size(), "class", "classes"), " (", NameList(names, kMaxNames),
                      ")");
}

// Notices that several parts of one folder have are printed once, with all their names.
void Scheduler::PrintNotices(
    const std::vector<std::pair<std::string, std::string>>& notices) const {
  std::vector<std::string> texts;
  std::map<std::string, std::vector<std::string>> datasets;
  for (const auto& [dataset, text] : notices) {
    if (datasets.count(text) == 0) texts.push_back(text);
    datasets[text].push_back(dataset);
  }
  for (const std::string& text : texts) {
    Print(absl::StrCat(Printable(absl::StrCat(absl::StrJoin(datasets[text], ", "), ": ", text)),
                       "\n"));
  }
}

absl::Status Scheduler::PrintData() const {
  constexpr int64_t kMaxLines = 5;
  std::vector<std::pair<std::string, std::string>> notices;
  for (const auto& [role, dataset] : run_.datasets) {
    if (role == configs::VALIDATION && !run_.config.data().has_validation()) continue;
    const std::string name =
        absl::StrCat("data.", absl::AsciiStrToLower(configs::DatasetRole_Name(role)));
    Print(absl::StrCat(name, ": ", Contents(*dataset), "\n"));
    const data::DefectReport& defects = dataset->defects();
    for (const std::string& notice : defects.notices()) notices.emplace_back(name, notice);
    if (defects.total() == 0) continue;
    Print(absl::StrCat(name, ": ", Counted(defects.total(), "annotation defect"),
                       ", which ./bazelw run //data:inspect shows:\n",
                       PrintableLines(defects.ToString(kMaxLines))));
  }
  PrintNotices(notices);
  RCNN_ASSIGN_OR_RETURN(std::vector<std::string> surprises, MemoryNotices(run_));
  for (std::string& notice : DataNotices(run_)) surprises.push_back(std::move(notice));
  for (const std::string& notice : surprises) {
    LOG(WARNING) << Printable(notice);
    Print(absl::StrCat(Printable(notice), "\n"));
  }
  return absl::OkStatus();
}

// A small file of the run; "" if it is missing, too large, or something else is in its place.
absl::StatusOr<std::string> ReadRecord(const std::string& path) {
  absl::StatusOr<std::string> text = ReadSmallFile(path, kMaxRecordBytes);
  if (text.ok()) return text;
  RCNN_ASSIGN_OR_RETURN(const bool is_broken_link, IsBrokenLink(path));
  if (IsDamage(text.status()) || is_broken_link) return std::string();
  return text;
}

// Writes one, also where something else is in its place.
absl::Status WriteRecord(const std::string& path, const std::string& text) {
  RCNN_RETURN_IF_ERROR(MakeWayForFile(path));
  return WriteFileAtomically(path, text).status();
}

bool HasOtherData(const FieldMap& before, const FieldMap& after) {
  return std::any_of(before.begin(), before.end(), [&](const auto& part) {
    const auto now = after.find(part.first);
    return absl::StartsWith(part.first, kFingerprintPrefix) && now != after.end() &&
           now->second != part.second;
  });
}

absl::Status Scheduler::Decide(const RunDirectory& directory) {
  for (Step& step : steps_) {
    RCNN_RETURN_IF_ERROR(DecideStep(directory, step));
    RCNN_ASSIGN_OR_RETURN(run_.directories[step.planned.name], directory.StagePath(step.planned));
    run_.keys[step.planned.name] = step.planned.key;
  }
  return absl::OkStatus();
}

absl::Status Scheduler::DecideStep(const RunDirectory& directory, Step& step) const {
  RCNN_ASSIGN_OR_RETURN(const StageStatus status, directory.ReadStatus(step.planned));
  step.decision = training::Decide(step.planned, status);
  step.is_of_other_data = status.done && HasOtherData(status.recorded.parts, step.planned.parts);
  step.needs_repair = status.needs_repair;
  for (const std::string& notice : status.notices) Warn(step.planned.name, notice);
  if (!status.problem.empty() && status.notices.empty()) {
    Warn(step.planned.name, status.problem);
  }
  return absl::OkStatus();
}

absl::Status Scheduler::CheckTraining() {
  bool trains = false;
  for (size_t i = 0; i < steps_.size(); ++i) {
    const bool runs = steps_[i].decision.action != StageDecision::kSkip;
    if (!runs || FindTraining(Config(i)) == nullptr) continue;
    RCNN_RETURN_IF_ERROR(CheckTrainingPrecision(Config(i), run_.device));
    trains = true;
  }
  if (trains) return CheckTrainingGraphs(run_.config.resources(), run_.device);
  run_.config.mutable_resources()->set_training_graphs(0);
  return absl::OkStatus();
}

void Scheduler::Warn(const std::string& stage, const std::string& text) const {
  const std::string line = Printable(absl::StrCat(stage, ": ", text));
  LOG(WARNING) << line;
  Print(absl::StrCat(line, "\n"));
}

absl::Status Scheduler::Repair(RunDirectory& directory) {
  const size_t published = PublishedStep();
  for (size_t i = 0; i < steps_.size(); ++i) {
    Step& step = steps_[i];
    const std::string& name = step.planned.name;
    if (step.decision.action != StageDecision::kSkip || !step.needs_repair) continue;
    if (i == published) {
      RCNN_ASSIGN_OR_RETURN(const std::string stage, directory.StagePath(step.planned));
      RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> notices,
                            SettleUnrecordedResults(stage, directory.path()));
      for (const std::string& notice : notices) Warn(name, notice);
    }
    RCNN_RETURN_IF_ERROR(directory.Repair(step.planned), absl::StrCat("stage ", name));
    LOG(INFO) << name << ": repaired or recorded";
  }
  return absl::OkStatus();
}

absl::Status Scheduler::CheckInputs(const RunDirectory& directory, const Step& step) const {
  for (const Step& input : steps_) {
    const std::string& name = input.planned.name;
    const auto& reads = step.planned.reads;
    if (std::find(reads.begin(), reads.end(), name) == reads.end()) continue;
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

std::string Scheduler::DataRoot() const {
  std::error_code error;
  const auto path = std::filesystem::weakly_canonical(options_.data_root, error);
  return error ? options_.data_root : path.string();
}

absl::Status Scheduler::RecordDataRoot(const std::string& path) const {
  const std::string record = absl::StrCat(path, "/", kDataRootFile);
  const std::string text = DataRoot() + "\n";
  RCNN_ASSIGN_OR_RETURN(const std::string before, ReadRecord(record));
  if (before == text) return absl::OkStatus();
  RCNN_RETURN_IF_ERROR(CheckMayWrite(run_));
  return WriteRecord(record, text);
}

absl::Status Scheduler::ProtectResultsOfOtherData(const std::string& path) const {
  RCNN_ASSIGN_OR_RETURN(const std::string before,
                        ReadRecord(absl::StrCat(path, "/", kDataRootFile)));
  if (before.empty() || before == absl::StrCat(DataRoot(), "\n")) return absl::OkStatus();
  for (const Step& step : steps_) {
    if (!step.is_of_other_data) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        path, " holds results for other data, from --data_root=", absl::StripSuffix(before, "\n"),
        ", and stage ", step.planned.name,
        " would replace them; choose another directory with --run_dir"));
  }
  return absl::OkStatus();
}

bool Scheduler::AnythingToDo() const {
  return std::any_of(steps_.begin(), steps_.end(),
                     [](const Step& step) { return step.decision.action != StageDecision::kSkip; });
}

std::vector<StageRow> Scheduler::Rows() const {
  std::vector<StageRow> rows;
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    rows.push_back({step.planned.name, step.decision, StageUnits(run_, Config(i)),
                    StageUnit(Config(i)), step.time, step.seconds_per_unit, step.result});
  }
  return rows;
}

absl::Status Scheduler::DryRun(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const RunDirectory directory,
                        RunDirectory::OpenReadOnly(path, run_.config, Plan()));
  for (const std::string& notice : directory.notices()) Warn("run directory", notice);
  RCNN_RETURN_IF_ERROR(Decide(directory));
  RCNN_RETURN_IF_ERROR(CheckTraining());
  RCNN_RETURN_IF_ERROR(ProtectResultsOfOtherData(path));
  Print(absl::StrCat("dry run of ", run_.config.name(), " in ", Printable(path), "\n"));
  Print(PlanTable(Rows(), style_));
  return absl::OkStatus();
}

std::vector<PlannedStage> Scheduler::Plan() const {
  std::vector<PlannedStage> plan;
  for (const Step& step : steps_) plan.push_back(step.planned);
  return plan;
}

std::string Scheduler::AllKeys() const {
  std::string keys;
  for (const Step& step : steps_) absl::StrAppend(&keys, step.planned.key, "\n");
  return keys;
}

absl::StatusOr<SecondsPerUnit> Scheduler::RehearseAll(const RunDirectory& directory) const {
  ProgressOptions printed;
  printed.quiet = options_.quiet;
  printed.unit = "stages";
  Progress progress("rehearsal", static_cast<int64_t>(steps_.size()), 0, printed);
  bool is_first = true;
  return Rehearse(run_, absl::StrCat(directory.path(), "/rehearsal"),
                  [&](const std::string& stage) {
                    if (!std::exchange(is_first, false)) progress.Add();
                    progress.SetNote(stage);
                    progress.Show();
                  });
}

absl::StatusOr<SecondsPerUnit> Scheduler::RehearseIfNew(const RunDirectory& directory) {
  const std::string record = absl::StrCat(directory.path(), "/", kRehearsedFile);
  RCNN_ASSIGN_OR_RETURN(const std::string rehearsed, ReadRecord(record));
  if (auto known = ParseRehearsalRecord(rehearsed, AllKeys())) return *std::move(known);
  if (!options_.rehearse || !AnythingToDo()) return SecondsPerUnit();
  RCNN_RETURN_IF_ERROR(CheckImages(run_, options_.quiet));
  const absl::Time start = MonotonicNow();
  RCNN_ASSIGN_OR_RETURN(const SecondsPerUnit seconds, RehearseAll(directory));
  Print(absl::StrCat("rehearsed all stages in ", HumanDuration(MonotonicNow() - start), "\n"));
  RCNN_RETURN_IF_ERROR(CheckMayWrite(run_));
  RCNN_RETURN_IF_ERROR(WriteRecord(record, RehearsalRecordText(AllKeys(), seconds)));
  return seconds;
}

void Scheduler::BeginProgress(const SecondsPerUnit& seconds) {
  std::vector<StageEffort> efforts;
  for (size_t i = 0; i < steps_.size(); ++i) {
    const std::string& name = steps_[i].planned.name;
    const bool skipped = steps_[i].decision.action == StageDecision::kSkip;
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

absl::Status Scheduler::RunStep(RunDirectory& directory, size_t index) {
  Step& step = steps_[index];
  const std::string& name = step.planned.name;
  const absl::Time start = MonotonicNow();
  LOG(INFO) << "stage " << name << ": " << ActionName(step.decision.action) << ", "
            << Printable(step.decision.reason);
  RCNN_RETURN_IF_ERROR(CheckInputs(directory, step));
  RCNN_RETURN_IF_ERROR(directory.Begin(step.planned));
  last_note_.clear();
  if (run_.ranks != nullptr) RCNN_RETURN_IF_ERROR(StartStage(*run_.ranks, index));
  progress_->Begin(index);
  absl::StatusOr<StageResult> result = RunStage(run_, Config(index));
  progress_->End();
  // The cause of other errors, if the directory was moved while a file was written.
  if (!result.ok()) RCNN_RETURN_IF_ERROR(CheckMayWrite(run_));
  RCNN_RETURN_IF_ERROR(result.status());
  RCNN_RETURN_IF_ERROR(WriteSpeed(step.planned, *result));
  const int processes = run_.ranks == nullptr ? 1 : run_.ranks->size();
  RCNN_RETURN_IF_ERROR(directory.Finish(step.planned, result->outputs, processes));
  step.time = MonotonicNow() - start;
  step.seconds_per_unit = progress_->SecondsPerUnit();
  step.result = result->summary.empty() ? last_note_ : result->summary;
  if (!result->report.empty()) {
    const std::string report = PrintableLines(result->report);
    LOG(INFO) << name << ":\n" << report;
    Print(absl::StrCat(report, result->report.back() == '\n' ? "" : "\n"));
  }
  return absl::OkStatus();
}

size_t Scheduler::PublishedStep() const {
  size_t published = steps_.size();
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (Config(i).has_evaluate()) published = i;
  }
  return published;
}

absl::Status Scheduler::Publish(const RunDirectory& directory) const {
  const size_t published = PublishedStep();
  if (published == steps_.size()) return absl::OkStatus();
  const PlannedStage& planned = steps_[published].planned;
  RCNN_ASSIGN_OR_RETURN(const std::string stage, directory.StagePath(planned));
  RCNN_RETURN_IF_ERROR(CheckMayWrite(run_));
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> replaced,
                        PublishResults(stage, directory.path()));
  if (AnythingToDo()) return absl::OkStatus();
  for (const std::string& file : replaced) {
    Warn(planned.name,
         absl::StrCat(file, " did not match this stage's result; it has been restored"));
  }
  return absl::OkStatus();
}

void Scheduler::PrintSummary(const std::string& path) const {
  if (!AnythingToDo()) Print("everything is up to date\n");
  Print(absl::StrCat("\n", SummaryTable(Rows(), style_), "\n"));
  for (const char* file : {"metrics.json", "report.html", "contact_sheet.jpg", "detections.json",
                           "model.safetensors"}) {
    const std::string full = absl::StrCat(path, "/", file);
    if (!std::filesystem::exists(full)) continue;
    Print(absl::StrCat("  ", style_.Bold(Printable(full)), "\n"));
  }
  if (!std::filesystem::exists(absl::StrCat(path, "/detector.textproto"))) return;
  const std::string command = BazelCommand(
      "//tools:detect", {absl::StrCat("--model=", path), "--input=IMAGES", "--output=FOLDER"});
  Print(absl::StrCat("\nto detect objects in images:\n  ", Printable(command), "\n"));
}

absl::Status Scheduler::Run(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(RunDirectory directory, RunDirectory::Open(path, run_.config, Plan()));
  run_.may_write = [&directory] { return directory.CheckLock(); };
  const auto forget = absl::MakeCleanup([this] { run_.may_write = nullptr; });
  for (const std::string& notice : directory.notices()) Warn("run directory", notice);
  RCNN_RETURN_IF_ERROR(directory.Arrange(Plan()));
  run_.events_directory = directory.path();
  RCNN_RETURN_IF_ERROR(Decide(directory));
  RCNN_RETURN_IF_ERROR(CheckTraining());
  RCNN_RETURN_IF_ERROR(ProtectResultsOfOtherData(path));
  RCNN_RETURN_IF_ERROR(Repair(directory));
  RCNN_RETURN_IF_ERROR(RecordDataRoot(path));
  if (run_.ranks != nullptr) RCNN_RETURN_IF_ERROR(LeadRanks(*run_.ranks, directory.path()));
  Print(absl::StrCat(style_.Bold(run_.config.name()), " in ", Printable(directory.path()), "\n"));
  Print(PlanTable(Rows(), style_));
  RCNN_ASSIGN_OR_RETURN(const SecondsPerUnit seconds, RehearseIfNew(directory));
  BeginProgress(seconds);
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (steps_[i].decision.action == StageDecision::kSkip) continue;
    RCNN_RETURN_IF_ERROR(RunStep(directory, i), absl::StrCat("stage ", steps_[i].planned.name));
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
  const std::vector<PlannedStage> plan = PlanStages(options.config, inputs);
  run.ranks = options.ranks;
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
