// Trains and evaluates a detector as described by an experiment file, or on a folder of labelled
// images.
//
//   bazel run //training:stage_scheduler -- --config=configs/shapes_tiny_alternating.textproto
//   bazel run //training:stage_scheduler -- --data_root=FOLDER --budget=20m
//
// Exit codes: 0 success, 1 an error, 2 a wrong flag, 128 + signal after an
// interruption; the same command then resumes.

#include <gflags/gflags.h>

#include <cstdio>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/program.h"
#include "rcnn/base/repeated_flag.h"
#include "rcnn/base/runtime.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/training/config/bundled_config.h"
#include "rcnn/training/config/check_experiment.h"
#include "rcnn/training/config/config_override.h"
#include "rcnn/training/config/experiment.h"
#include "rcnn/training/plan/folder_experiment.h"
#include "rcnn/training/scheduler/scheduler.h"
#include "rcnn/training/scheduler/verify_run.h"
#include "rcnn/training/stage_scheduler_flags.h"

namespace rcnn::training {
namespace {

constexpr char kDefaultConfig[] = "shapes_tiny_alternating";

absl::Status Verify(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const RunVerification run, VerifyRun(path));
  if (!FLAGS_quiet) std::printf("%s", PrintableLines(run.ToString()).c_str());
  if (run.Damaged() == 0) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(path, ": ", run.Damaged(), run.Damaged() == 1 ? " file is" : " files are",
                   " damaged; the next run of the experiment repairs them from intact copies, or "
                   "recomputes the results"));
}

// The experiment for the folder in --data_root.
absl::Status RunFolder() {
  if (FLAGS_verify) return Verify(absl::StrCat("runs/", ExperimentName(FLAGS_data_root)));
  FolderExperimentOptions folder;
  folder.folder = FLAGS_data_root;
  folder.format = FLAGS_data_format;
  folder.follow_links = FLAGS_follow_links;
  folder.box_units = FLAGS_box_units;
  folder.run_directory = FLAGS_run_dir;
  folder.dry_run = FLAGS_dry_run || FLAGS_print_config;
  folder.quiet = FLAGS_quiet || FLAGS_print_config;
  folder.allow_defects = FLAGS_allow_defects;
  folder.budget = FLAGS_budget;
  folder.recipe = FLAGS_recipe;
  folder.pretrained = FLAGS_pretrained;
  folder.replan = FLAGS_replan;
  folder.threads = GetRuntimeInfo().threads;
  RCNN_ASSIGN_OR_RETURN(FolderExperiment experiment, MakeFolderExperiment(folder));
  for (const std::string& assignment : RepeatedFlagValues(FLAGS_set)) {
    RCNN_RETURN_IF_ERROR(ApplyOverride(assignment, &experiment.config));
  }
  RCNN_RETURN_IF_ERROR(CheckExperiment(experiment.config), "--set");
  if (FLAGS_print_config) {
    std::printf("%s", ExperimentText(experiment.config).c_str());
    return absl::OkStatus();
  }
  if (FLAGS_plan) return absl::OkStatus();
  SchedulerOptions options;
  options.config = experiment.config;
  options.data_root = experiment.folder;
  options.run_directory = experiment.run_directory;
  options.dry_run = FLAGS_dry_run;
  options.rehearse = FLAGS_rehearse;
  options.quiet = FLAGS_quiet;
  return RunExperiment(options);
}

// Rejects flags that do not apply to an experiment file.
absl::Status CheckPlanFlags() {
  const std::pair<const char*, bool> flags[] = {
      {"box_units", !FLAGS_box_units.empty()},
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

absl::Status Run() {
  if (FLAGS_verify && !FLAGS_run_dir.empty()) return Verify(FLAGS_run_dir);
  if (FLAGS_config.empty() && !FLAGS_data_root.empty()) return RunFolder();
  RCNN_RETURN_IF_ERROR(CheckPlanFlags());
  RCNN_ASSIGN_OR_RETURN(const std::string path,
                        FindConfig(FLAGS_config.empty() ? kDefaultConfig : FLAGS_config));
  ExperimentOptions experiment;
  experiment.overrides = RepeatedFlagValues(FLAGS_set);
  RCNN_ASSIGN_OR_RETURN(const configs::ExperimentConfig config, LoadExperiment(path, experiment));
  RCNN_RETURN_IF_ERROR(CheckExperiment(config), path);
  if (FLAGS_print_config) {
    std::printf("%s", ExperimentText(config).c_str());
    return absl::OkStatus();
  }
  if (FLAGS_verify) return Verify(absl::StrCat("runs/", config.name()));
  SchedulerOptions options;
  options.config = config;
  options.data_root = FLAGS_data_root;
  options.run_directory = FLAGS_run_dir;
  options.dry_run = FLAGS_dry_run;
  options.rehearse = FLAGS_rehearse;
  options.quiet = FLAGS_quiet;
  return RunExperiment(options);
}

}  // namespace
}  // namespace rcnn::training

int main(int argc, char** argv) {
  rcnn::InitRuntime(rcnn::DescribeProgram(), &argc, &argv);
  rcnn::InstallShutdownHandler();
  return rcnn::ExitCode(rcnn::training::Run());
}
