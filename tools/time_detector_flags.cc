#include "rcnn/tools/time_detector_flags.h"

#include <gflags/gflags.h>

#include "rcnn/base/program.h"

DEFINE_string(config, "", "DetectorConfig, a text file, such as a detector.textproto.");
DEFINE_string(weights, "", "Weights file. Default: random weights.");
DEFINE_string(name_map, "rcnn", "Name map of the weights (convert_weights --list_maps).");
DEFINE_string(image, "", "Safetensors file with `image` [H, W, 3] uint8; else noise of --size.");
DEFINE_string(size, "600x800", "Height and width of the noise image without --image, in pixels.");
DEFINE_int32(batch, 1, "Copies of the image in a batch.");
DEFINE_bool(train, false, "Time a training step instead of inference.");
DEFINE_string(
    device, "",
    "Time inference as a whole on this device: cpu, cuda or cuda:1. Default: time its parts "
    "on the CPU.");
DEFINE_string(precision, "float32", "float32 or bfloat16, of inference or, on the CPU, of a step.");
DEFINE_int32(inference_graphs, 0,
             "With --device: for how many sizes of images the network is launched as a graph.");
DEFINE_bool(layers, false, "Time each layer of inference alone, for tools/peers/roofline.py.");
DEFINE_int32(repeats, 5, "Timed runs, after one warm-up run.");

namespace rcnn {

ProgramOptions DescribeProgram() {
  ProgramOptions program;
  program.usage = "Times a detector.\n\n  time_detector --config=detector.textproto [--train]";
  return program;
}

}  // namespace rcnn
