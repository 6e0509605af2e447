// Finds objects in images with a trained detector.
//
//   ./bazelw run //tools:detect -- --model=runs/shapes_tiny_alternating --input=photos --output=out
//
// Exit codes: 0 success, 1 an error, 2 some images could not be read (the others are
// done) or a wrong flag, 128 + signal after an interruption.

#include <gflags/gflags.h>

#include <cstdio>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/base/program.h"
#include "rcnn/base/repeated_flag.h"
#include "rcnn/base/runtime.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/detection/packed_cache_options.h"
#include "rcnn/tools/detect_flags.h"
#include "rcnn/tools/detect_run.h"

namespace rcnn::tools {
namespace {

constexpr int kSomeFailed = 2;

bool IsDefault(const char* flag) { return gflags::GetCommandLineFlagInfoOrDie(flag).is_default; }

DetectOptions OptionsFromFlags(int argc, char** argv) {
  DetectOptions options;
  options.model = FLAGS_model;
  options.inputs = RepeatedFlagValues(FLAGS_input);
  options.inputs.insert(options.inputs.end(), argv + 1, argv + argc);
  options.output = FLAGS_output;
  options.overwrite = FLAGS_overwrite;
  if (!IsDefault("score_threshold")) options.score_threshold = FLAGS_score_threshold;
  options.max_per_image = FLAGS_max_per_image;
  options.batch = FLAGS_batch;
  options.device = FLAGS_device;
  options.precision = FLAGS_precision;
  options.inference_graphs = FLAGS_inference_graphs;
  if (FLAGS_packed_cache) options.packed_cache = detection::DefaultPackedCacheFolder();
  options.ids_of = FLAGS_ids_of;
  options.draw = FLAGS_draw;
  if (!IsDefault("exif_orientation")) options.exif_orientation = FLAGS_exif_orientation;
  options.quiet = FLAGS_quiet;
  return options;
}

}  // namespace
}  // namespace rcnn::tools

int main(int argc, char** argv) {
  rcnn::InitRuntime(rcnn::DescribeProgram(), &argc, &argv);
  rcnn::InstallShutdownHandler();
  const absl::StatusOr<int64_t> failed =
      rcnn::tools::RunDetect(rcnn::tools::OptionsFromFlags(argc, argv));
  const int code = rcnn::ExitCode(failed.status());
  return code == 0 && *failed > 0 ? rcnn::tools::kSomeFailed : code;
}
