#include "rcnn/tools/convert_weights_flags.h"

#include <gflags/gflags.h>

#include "rcnn/base/program.h"

DEFINE_string(input, "",
              "Weights to read: .safetensors, .pth, .pt or .caffemodel, recognised by content.");
DEFINE_string(output, "",
              "File to write; its extension sets the format: .safetensors, .pth or "
              ".pt.");
DEFINE_string(map, "auto", "Name map (see --list_maps), or auto: the map that matches the names.");
DEFINE_bool(reverse, false, "Convert from rcnn's names to the other names of the map.");
DEFINE_string(channel_order, "",
              "rgb or bgr: reorder the first convolution for images in that channel order. "
              "Empty: unchanged.");
DEFINE_bool(list, false, "Only print the tensors and metadata of --input.");
DEFINE_bool(list_maps, false, "Only print the name maps.");
DEFINE_bool(every_tensor, false, "List every tensor in the table.");

namespace rcnn {

ProgramOptions DescribeProgram() {
  ProgramOptions program;
  program.usage =
      "Converts weights between rcnn, torchvision and Caffe.\n\n"
      "  convert_weights --input=vgg16-397923af.pth --output=vgg16.safetensors\n"
      "  convert_weights --input=model.safetensors --output=model.pth --reverse\n"
      "  convert_weights --input=VGG16.caffemodel --list";
  return program;
}

}  // namespace rcnn
