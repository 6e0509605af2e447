#include "rcnn/training/plan/stored_plan.h"

#include <google/protobuf/text_format.h>

#include <cstddef>
#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "rcnn/base/crc32c.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/progress.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/configs/textproto.h"
#include "rcnn/training/config/experiment.h"

namespace rcnn::training {
namespace {

// Of a plan and its basis.
constexpr int64_t kMaxBytes = int64_t{1} << 24;

std::string Text(const google::protobuf::Message& message) {
  std::string text;
  google::protobuf::TextFormat::PrintToString(message, &text);
  return text;
}

std::string PlanText(const StoredPlan& plan) {
  std::string text =
      "# proto-file: rcnn/configs/experiment.proto\n# proto-message: ExperimentConfig\n\n"
      "# Made for the data. It may be edited and given back with --config, or edited here: the\n"
      "# same command uses it as it is, until --replan, another budget or other data.\n#\n";
  // With names of classes and files in it, which must not end the comment.
  for (const std::string& line : plan.basis.explanation()) {
    absl::StrAppend(&text, "# ", Printable(line), "\n");
  }
  return absl::StrCat(text, "\n", Text(plan.config));
}

constexpr absl::string_view kChecksumLine = "# CRC-32C ";

std::string ChecksumLine(absl::string_view text) {
  return absl::StrCat(kChecksumLine, absl::Hex(Crc32c(text), absl::kZeroPad8), "\n");
}

// In the first line, so that a file that ends too early still demands it.
std::string WithChecksum(absl::string_view text) { return absl::StrCat(ChecksumLine(text), text); }

// Whether the text is as WithChecksum made it; older versions have written the checksum at the end,
// or none.
bool IsIntact(absl::string_view text) {
  const size_t line = text.rfind(kChecksumLine);
  if (line == absl::string_view::npos) return true;
  if (absl::StartsWith(text, kChecksumLine)) {
    const size_t end = text.find('\n');
    return end != absl::string_view::npos && WithChecksum(text.substr(end + 1)) == text;
  }
  return ChecksumLine(text.substr(0, line)) == text.substr(line);
}

absl::Status ParseIntact(const std::string& text, const std::string& path, PlanBasis& basis) {
  const absl::Status damaged = absl::DataLossError(absl::StrCat(path, " is damaged"));
  if (!IsIntact(text)) return damaged;
  RCNN_RETURN_IF_ERROR(configs::ParseTextproto(text, path, &basis));
  // Every version has written the folder first.
  return basis.has_folder() ? absl::OkStatus() : damaged;
}

absl::Status ReadIntact(const std::string& path, PlanBasis& basis) {
  RCNN_ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(path, kMaxBytes));
  return ParseIntact(text, path, basis);
}

absl::Status ReadBasis(const std::string& path, PlanBasis& basis) {
  const absl::Status status = ReadIntact(path, basis);
  if (status.ok() || !IsDamage(status)) return status;
  return absl::DataLossError(absl::StrCat(
      status.message(),
      ". The plan beside it may have been edited: to use it, give it with --config; to "
      "replace it by a new one, delete ",
      path));
}

// Whether the plan of this text is known to be as it was written.
bool IsAsWritten(const std::string& run_directory, absl::string_view text) {
  PlanBasis basis;
  if (!ReadIntact(PlanBasisPath(run_directory), basis).ok()) return false;
  return basis.has_plan_crc32c() && basis.plan_crc32c() == Crc32c(text);
}

// Writes the text to plan.previous.textproto, or with the first number that is free, and returns
// the path. A file that has this text is used as it is; not a link, which may lead to the plan that
// is about to be replaced.
absl::StatusOr<std::string> WriteAside(const std::string& run_directory, absl::string_view text) {
  for (int number = 1;; ++number) {
    const std::string path =
        absl::StrCat(run_directory, "/plan.previous", number == 1 ? "" : absl::StrCat("-", number),
                     ".textproto");
    RCNN_ASSIGN_OR_RETURN(const bool is_taken, PathExists(path));
    if (!is_taken) {
      RCNN_RETURN_IF_ERROR(WriteFileAtomically(path, text).status());
      return path;
    }
    RCNN_ASSIGN_OR_RETURN(const bool is_file, IsRegularFile(path));
    if (!is_file) continue;
    const absl::StatusOr<std::string> kept = ReadSmallFile(path, kMaxBytes);
    if (kept.ok() && *kept == text) return path;
  }
}

// Keeps the plan that `new_text` is to replace, if it may have been edited. A file that is too
// large for a plan is renamed.
absl::StatusOr<std::string> KeepEditedPlan(const std::string& run_directory,
                                           absl::string_view new_text) {
  const std::string path = PlanPath(run_directory);
  const absl::StatusOr<std::string> text = ReadSmallFile(path, kMaxBytes);
  if (absl::IsDataLoss(text.status())) {
    RCNN_ASSIGN_OR_RETURN(std::string aside, FreePathBeside(path));
    RCNN_RETURN_IF_ERROR(RenamePath(path, aside));
    return aside;
  }
  RCNN_ASSIGN_OR_RETURN(const bool is_broken_link, IsBrokenLink(path));
  if (IsDamage(text.status()) || is_broken_link) return std::string();
  RCNN_RETURN_IF_ERROR(text.status());
  if (*text == new_text || IsAsWritten(run_directory, *text)) return std::string();
  return WriteAside(run_directory, *text);
}

absl::StatusOr<FileDigest> ReplaceFile(const std::string& path, absl::string_view text) {
  RCNN_RETURN_IF_ERROR(MakeWayForFile(path));
  return WriteFileAtomically(path, text);
}

std::string Budget(const PlanBasis& basis) {
  return HumanDuration(absl::Seconds(basis.budget_seconds()));
}

}  // namespace

std::string PlanPath(const std::string& run_directory) { return run_directory + "/plan.textproto"; }

std::string PlanBasisPath(const std::string& run_directory) {
  return run_directory + "/plan_basis.textproto";
}

absl::StatusOr<std::optional<StoredPlan>> ReadStoredPlan(const std::string& run_directory) {
  const std::string path = PlanBasisPath(run_directory);
  for (const std::string& file : {path, PlanPath(run_directory)}) {
    RCNN_ASSIGN_OR_RETURN(const bool exists, PathExists(file));
    if (!exists) return std::nullopt;
  }
  StoredPlan plan;
  RCNN_RETURN_IF_ERROR(ReadBasis(path, plan.basis));
  RCNN_ASSIGN_OR_RETURN(plan.config, LoadExperiment(PlanPath(run_directory)));
  RCNN_ASSIGN_OR_RETURN(const FileDigest digest, ComputeFileDigest(PlanPath(run_directory)));
  plan.has_checksum = plan.basis.has_plan_crc32c();
  plan.edited = plan.has_checksum && plan.basis.plan_crc32c() != digest.crc32c;
  plan.basis.clear_plan_crc32c();
  return plan;
}

absl::StatusOr<std::string> WriteStoredPlan(const std::string& run_directory,
                                            const StoredPlan& plan) {
  RCNN_RETURN_IF_ERROR(CreateDirectories(run_directory));
  const std::string text = PlanText(plan);
  RCNN_ASSIGN_OR_RETURN(std::string kept, KeepEditedPlan(run_directory, text));
  RCNN_ASSIGN_OR_RETURN(const FileDigest digest, ReplaceFile(PlanPath(run_directory), text));
  PlanBasis basis = plan.basis;
  basis.set_plan_crc32c(digest.crc32c);
  RCNN_RETURN_IF_ERROR(
      ReplaceFile(PlanBasisPath(run_directory), WithChecksum(Text(basis))).status());
  return kept;
}

std::vector<std::string> PlanChanges(const PlanBasis& stored, const PlanBasis& now) {
  std::vector<std::string> changes;
  if (stored.budget_seconds() != now.budget_seconds()) {
    changes.push_back(absl::StrCat("the budget: ", Budget(stored), ", now ", Budget(now)));
  }
  if (stored.recipe() != now.recipe()) {
    changes.push_back(absl::StrCat("the recipe: ", stored.recipe(), ", now ", now.recipe()));
  }
  if (stored.pretrained_digest() != now.pretrained_digest()) {
    changes.push_back(absl::StrCat(
        "the pretrained weights: ", stored.pretrained().empty() ? "none" : stored.pretrained(),
        ", now ", now.pretrained().empty() ? "none" : now.pretrained()));
  }
  if (stored.train() != now.train()) changes.push_back("the training images or their objects");
  if (stored.validation() != now.validation()) {
    changes.push_back("the validation images or their objects");
  }
  if (stored.test() != now.test()) changes.push_back("the test images or their objects");
  return changes;
}

}  // namespace rcnn::training
