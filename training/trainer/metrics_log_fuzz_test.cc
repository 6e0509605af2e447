// Any bytes as the metrics of a stage that resumes: what is kept are whole lines of the file,
// and opening it again keeps all of them.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "glog/logging.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fuzz_folder.h"
#include "rcnn/training/trainer/metrics_log.h"

namespace {

// Opens the log as a run that resumes at iteration 3, and returns what it keeps.
std::string Reopen(const std::string& folder) {
  if (!rcnn::training::MetricsLog::Open(folder, folder, "fuzz", 3).ok()) std::abort();
  const auto text = rcnn::ReadFile(folder + "/metrics.jsonl");
  if (!text.ok()) std::abort();
  return *text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FLAGS_minloglevel = google::GLOG_ERROR;
  const rcnn::testing::FuzzFolder folder;  // each opening adds a file of events
  folder.Write("metrics.jsonl", absl::string_view(reinterpret_cast<const char*>(data), size));
  const std::string kept = Reopen(folder.path());
  if (kept.size() > size || (!kept.empty() && kept.back() != '\n')) std::abort();
  if (Reopen(folder.path()) != kept) std::abort();
  return 0;
}
