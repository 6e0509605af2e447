// The flags of stage_scheduler, apart from the program so that its launcher knows them too.

#ifndef RCNN_TRAINING_STAGE_SCHEDULER_FLAGS_H_
#define RCNN_TRAINING_STAGE_SCHEDULER_FLAGS_H_

#include <gflags/gflags_declare.h>

DECLARE_string(config);
DECLARE_string(set);
DECLARE_string(data_root);
DECLARE_string(data_format);
DECLARE_bool(follow_links);
DECLARE_string(box_units);
DECLARE_string(exif_orientation);
DECLARE_string(budget);
DECLARE_string(recipe);
DECLARE_string(pretrained);
DECLARE_bool(plan);
DECLARE_bool(replan);
DECLARE_bool(allow_defects);
DECLARE_string(device);
DECLARE_string(run_dir);
DECLARE_bool(dry_run);
DECLARE_bool(print_config);
DECLARE_bool(rehearse);
DECLARE_bool(verify);
DECLARE_bool(forbid_waits);
DECLARE_bool(quiet);
DECLARE_int32(local_processes);
DECLARE_string(join_timeout);
DECLARE_string(collective_timeout);

#endif  // RCNN_TRAINING_STAGE_SCHEDULER_FLAGS_H_
