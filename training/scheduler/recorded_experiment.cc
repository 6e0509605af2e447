#include "rcnn/training/scheduler/recorded_experiment.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "rcnn/base/experiment_copy.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/configs/textproto.h"
#include "rcnn/training/scheduler/stage_files.h"

namespace rcnn::training {
namespace {

constexpr int64_t kMaxBytes = int64_t{1} << 24;
constexpr int kMaxDepth = 100;  // of nested messages that the parser knows

class NoErrors : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int, int, const std::string&) override {}
};

// The experiment as written by any version; none if it cannot be read or has no name. The parser's
// limit does not hold for messages that it does not know, in every version of protobuf.
absl::optional<configs::ExperimentConfig> ParseAnyVersion(const std::string& text) {
  NoErrors silent;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&silent);
  parser.AllowUnknownField(true);
  parser.SetRecursionLimit(kMaxDepth);
  configs::ExperimentConfig config;
  const bool is_parsed =
      configs::CheckTextprotoSize(text).ok() && parser.ParseFromString(text, &config);
  if (!is_parsed || !config.has_name()) return absl::nullopt;
  return config;
}

// kNotFound if `copies` is missing or a link.
absl::StatusOr<std::string> ReadSecondCopy(const std::string& run_directory) {
  RCNN_ASSIGN_OR_RETURN(const bool has_folder, HasCopiesFolder(run_directory));
  if (!has_folder) return absl::NotFoundError("no folder of second copies");
  return ReadSmallFile(ExperimentCopyPath(run_directory), kMaxBytes);
}

// Sets the experiment from the second copy, if it is intact.
void UseSecondCopy(const absl::StatusOr<std::string>& copy, const std::string& path,
                   RecordedExperiment& recorded, std::string& text) {
  if (absl::IsNotFound(copy.status())) return;
  recorded.is_there = true;
  const absl::StatusOr<std::string> parsed = copy.ok() ? ParseExperimentCopy(*copy) : copy.status();
  if (parsed.ok()) recorded.config = ParseAnyVersion(*parsed);
  recorded.is_sealed = recorded.config.has_value();
  if (recorded.is_sealed) {
    text = *parsed;
  } else {
    recorded.copy_problem = absl::StrCat(path, " is damaged");
  }
}

absl::Status WriteIfOther(const std::string& path, const std::string& bytes) {
  const absl::StatusOr<std::string> before = ReadSmallFile(path, kMaxBytes);
  if (before.ok() && *before == bytes) return absl::OkStatus();
  if (!before.ok() && !IsDamage(before.status())) return before.status();
  RCNN_RETURN_IF_ERROR(MakeWayForFile(path));
  return WriteFileAtomically(path, bytes).status();
}

}  // namespace

absl::StatusOr<RecordedExperiment> ReadRecordedExperiment(const std::string& run_directory) {
  const std::string path = absl::StrCat(run_directory, "/", kExperimentFile);
  const absl::StatusOr<std::string> first = ReadSmallFile(path, kMaxBytes);
  if (!first.ok() && !IsDamage(first.status())) return first.status();
  const absl::StatusOr<std::string> second = ReadSecondCopy(run_directory);
  if (!second.ok() && !IsDamage(second.status())) return second.status();
  RecordedExperiment recorded;
  std::string written;
  UseSecondCopy(second, ExperimentCopyPath(run_directory), recorded, written);
  recorded.is_there |= !absl::IsNotFound(first.status());
  if (!first.ok()) {
    recorded.problem = absl::StrCat(
        path, absl::IsNotFound(first.status()) ? " is missing" : " is damaged: it cannot be read");
    return recorded;
  }
  recorded.text = *first;
  if (recorded.is_sealed) {
    if (*first != written) recorded.problem = absl::StrCat(path, " is not as it was written");
    return recorded;
  }
  recorded.config = ParseAnyVersion(*first);
  if (!recorded.config.has_value()) recorded.problem = absl::StrCat(path, " is damaged");
  return recorded;
}

absl::Status WriteRecordedExperiment(const std::string& run_directory, const std::string& text) {
  // A new directory first gets the file that marks it as a run's.
  RCNN_RETURN_IF_ERROR(WriteIfOther(absl::StrCat(run_directory, "/", kExperimentFile), text));
  RCNN_RETURN_IF_ERROR(MakeCopiesFolder(run_directory));
  return WriteIfOther(ExperimentCopyPath(run_directory), ExperimentCopyText(text));
}

std::string ExperimentCopyPath(const std::string& run_directory) {
  return absl::StrCat(run_directory, "/", kCopiesFolder, "/", kExperimentFile);
}

}  // namespace rcnn::training
