// Finds objects in images with a trained detector.
//
//   bazel run //tools:detect -- --model=runs/shapes_tiny_alternating --input=photos --output=found
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
#include "rcnn/tools/detect_run.h"

DEFINE_string(model, "",
              "The folder of a trained detector, such as a run directory of "
              "//training:stage_scheduler.");
DEFINE_string(input, "",
              "Images: files, folders (with all folders in them) or patterns (*, ?, [a-z], ** "
              "for any number of folders). May be repeated, separated by commas, or given "
              "without the flag's name. JPEG, PNG, BMP, WebP, GIF and TIFF.");
DEFINE_string(output, "detections",
              "Folder for the results: drawn/, detections.json, images.json, detections.csv.");
DEFINE_double(score_threshold, 0.5,
              "Keep detections with a higher score than this. With --ids_of and without this "
              "flag the files hold all detections of the model, as metrics need them.");
DEFINE_int32(max_per_image, 0,
             "Keep at most this many best detections per image. 0: the model's "
             "own limit.");
DEFINE_string(precision, "float32", "Precision of inference; only float32 is available on a CPU.");
DEFINE_string(ids_of, "",
              "Dataset whose image and category ids the results use, so that //eval:evaluate can "
              "score them; any form of its --dataset, such as voc:FOLDER:SPLIT. Images that are "
              "not in the dataset are left out.");
DEFINE_bool(draw, true, "Draw the images with their boxes.");
DEFINE_bool(exif_orientation, true,
            "Turn images by their EXIF orientation, as viewers do; boxes are then in pixels of the "
            "turned image. Default: results are of the turned image, and the network sees what it "
            "saw in training; with --ids_of as the dataset's field exif_orientation says.");
DEFINE_bool(quiet, false, "Print errors only.");

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
  if (!IsDefault("score_threshold")) options.score_threshold = FLAGS_score_threshold;
  options.max_per_image = FLAGS_max_per_image;
  options.precision = FLAGS_precision;
  options.ids_of = FLAGS_ids_of;
  options.draw = FLAGS_draw;
  if (!IsDefault("exif_orientation")) options.exif_orientation = FLAGS_exif_orientation;
  options.quiet = FLAGS_quiet;
  return options;
}

}  // namespace
}  // namespace rcnn::tools

int main(int argc, char** argv) {
  const rcnn::RepeatedFlag inputs("input", &argc, &argv);
  rcnn::ProgramOptions program;
  program.usage =
      "Finds objects in images with a trained detector, draws them, and writes them as COCO "
      "results and CSV.\n\n"
      "  detect --model=runs/shapes_tiny_alternating --output=found photos 'more/*.jpg'\n\n"
      "Images that cannot be read are listed at the end; the exit code is then 2.";
  program.takes_arguments = true;
  rcnn::InitRuntime(program, &argc, &argv);
  rcnn::InstallShutdownHandler();
  const absl::StatusOr<int64_t> failed =
      rcnn::tools::RunDetect(rcnn::tools::OptionsFromFlags(argc, argv));
  const int code = rcnn::ExitCode(failed.status());
  return code == 0 && *failed > 0 ? rcnn::tools::kSomeFailed : code;
}
