// Runs all stages of an experiment for a few iterations on a few images before the
// first real stage, so that errors do not appear only after days.
//
// It also measures the time of each stage, without the slow first iterations. Training
// resumes once from its first checkpoint, unless that would take long. The few iterations
// that are measured may have larger or smaller images than the thousands that follow; as
// batches are known in advance, the time is corrected for that.
//
// Of several ranks, rank 0 rehearses alone.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(SecondsPerUnit seconds, Rehearse(run, "runs/cells/rehearsal"));

#ifndef RCNN_TRAINING_SCHEDULER_REHEARSAL_H_
#define RCNN_TRAINING_SCHEDULER_REHEARSAL_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {

// Time per iteration or image, by stage name.
using SecondsPerUnit = std::map<std::string, double>;

struct RehearsalOptions {
  // Images taken from each dataset; more if two batches need more.
  int64_t images = 4;
  // True: images spread over the whole dataset, so that their sizes are representative.
  // False: the first ones.
  bool spread = false;
  // In seconds. A training stage whose second iteration takes longer than this is not
  // measured further.
  double patience = 2;
  // Limit in seconds on the rest of each training stage's measurement.
  double measured = std::numeric_limits<double>::infinity();
};

// The mean time of iterations of which some were measured: seconds[i] on pixels[i] pixels, and all
// have `mean_pixels` on average. By a line through the measurements, or in proportion to the pixels
// if there are fewer than 8; the time neither falls with pixels nor grows faster than they do.
// Public for its test. At least one measurement.
double SecondsAtMeanPixels(const std::vector<double>& seconds, const std::vector<double>& pixels,
                           double mean_pixels);

// Runs every stage of `run` in `directory`, which is created and finally deleted. What is in its
// place is deleted first, of a link only the link; kPermissionDenied or another error, naming the
// path, if that fails. Other errors name the stage; nothing else is changed. `begin`, unless null,
// is called with the name of each stage when it starts.
absl::StatusOr<SecondsPerUnit> Rehearse(
    const ExperimentRun& run, const std::string& directory,
    const std::function<void(const std::string& stage)>& begin = nullptr,
    const RehearsalOptions& options = {});

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_REHEARSAL_H_
