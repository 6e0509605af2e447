#include "rcnn/tools/detect_flags.h"

#include <gflags/gflags.h>

#include "rcnn/base/program.h"

DEFINE_string(model, "",
              "The folder of a trained detector, such as a run directory of "
              "//training:stage_scheduler.");
DEFINE_string(input, "",
              "Images: files, folders (with all folders in them) or patterns (*, ?, [a-z], ** "
              "for any number of folders). May be repeated, separated by commas, or given "
              "without the flag's name. JPEG, PNG, BMP, WebP, GIF and TIFF.");
DEFINE_string(output, "detections",
              "Folder for the results: drawn/, detections.json, images.json, detections.csv.");
DEFINE_bool(overwrite, false,
            "Delete the results of an earlier run in --output: the files that its manifest.json "
            "lists, and no others.");
DEFINE_double(score_threshold, 0.5,
              "Keep detections with a higher score than this. With --ids_of and without this "
              "flag the files hold all detections of the model, as metrics need them.");
DEFINE_int32(max_per_image, 0,
             "Keep at most this many best detections per image. 0: the model's "
             "own limit.");
DEFINE_int32(batch, 1,
             "Images that go through the network together, of any sizes. On the CPU scores differ "
             "by less than 1e-5 from those of images alone.");
DEFINE_string(device, "cpu", "Where the network runs: cpu, cuda (the first GPU) or cuda:1.");
DEFINE_string(precision, "float32",
              "Precision of inference, float32 or bfloat16; on the CPU bfloat16 needs a processor "
              "with AVX-512 BF16.");
DEFINE_int32(inference_graphs, 0,
             "With --device=cuda: for how many sizes of images the network is launched as a CUDA "
             "graph, from the second image of a size on. Results are the same. 0: none.");
DEFINE_bool(packed_cache, true,
            "Keep the packed weights in the user's cache, so that the next start is faster; "
            "RCNN_PACKED_CACHE=FOLDER in the environment names another folder, and "
            "RCNN_PACKED_CACHE=off is --nopacked_cache.");
DEFINE_string(ids_of, "",
              "Dataset whose image and category ids the results use, so that //eval:evaluate can "
              "score them; any form of its --dataset, such as voc:FOLDER:SPLIT. Images that are "
              "not in the dataset are left out.");
DEFINE_bool(draw, true, "Draw the images with their boxes.");
DEFINE_bool(exif_orientation, true,
            "Turn images by their EXIF orientation, as viewers do; boxes are then in pixels of the "
            "turned image. Default: results are of the turned image, and the network sees what it "
            "saw in training; with --ids_of as the dataset's field exif_orientation says.");
DEFINE_bool(quiet, false,
            "Print only errors, and a notice if another precision is used than asked for.");

namespace rcnn {

ProgramOptions DescribeProgram() {
  ProgramOptions program;
  program.usage =
      "Finds objects in images with a trained detector, draws them, and writes them as COCO "
      "results and CSV.\n\n"
      "  detect --model=runs/shapes_tiny_alternating --output=found photos 'more/*.jpg'\n\n"
      "Images that cannot be read are listed at the end; the exit code is then 2.";
  program.takes_arguments = true;
  program.repeated_flags = {"input"};
  return program;
}

}  // namespace rcnn
