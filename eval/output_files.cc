#include "rcnn/eval/output_files.h"

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/absolute_path.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/data/core/image_names.h"

namespace rcnn::eval {
namespace {

absl::StatusOr<bool> IsSameFile(const std::string& a, const std::string& b) {
  if (a.empty() || b.empty()) return false;
  RCNN_ASSIGN_OR_RETURN(const bool is_same, LeadToSameFile(a, b));
  if (is_same) return true;
  // One of them does not exist yet.
  RCNN_ASSIGN_OR_RETURN(const std::string path_a, ResolvedPath(a));
  RCNN_ASSIGN_OR_RETURN(const std::string path_b, ResolvedPath(b));
  return path_a == path_b;
}

absl::Status CheckDifferent(const NamedFile& output, const NamedFile& other) {
  RCNN_ASSIGN_OR_RETURN(const bool is_same, IsSameFile(output.path, other.path), output.flag);
  if (!is_same) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      output.flag, "=", output.path, " is also the file of ", other.flag, "; give another file"));
}

}  // namespace

absl::Status CheckOutputs(const std::vector<NamedFile>& outputs,
                          const std::vector<NamedFile>& inputs) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    for (const NamedFile& input : inputs) {
      RCNN_RETURN_IF_ERROR(CheckDifferent(outputs[i], input));
    }
    for (size_t other = 0; other < i; ++other) {
      RCNN_RETURN_IF_ERROR(CheckDifferent(outputs[i], outputs[other]));
    }
  }
  for (const NamedFile& output : outputs) {
    if (output.path.empty()) continue;
    if (data::HasImageExtension(output.path)) {
      return absl::InvalidArgumentError(
          absl::StrCat(output.flag, "=", output.path,
                       " has the name of an image, which may be one of the dataset's; give another "
                       "file"));
    }
    RCNN_RETURN_IF_ERROR(AtomicFile::Create(output.path).status(), output.flag);
  }
  return absl::OkStatus();
}

}  // namespace rcnn::eval
