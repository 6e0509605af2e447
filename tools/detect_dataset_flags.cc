#include "rcnn/tools/detect_dataset_flags.h"

#include <gflags/gflags.h>

#include "rcnn/base/program.h"
#include "rcnn/data/sources/dataset_flag.h"

DEFINE_string(model, "", "The folder of a trained detector, or model.safetensors in it.");
DEFINE_string(dataset, "", rcnn::data::kDatasetFlagHelp);
DEFINE_string(images, "", "The folder of its images. Empty: the folder named by the dataset.");
DEFINE_string(out, "", "COCO results file to write.");

namespace rcnn {

ProgramOptions DescribeProgram() {
  ProgramOptions program;
  program.usage =
      "Runs a detector over a dataset.\n\n"
      "  detect_dataset --model=runs/cells --dataset=instances.json --images=images "
      "--out=detections.json";
  return program;
}

}  // namespace rcnn
