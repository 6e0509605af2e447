// Removes a prefix that all names of a file share: "module." of DataParallel, "model." of
// Lightning, "_orig_mod." of torch.compile.
//
// Only if no known name map recognises the names with the prefix, and one does without it:
// "features." in a network's own names is not a wrapper. Names without a dot, such as
// AveragedModel's n_averaged, need not have the prefix.
//
// Example:
//   UnwrappedNames unwrapped = UnwrapNames(std::move(weights));
//   std::cout << unwrapped.prefix;  // "module."

#ifndef RCNN_DETECTION_WEIGHTS_WRAPPED_NAMES_H_
#define RCNN_DETECTION_WEIGHTS_WRAPPED_NAMES_H_

#include <string>

#include "rcnn/detection/weights/state_dict.h"

namespace rcnn::detection::weights {

struct UnwrappedNames {
  StateDict state;     // the tensors are shared with the source
  std::string prefix;  // the removed prefix, "module.model."; empty if none
};

UnwrappedNames UnwrapNames(StateDict state);

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_WRAPPED_NAMES_H_
