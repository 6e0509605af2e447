#include "rcnn/training/stage_scheduler_flags.h"

#include <gflags/gflags.h>

#include "rcnn/base/program.h"

DEFINE_string(config, "",
              "The experiment: a textproto file, or the name of an experiment that comes with "
              "rcnn. Default: one planned for the folder in --data_root; without that, "
              "shapes_tiny_alternating, which needs no data.");
DEFINE_string(set, "",
              "A change to the experiment, PATH=VALUE, for example "
              "stages.rpn1.train_rpn.training.solver.iterations=500; may be repeated.");
DEFINE_string(
    data_root, "",
    "Without --config: a folder of labelled images (VOC, COCO, YOLO, LabelMe, CVAT, CSV, shards), "
    "which is recognised. With it: the folder that relative paths of datasets and "
    "weights start from.");
DEFINE_string(data_format, "",
              "How to read the folder where it can be read in several ways: voc, coco, yolo, "
              "labelme, cvat, csv or shards.");
DEFINE_bool(follow_links, true,
            "Follow symbolic links that lead out of the folder of labelled images.");
DEFINE_string(box_units, "",
              "For a folder of labelled images: the unit of boxes, pixels or fractions of the "
              "image's sides. Default: that of the format; a folder whose boxes all lie within "
              "0..1 is then an error.");
DEFINE_string(exif_orientation, "",
              "For a folder of labelled images: whether boxes are of the images as turned by their "
              "EXIF orientation, applied or not_applied. Default: as the annotated sizes say; an "
              "image for which they do not is then left out as a defect.");
DEFINE_string(
    budget, "",
    "For a folder of labelled images: the time that planning, training and evaluation may "
    "take, for example 20m or 1h30m. Default: that of the run's plan, else 30m.");
DEFINE_string(
    recipe, "",
    "For a folder of labelled images: joint, or alternating as in the paper. Default: that "
    "of the run's plan, else joint.");
DEFINE_string(pretrained, "",
              "For a folder of labelled images: ImageNet weights of a ResNet with torchvision's "
              "names to start from. Default: those of the run's plan, else random weights.");
DEFINE_bool(plan, false,
            "For a folder of labelled images: make and explain the plan, and store it in the run "
            "directory, without training.");
DEFINE_bool(replan, false, "For a folder of labelled images: make a new plan.");
DEFINE_bool(allow_defects, false,
            "For a folder of labelled images: train even if more than 5 % of a part's objects are "
            "lost to defects.");
DEFINE_string(
    device, "",
    "Where the networks run: cpu, cuda (the first GPU) or cuda:1. Default: resources.device "
    "of the experiment, which is the CPU.");
DEFINE_string(run_dir, "", "The run directory, which holds all results. Default: runs/NAME.");
DEFINE_bool(dry_run, false, "Print what would run and why, without running it.");
DEFINE_bool(print_config, false, "Print the experiment with all defaults.");
DEFINE_bool(rehearse, true,
            "Check every image file and run all stages for a few iterations first, so that errors "
            "show early.");
DEFINE_bool(
    verify, false,
    "Check the files of the run directory against their checksums, print what is damaged, and "
    "change nothing. Exit code 1 if anything is.");
DEFINE_bool(
    forbid_waits, false,
    "Make it an error if an iteration of a training waits for the GPU, except the first. Only with "
    "one process; for checks of this program.");
DEFINE_bool(quiet, false, "Print errors only.");
DEFINE_int32(local_processes, 0,
             "Train with this many processes on this machine, which share its cores. 0: as many as "
             "the launcher (torchrun, mpirun, srun) that started this process says, else one.");
DEFINE_string(join_timeout, "25s",
              "Several processes: the time within which all must have started.");
DEFINE_string(collective_timeout, "10m",
              "Several processes: the longest that one waits for the others before all stop with "
              "an error.");

namespace rcnn {

ProgramOptions DescribeProgram() {
  ProgramOptions program;
  program.usage =
      "Trains and evaluates a detector on a folder of labelled images, or as described by an "
      "experiment file.\n\n  stage_scheduler --data_root=FOLDER [--budget=20m]\n  stage_scheduler "
      "--config=NAME [--data_root=FOLDER] [--set=PATH=VALUE ...]";
  program.repeated_flags = {"set"};
  return program;
}

}  // namespace rcnn
