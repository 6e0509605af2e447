// Trains and evaluates a detector as described by an experiment file, or on a folder of labelled
// images.
//
//   ./bazelw run //training:stage_scheduler -- --config=configs/shapes_tiny_alternating.textproto
//   ./bazelw run //training:stage_scheduler -- --data_root=FOLDER --budget=20m
//
// Several processes run it together with --local_processes=N, or started by torchrun, mpirun or
// srun (docs/distributed.md).
//
// Exit codes: 0 success, 1 an error, 2 a wrong flag, 128 + signal after an
// interruption; the same command then resumes.

#include <gflags/gflags.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/path_length.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/program.h"
#include "rcnn/base/recorded_result.h"
#include "rcnn/base/repeated_flag.h"
#include "rcnn/base/runtime.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/training/config/bundled_config.h"
#include "rcnn/training/config/check_experiment.h"
#include "rcnn/training/config/config_override.h"
#include "rcnn/training/config/device_override.h"
#include "rcnn/training/config/experiment.h"
#include "rcnn/training/distributed/local_processes.h"
#include "rcnn/training/distributed/rank_environment.h"
#include "rcnn/training/distributed/rank_group.h"
#include "rcnn/training/plan/folder_experiment.h"
#include "rcnn/training/plan/verify_plan.h"
#include "rcnn/training/scheduler/scheduler.h"
#include "rcnn/training/scheduler/verify_run.h"
#include "rcnn/training/stage_scheduler_flags.h"

namespace rcnn::training {
namespace {

constexpr char kDefaultConfig[] = "shapes_tiny_alternating";

absl::Status Verify(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const RunVerification run, VerifyRun(path, {.also = {VerifyPlan}}));
  std::string notice;
  if (!run.scheduler.empty()) {
    notice = absl::StrCat("a scheduler is working in ", path, " (", run.scheduler,
                          "): verify again when it has ended");
  }
  if (!FLAGS_quiet) std::printf("%s", PrintableLines(run.ToString()).c_str());
  if (!FLAGS_quiet && !notice.empty()) std::printf("%s\n", Printable(notice).c_str());
  if (run.Damaged() == 0) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      path, ": ", Counted(run.Damaged(), "file is", "files are"),
      " damaged or missing; the next run of the experiment repairs what has an intact copy, makes "
      "stages without one again, and stops at a plan or a split that it cannot use",
      notice.empty() ? "" : "; ", notice));
}

// Whether the flags only ask for something to be printed or checked, which one process does.
bool OnlyPrints() { return FLAGS_verify || FLAGS_print_config || FLAGS_plan || FLAGS_dry_run; }

// The experiment that rank 0 has planned, on all ranks. The others wait however long that takes.
absl::StatusOr<FolderExperiment> PlanOnRankZero(const FolderExperimentOptions& folder,
                                                RankGroup* ranks) {
  if (ranks == nullptr) return MakeFolderExperiment(folder);
  FolderExperiment experiment;
  if (ranks->rank() == 0) {
    RCNN_ASSIGN_OR_RETURN(experiment, MakeFolderExperiment(folder));
    for (const std::string& text :
         {experiment.config.SerializeAsString(), experiment.folder, experiment.run_directory}) {
      RCNN_RETURN_IF_ERROR(ranks->Announce(text));
    }
    return experiment;
  }
  RCNN_ASSIGN_OR_RETURN(const std::string config, ranks->Await());
  RCNN_ASSIGN_OR_RETURN(experiment.folder, ranks->Await());
  RCNN_ASSIGN_OR_RETURN(experiment.run_directory, ranks->Await());
  if (experiment.config.ParseFromString(config)) return experiment;
  return absl::InternalError("rank 0 has sent no experiment");
}

// Without config and ranks.
SchedulerOptions SchedulerOptionsFromFlags() {
  SchedulerOptions options;
  options.data_root = FLAGS_data_root;
  options.run_directory = FLAGS_run_dir;
  options.dry_run = FLAGS_dry_run;
  options.rehearse = FLAGS_rehearse;
  options.forbid_waits = FLAGS_forbid_waits;
  options.quiet = FLAGS_quiet;
  return options;
}

FolderExperimentOptions FolderOptionsFromFlags() {
  FolderExperimentOptions folder;
  folder.folder = FLAGS_data_root;
  folder.format = FLAGS_data_format;
  folder.follow_links = FLAGS_follow_links;
  folder.box_units = FLAGS_box_units;
  folder.exif_orientation = FLAGS_exif_orientation;
  folder.run_directory = FLAGS_run_dir;
  folder.dry_run = FLAGS_dry_run || FLAGS_print_config;
  folder.quiet = FLAGS_quiet || FLAGS_print_config;
  folder.allow_defects = FLAGS_allow_defects;
  folder.budget = FLAGS_budget;
  folder.recipe = FLAGS_recipe;
  folder.pretrained = FLAGS_pretrained;
  folder.replan = FLAGS_replan;
  folder.threads = GetRuntimeInfo().threads;
  return folder;
}

// Applies the flags that change a planned experiment.
absl::Status ApplySetAndDevice(configs::ExperimentConfig& config) {
  for (const std::string& assignment : RepeatedFlagValues(FLAGS_set)) {
    RCNN_RETURN_IF_ERROR(ApplyOverride(assignment, &config));
  }
  RCNN_RETURN_IF_ERROR(CheckExperiment(config), "--set");
  return Annotate(SetDevice(FLAGS_device, &config), "--device");
}

// The experiment for the folder in --data_root.
absl::Status RunFolder(const std::shared_ptr<RankGroup>& ranks) {
  if (FLAGS_verify) return Verify(absl::StrCat("runs/", ExperimentName(FLAGS_data_root)));
  RCNN_ASSIGN_OR_RETURN(FolderExperiment experiment,
                        PlanOnRankZero(FolderOptionsFromFlags(), ranks.get()));
  RCNN_RETURN_IF_ERROR(ApplySetAndDevice(experiment.config));
  if (FLAGS_print_config) {
    std::printf("%s", ExperimentText(experiment.config).c_str());
    return absl::OkStatus();
  }
  if (FLAGS_plan) return absl::OkStatus();
  SchedulerOptions options = SchedulerOptionsFromFlags();
  options.config = experiment.config;
  options.data_root = experiment.folder;
  options.run_directory = experiment.run_directory;
  options.ranks = ranks;
  return RunExperiment(options);
}

// Rejects flags that do not apply to an experiment file.
absl::Status CheckPlanFlags() {
  const std::pair<const char*, bool> flags[] = {
      {"box_units", !FLAGS_box_units.empty()},
      {"exif_orientation", !FLAGS_exif_orientation.empty()},
      {"budget", !FLAGS_budget.empty()},
      {"recipe", !FLAGS_recipe.empty()},
      {"pretrained", !FLAGS_pretrained.empty()},
      {"plan", FLAGS_plan},
      {"replan", FLAGS_replan},
      {"allow_defects", FLAGS_allow_defects},
  };
  for (const auto& [name, given] : flags) {
    if (!given) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "--", name,
        ": applies to a folder of labelled images only (--data_root=FOLDER without --config)"));
  }
  return absl::OkStatus();
}

absl::Status CheckPathLengths() {
  RCNN_RETURN_IF_ERROR(CheckPathLength("--run_dir", FLAGS_run_dir,
                                       "name the run directory, as in --run_dir=runs/cells"));
  RCNN_RETURN_IF_ERROR(CheckPathLength("--data_root", FLAGS_data_root,
                                       "give the folder of the data, as in --data_root=cells"));
  return CheckPathLength("--pretrained", FLAGS_pretrained, "give a file of weights");
}

absl::Status RunWith(const std::shared_ptr<RankGroup>& ranks) {
  RCNN_RETURN_IF_ERROR(CheckPathLengths());
  if (FLAGS_verify && !FLAGS_run_dir.empty()) return Verify(FLAGS_run_dir);
  if (FLAGS_config.empty() && !FLAGS_data_root.empty()) return RunFolder(ranks);
  RCNN_RETURN_IF_ERROR(CheckPlanFlags());
  RCNN_ASSIGN_OR_RETURN(const std::string path,
                        FindConfig(FLAGS_config.empty() ? kDefaultConfig : FLAGS_config));
  // It may be the experiment of a run.
  RCNN_RETURN_IF_ERROR(CheckRecordedResult(path), "--config");
  ExperimentOptions experiment;
  experiment.overrides = RepeatedFlagValues(FLAGS_set);
  RCNN_ASSIGN_OR_RETURN(configs::ExperimentConfig config, LoadExperiment(path, experiment));
  RCNN_RETURN_IF_ERROR(CheckExperiment(config), path);
  RCNN_RETURN_IF_ERROR(SetDevice(FLAGS_device, &config), "--device");
  if (FLAGS_print_config) {
    std::printf("%s", ExperimentText(config).c_str());
    return absl::OkStatus();
  }
  if (FLAGS_verify) return Verify(absl::StrCat("runs/", config.name()));
  SchedulerOptions options = SchedulerOptionsFromFlags();
  options.config = config;
  options.ranks = ranks;
  return RunExperiment(options);
}

absl::StatusOr<absl::Duration> ParseTimeout(const char* flag, const std::string& text) {
  absl::Duration time;
  if (absl::ParseDuration(text, &time) && time > absl::ZeroDuration()) return time;
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, ": \"", text, "\" is not a time; give for example 30s or 10m"));
}

absl::Status Run() {
  RCNN_ASSIGN_OR_RETURN(const RankEnvironment environment,
                        ReadRankEnvironment(EnvironmentVariables()));
  if (environment.world_size == 1) return RunWith(nullptr);
  if (OnlyPrints()) return environment.rank == 0 ? RunWith(nullptr) : absl::OkStatus();
  RankGroupOptions options;
  RCNN_ASSIGN_OR_RETURN(options.join_timeout, ParseTimeout("join_timeout", FLAGS_join_timeout));
  RCNN_ASSIGN_OR_RETURN(options.collective_timeout,
                        ParseTimeout("collective_timeout", FLAGS_collective_timeout));
  RCNN_ASSIGN_OR_RETURN(const std::shared_ptr<RankGroup> ranks,
                        RankGroup::Join(environment, options));
  const absl::Status status = RunWith(ranks);
  if (!status.ok()) ranks->ReportFailure(status);
  return status;
}

bool IsLocalProcess() { return std::getenv(kIsLocalProcess) != nullptr; }

absl::Status CheckLocalProcesses() {
  if (FLAGS_local_processes < 0 || FLAGS_local_processes > kMaxWorldSize) {
    return absl::InvalidArgumentError(absl::StrCat("--local_processes: ", FLAGS_local_processes,
                                                   " is not in [0, ", kMaxWorldSize, "]"));
  }
  RCNN_ASSIGN_OR_RETURN(const RankEnvironment environment,
                        ReadRankEnvironment(EnvironmentVariables()));
  if (environment.world_size == 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--local_processes: ", environment.launcher,
                   " has already started several processes of this program; leave the flag out"));
}

// The threads of this machine are divided, unless --threads says how many each process has.
std::vector<std::string> LocalCommand(std::vector<std::string> command) {
  command.front() = ProgramPath();
  if (!gflags::GetCommandLineFlagInfoOrDie("threads").is_default) return command;
  const int threads = std::max(1, GetRuntimeInfo().threads / FLAGS_local_processes);
  command.push_back(absl::StrCat("--threads=", threads));
  return command;
}

// Returns the exit code. `command` is that of this process.
int StartLocalProcesses(const std::vector<std::string>& command) {
  const absl::Status checked = CheckLocalProcesses();
  if (!checked.ok()) return ExitCode(checked);
  LocalProcessesOptions options;
  options.processes = FLAGS_local_processes;
  options.command = LocalCommand(command);
  const absl::StatusOr<int> code = RunLocalProcesses(options);
  return code.ok() ? *code : ExitCode(code.status());
}

int Main(const std::vector<std::string>& command) {
  const bool starts_others = FLAGS_local_processes != 0 && !IsLocalProcess() && !OnlyPrints();
  return starts_others ? StartLocalProcesses(command) : ExitCode(Run());
}

}  // namespace
}  // namespace rcnn::training

int main(int argc, char** argv) {
  const std::vector<std::string> command(argv, argv + argc);
  rcnn::InitRuntime(rcnn::DescribeProgram(), &argc, &argv);
  rcnn::InstallShutdownHandler();
  return rcnn::training::Main(command);
}
