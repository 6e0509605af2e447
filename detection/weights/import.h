// Fills a model's tensors from weights, and reports what happened to each.
//
// A NameMap translates the weights' names. Each tensor of the model is then filled
// from the tensor with its name, or keeps its initial value. A failed import leaves
// the model unchanged.
//
// Shapes: a file's tensor fits if its shape is the model's, or if it holds the same elements
// in the same order and the shapes differ only by sizes of 1 or by flattening the last
// dimensions ("reshaped": Caffe's [1, 1, 1, 4096] biases, a [4096, 512, 7, 7] fc6). Any
// other shape is an error, unless the tensor belongs to a part marked as re-initialised.
// Floating-point types are converted into the model's.
//
// Example:
//   StateDict model = ModuleState(*detector);  // module_state.h
//   RCNN_ASSIGN_OR_RETURN(StateDict weights, LoadStateDict("vgg16.pth"));
//   ImportOptions options;
//   options.reinitialised = {"head.cls_score"};
//   RCNN_ASSIGN_OR_RETURN(ImportReport report, ImportStateDict(weights, map, options, model));
//   std::cout << report.ToString();

#ifndef RCNN_DETECTION_WEIGHTS_IMPORT_H_
#define RCNN_DETECTION_WEIGHTS_IMPORT_H_

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/detection/weights/import_report.h"
#include "rcnn/detection/weights/name_map.h"
#include "rcnn/detection/weights/state_dict.h"

namespace rcnn::detection::weights {

struct ImportOptions {
  // Shown in the report, for example a path.
  std::string source = "weights";
  // rcnn's names of modules or tensors ("head", "head.cls_score") that keep their
  // initial values regardless of the file. A name that the model does not have is
  // an error.
  std::vector<std::string> reinitialised = {};
  // Parts that the file must fill completely or not at all: a half-filled backbone
  // means the weights of another backbone. Batch counters (num_batches_tracked) do
  // not count.
  std::vector<std::string> whole_parts = {"backbone", "fpn", "head.layer4"};
  // Every tensor of the model that is not re-initialised must be in the file, and
  // every tensor of the file in the model (batch counters apart): for a
  // detector's own weights.
  bool exact = false;
  // If set, called before a tensor, of any type and in the shape of the model's, is copied to the
  // model's tensor `name`. True: it has become the model's instead, and is not copied
  // (borrowed_weights.h). Not called in an import that fails.
  std::function<bool(const std::string& name, const at::Tensor& tensor)> borrow = nullptr;
};

// Copies into the tensors of `model`, which share memory with the module, without
// recording gradients. Returns a report on each tensor.
//
// Of a mapped file about 16 MB of float32 numbers are in memory at a time.
//
// kInvalidArgument, naming the tensor, if a value to be copied is NaN or infinite, if a shape does
// not fit (with both shapes), if only one of the two types is a floating-point one, or if two
// tensors of the file get one name; kFailedPrecondition if no tensor of the file fits the
// model, if a part of whole_parts is only partly filled, or if `exact` does not hold; kNotFound
// for an unknown re-initialised part.
absl::StatusOr<ImportReport> ImportStateDict(const StateDict& weights, const NameMap& map,
                                             const ImportOptions& options, const StateDict& model);

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_IMPORT_H_
