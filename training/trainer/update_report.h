// What the ranks tell each other about an update, besides its gradients: whether all could compute
// their part, and the figures for the log. Until then no rank uses the sums of the gradients.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const UpdateReport all, ShareReport(*ranks, mine));
//   RCNN_RETURN_IF_ERROR(all.status);

#ifndef RCNN_TRAINING_TRAINER_UPDATE_REPORT_H_
#define RCNN_TRAINING_TRAINER_UPDATE_REPORT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/training/distributed/rank_group.h"

namespace rcnn::training {

// A batch, or a rank's part of one: numbers to be added up.
struct BatchReport {
  int64_t number = 0;  // of the batch
  int64_t images = 0;
  double loss = 0;
  // Parts of the loss, and counts, by name.
  std::vector<std::pair<std::string, double>> parts = {};
  std::vector<std::pair<std::string, double>> counts = {};
  std::string text = {};  // the images and their losses, for messages
};

struct UpdateReport {
  // The error because of which the update cannot be made.
  absl::Status status;
  // It is that an image cannot be read: the weights are those of the last update.
  bool is_unreadable_image = false;
  // It only follows from another rank's error.
  bool is_secondary = false;
  bool wants_stop = false;        // a shutdown has been requested
  bool wants_checkpoint = false;  // it is time for one
  // '1' for each parameter with a gradient, else '0'.
  std::string has_gradient = {};
  std::vector<BatchReport> batches = {};
};

// The report of all ranks together, from one of each rank, in the order of the ranks: the first
// error that is not secondary, with the number of its rank before it; the batches in their order,
// the parts of one added up; what any rank wants, and a gradient wherever any rank has one.
UpdateReport MergeReports(const std::vector<UpdateReport>& reports);

// A collective: returns the report of all ranks together. Errors are those of the connection
// between the ranks; the ranks' own are in the report.
absl::StatusOr<UpdateReport> ShareReport(RankGroup& ranks, const UpdateReport& mine);

// For its test.
std::string PackReport(const UpdateReport& report);
UpdateReport UnpackReport(const std::string& message);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_UPDATE_REPORT_H_
