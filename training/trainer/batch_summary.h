// Describes a batch and its losses, for messages, the report of an update and the log.
//
// Example:
//   images += ListImages(batch) + " (" + DescribeLosses(step) + ")";

#ifndef RCNN_TRAINING_TRAINER_BATCH_SUMMARY_H_
#define RCNN_TRAINING_TRAINER_BATCH_SUMMARY_H_

#include <cstdint>
#include <string>

#include "rcnn/data/loader/batch.h"
#include "rcnn/training/trainer/losses.h"
#include "rcnn/training/trainer/running_means.h"
#include "rcnn/training/trainer/update_report.h"

namespace rcnn::training {

// The images that this process takes: "a.jpg (id 3), b.jpg (id 4, mirrored)".
std::string ListImages(const data::Batch& batch);

// "rpn_objectness 0.69, rpn_box 0.02". Waits for the device of the losses.
std::string DescribeLosses(const StepLosses& step);

// A rank's part of a batch, in numbers. Waits for the device of the losses.
BatchReport Summarize(const data::Batch& batch, const StepLosses& step, int64_t number,
                      double loss);

// Adds the loss, its parts and the counts: of a step of one process alone, whose losses on another
// device are not waited for, or of a batch of all ranks.
void AddToMeans(const StepLosses& step, RunningMeans& means);
void AddToMeans(const BatchReport& batch, RunningMeans& means);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_BATCH_SUMMARY_H_
