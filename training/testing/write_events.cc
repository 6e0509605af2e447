// Writes an event file whose contents tensorboard_events_test.py knows.
//
// Usage: write_events DIRECTORY

#include <cmath>
#include <cstdio>

#include "absl/status/status.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/training/trainer/event_file.h"

namespace rcnn::training {
namespace {

absl::Status Write(const char* directory) {
  RCNN_ASSIGN_OR_RETURN(EventFile events,
                        EventFile::Create(directory, "rpn1", absl::FromUnixSeconds(1700000000)));
  const absl::Time later = absl::FromUnixMillis(1700000001500);
  for (int step = 0; step < 300; ++step) {
    RCNN_RETURN_IF_ERROR(
        events.AddScalars(step, later, {{"rpn1/loss", 1.0 / (step + 1)}, {"rpn1/lr", 0.25}}));
  }
  RCNN_RETURN_IF_ERROR(events.AddScalars(int64_t{1} << 40, later, {{"rpn1/loss", std::nan("")}}));
  return events.AddText(7, later, "config", "# caf\xc3\xa9");
}

}  // namespace
}  // namespace rcnn::training

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "error: give one folder: write_events DIRECTORY\n");
    return 2;
  }
  const absl::Status status = rcnn::training::Write(argv[1]);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
