#include "rcnn/eval/output_files.h"

#include <cstddef>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::eval {
namespace {

namespace fs = std::filesystem;

bool IsSameFile(const std::string& a, const std::string& b) {
  if (a.empty() || b.empty()) return false;
  std::error_code error;
  if (fs::equivalent(a, b, error)) return true;
  // One of them does not exist yet.
  std::error_code error_a;
  std::error_code error_b;
  const fs::path path_a = fs::weakly_canonical(a, error_a);
  const fs::path path_b = fs::weakly_canonical(b, error_b);
  return !error_a && !error_b && path_a == path_b;
}

absl::Status Clash(const NamedFile& output, const NamedFile& other) {
  return absl::InvalidArgumentError(absl::StrCat(
      output.flag, "=", output.path, " is also the file of ", other.flag, "; give another file"));
}

}  // namespace

absl::Status CheckOutputs(const std::vector<NamedFile>& outputs,
                          const std::vector<NamedFile>& inputs) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    for (const NamedFile& input : inputs) {
      if (IsSameFile(outputs[i].path, input.path)) {
        return Clash(outputs[i], input);
      }
    }
    for (size_t other = 0; other < i; ++other) {
      if (IsSameFile(outputs[i].path, outputs[other].path)) {
        return Clash(outputs[i], outputs[other]);
      }
    }
  }
  for (const NamedFile& output : outputs) {
    if (output.path.empty()) continue;
    RCNN_RETURN_IF_ERROR(AtomicFile::Create(output.path).status(), output.flag);
  }
  return absl::OkStatus();
}

}  // namespace rcnn::eval
