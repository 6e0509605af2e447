// Selective search over a whole dataset, into a proposal file.
//
// Several threads process images, and results are written in order, so the file is
// the same for any number of threads. The ranks of each image are drawn from a
// separate stream, named by config.seed and the image's index.
//
// Finished images are kept in PATH.partial until the file is complete: after any
// interruption the same call resumes there and writes the same file.
//
// Example:
//   RCNN_RETURN_IF_ERROR(WriteSelectiveSearchProposals(*dataset, config, {.path = path}));

#ifndef RCNN_DATA_SELECTIVE_SEARCH_SELECTIVE_SEARCH_PROPOSALS_H_
#define RCNN_DATA_SELECTIVE_SEARCH_SELECTIVE_SEARCH_PROPOSALS_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "rcnn/configs/selective_search.pb.h"
#include "rcnn/data/core/dataset.h"

namespace rcnn::data {

struct SelectiveSearchRun {
  // The proposal file to write; its directory must exist.
  std::string path = {};
  // 0: one per core that the process may use.
  int threads = 0;
  // Prints no progress.
  bool quiet = false;
  // Called before the first image, with the number of images that earlier calls have done; after
  // each image, with the number of images done.
  std::function<void(int64_t done)> started = {};
  std::function<void(int64_t done)> progress = {};
  // Called before the file and its journal are made, and before the file gets its name. Its error
  // is returned. Null: nothing to ask.
  std::function<absl::Status()> may_write = {};
};

// Boxes are in the dataset's convention (Dataset::inclusive_boxes()). kCancelled
// after a shutdown request (base/shutdown.h); the error of the first image that
// cannot be read; kInvalidArgument for a config out of range. On an error the file
// at the path is unchanged. kUnavailable while another process writes it.
absl::Status WriteSelectiveSearchProposals(const Dataset& dataset,
                                           const configs::SelectiveSearchConfig& config,
                                           const SelectiveSearchRun& run);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SELECTIVE_SEARCH_SELECTIVE_SEARCH_PROPOSALS_H_
