// Any bytes as the DONE and the key.txt of a stage: what is read can be written and read
// again.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "rcnn/base/stage_record.h"
#include "rcnn/training/scheduler/stage_plan.h"

namespace {

using rcnn::ParseStageRecord;
using rcnn::training::ParseKeyText;

void CheckRecord(absl::string_view bytes) {
  const auto record = ParseStageRecord(bytes);
  if (!record.ok()) return;
  const bool has_digests = std::all_of(record->files.begin(), record->files.end(),
                                       [](const auto& file) { return file.second.has_value(); });
  if (record->sealed && !has_digests) std::abort();
  if (!has_digests) return;
  const auto again = ParseStageRecord(rcnn::StageRecordText(*record));
  if (!again.ok() || again->key != record->key || again->files != record->files) std::abort();
}

void CheckKey(absl::string_view bytes) {
  const auto key = ParseKeyText(bytes);
  if (!key.ok()) return;
  rcnn::training::PlannedStage stage;
  stage.key = key->key;
  stage.parts = key->parts;
  const auto again = ParseKeyText(rcnn::training::KeyText(stage));
  if (!again.ok() || again->key != key->key || again->parts != key->parts) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  CheckRecord(bytes);
  CheckKey(bytes);
  return 0;
}
