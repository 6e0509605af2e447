#include "rcnn/training/scheduler/data_root_record.h"

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "rcnn/base/absolute_path.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/training/scheduler/run_record.h"

namespace rcnn::training {
namespace {

constexpr char kDataRootFile[] = "data_root.txt";

std::string RecordPath(const std::string& run_directory) {
  return absl::StrCat(run_directory, "/", kDataRootFile);
}

absl::StatusOr<std::string> RecordText(const ExperimentRun& run) {
  if (run.data_root.empty()) return std::string("\n");
  RCNN_ASSIGN_OR_RETURN(const std::string path, ResolvedPath(run.data_root), "--data_root");
  return path + "\n";
}

}  // namespace

absl::Status CheckDataRoot(const ExperimentRun& run, const std::string& run_directory,
                           const std::string& stage_of_other_data) {
  RCNN_ASSIGN_OR_RETURN(const std::string before, ReadRunRecord(RecordPath(run_directory)));
  if (before.empty() || stage_of_other_data.empty()) return absl::OkStatus();
  RCNN_ASSIGN_OR_RETURN(const std::string text, RecordText(run));
  if (before == text) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(run_directory, " holds results for other data, from --data_root=",
                   absl::StripSuffix(before, "\n"), ", and stage ", stage_of_other_data,
                   " would replace them; choose another directory with --run_dir"));
}

absl::Status RecordDataRoot(const ExperimentRun& run, const std::string& run_directory) {
  const std::string record = RecordPath(run_directory);
  RCNN_ASSIGN_OR_RETURN(const std::string text, RecordText(run));
  RCNN_ASSIGN_OR_RETURN(const std::string before, ReadRunRecord(record));
  if (before == text) return absl::OkStatus();
  RCNN_RETURN_IF_ERROR(CheckMayWrite(run));
  return WriteRunRecord(record, text);
}

}  // namespace rcnn::training
